"""Bad configuration: exit 125 and one line, FILE:LINE: KEY: what is wrong and how to mend it. Nothing starts."""
import os
import re

import pytest

import program

GOOD = """\
credentials:
  - name: api
    secret: {{ file: {secret} }}
    upstream: https://api.example.org
    inject: {{ query: app_key }}
    allow: all
"""

# What is wrong: the text put in place of another, the line that is to be named (None: any or none), and words that the
# complaint must hold.
BAD = {
    "unknown key": ("    allow: all", "    allow: all\n    retries: 3", 7, ["retries"]),
    "unknown key at the top": ("credentials:", "colour: blue\ncredentials:", 1, ["colour"]),
    "unknown key inside": ("{{ query: app_key }}", "{{ query: app_key, body: x }}", 5, ["body"]),
    "unknown secret source": ("{{ file: {secret} }}", "{{ carrier_pigeon: x }}", 3, ["secret", "unknown key"]),
    "two secret sources": ("{{ file: {secret} }}", "{{ file: {secret}, env: X }}", 3, ["secret"]),
    "no secret source": ("{{ file: {secret} }}", "{{ }}", 3, ["secret"]),
    "missing secret": ("    secret: {{ file: {secret} }}\n", "", None, ["secret"]),
    "missing name": ("  - name: api\n    secret", "  - secret", None, ["name"]),
    "missing upstream": ("    upstream: https://api.example.org\n", "", None, ["upstream"]),
    "missing inject": ("    inject: {{ query: app_key }}\n", "", None, ["inject"]),
    "missing file": ("{{ file: {secret} }}", "{{ file: /no/such/secret }}", 3, ["secret", "file"]),
    "a folder as file": ("{{ file: {secret} }}", "{{ file: /tmp }}", 3, ["secret", "file"]),
    "missing variable": ("{{ file: {secret} }}", "{{ env: NOT_SET_AT_ALL }}", 3, ["secret", "env"]),
    "descriptor not open": ("{{ file: {secret} }}", "{{ fd: 99 }}", 3, ["secret", "fd"]),
    "descriptor of standard input": ("{{ file: {secret} }}", "{{ fd: 0 }}", 3, ["fd"]),
    "missing ca_file": ("    allow: all", "    allow: all\n    ca_file: /no/such/ca.pem", 7, ["ca_file"]),
    "wrong type, text for a list": ("    allow: all", "    allow: some", 6, ["allow"]),
    "wrong type, mapping for text": ("name: api", "name: {{ a: b }}", 2, ["name"]),
    "wrong type, list for a mapping": ("{{ query: app_key }}", "[ query ]", 5, ["inject"]),
    "wrong type, text for a flag": ("    allow: all", "    allow: all\n    allow_private: perhaps", 7,
                                    ["allow_private"]),
    "wrong type, text for credentials": (None, "credentials: none\n", 1, ["credentials"]),
    "bad duration": ("    allow: all", "    allow: all\n    response_timeout: soon", 7, ["response_timeout"]),
    "negative duration": ("    allow: all", "    allow: all\n    response_timeout: -1s", 7, ["response_timeout"]),
    "endless duration": ("    allow: all", "    allow: all\n    response_timeout: 99999999999999999999s", 7,
                         ["response_timeout"]),
    "bad rule": ("allow: all", "allow: [ \"/no/method\" ]", 6, ["allow"]),
    "bad rule path": ("allow: all", "allow: [ \"GET relative\" ]", 6, ["allow"]),
    "duplicate key": ("    allow: all", "    allow: all\n    allow: all", 7, ["allow"]),
    "plain http off loopback": ("https://api.example.org", "http://api.example.org", 4, ["http"]),
    "other scheme": ("https://api.example.org", "ftp://api.example.org", 4, ["upstream"]),
    "no scheme": ("https://api.example.org", "api.example.org", 4, ["upstream"]),
    "user in upstream": ("https://api.example.org", "https://me@api.example.org", 4, ["upstream"]),
    "query in upstream": ("https://api.example.org", "https://api.example.org/?a=b", 4, ["upstream"]),
    "bad port": ("https://api.example.org", "https://api.example.org:99999", 4, ["upstream"]),
    "name with a comma": ("name: api", "name: \"a,b\"", 2, ["name"]),
    "name with an equals sign": ("name: api", "name: \"a=b\"", 2, ["name"]),
    "empty name": ("name: api", "name: \"\"", 2, ["name"]),
    "two ways to inject": ("{{ query: app_key }}", "{{ query: app_key, header: X }}", 5, ["inject"]),
    "bad header name": ("{{ query: app_key }}", "{{ header: \"X Y\" }}", 5, ["header"]),
    "header that frames": ("{{ query: app_key }}", "{{ header: Content-Length }}", 5, ["header"]),
    "format without a place": ("{{ query: app_key }}", "{{ header: X, format: \"Bearer\" }}", 5, ["format"]),
    "format with a line break": ("{{ query: app_key }}", "{{ header: X, format: \"{{}}\\r\\nY: 1\" }}", 5, ["format"]),
    "command as one text": ("{{ file: {secret} }}", "{{ command: pass show x }}", 3, ["list of words"]),
    "command that is not there": ("{{ file: {secret} }}", "{{ command: [ no-such-program ] }}", 3, ["$PATH"]),
    "systemd outside of a unit": ("{{ file: {secret} }}", "{{ systemd: key }}", 3, ["$CREDENTIALS_DIRECTORY"]),
    "a path for systemd": ("{{ file: {secret} }}", "{{ systemd: a/b }}", 3, ["LoadCredential"]),
    "time-out without a command": ("{{ file: {secret} }}", "{{ file: {secret}, timeout: 1s }}", 3, ["command"]),
    "one place twice": ("{{ query: app_key }}", "[ {{ header: authorization }}, {{ basic: {{ user: a }} }} ]", 5,
                        ["inject[1]", "same place"]),
    "basic without a half": ("{{ query: app_key }}", "{{ basic: me }}", 5, ["inject.basic"]),
    "path with a query": ("{{ query: app_key }}", "{{ path: \"/bot{{}}?x\" }}", 5, ["inject.path"]),
    "deny without a list": ("    allow: all", "    allow: all\n    deny: all", 7, ["deny"]),
    "relative executable": ("    allow: all", "    allow: all\n    executables: [ curl ]", 7, ["executables[0]"]),
    "size without a unit": ("    allow: all", "    allow: all\n    limits: {{ bytes: 9 }}", 7, ["limits.bytes", "MiB"]),
    "rate without a time": ("    allow: all", "    allow: all\n    limits: {{ rate: 10 }}", 7, ["limits.rate", "10/s"]),
    "mask neither on nor off": ("    allow: all", "    allow: all\n    mask: false", 7, ["mask", "on or off"]),
    "audit without a place": ("    allow: all", "    allow: all\naudit: {{ on_error: block }}", 7,
                              ["audit", "journal"]),
    "rotation of standard error": ("    allow: all", "    allow: all\naudit: {{ file: \"-\", rotate: 1MiB }}", 7,
                                   ["audit.rotate"]),
    "metrics at a name": ("    allow: all", "    allow: all\nmetrics: example.org:9780", 7, ["metrics"]),
    "unknown log level": ("    allow: all", "    allow: all\nlog: loud", 7, ["log", "warning"]),
    "not YAML": ("    allow: all", "  allow: [ all", None, []),
    "a tab": ("    allow: all", "\tallow: all", None, []),
    "nothing at all": (None, "", None, []),
    "only a list": (None, "- a\n- b\n", 1, []),
}


@pytest.fixture
def bad(credfd):
    """Writes a configuration and has it refused: by run with 125, and by check with the same line."""
    folder = credfd.session.new_folder()

    def refuse(text, line, words, **secret):
        secret_path = credfd.write_secret(folder, "api", secret.get("secret", credfd.canary))
        if "mode" in secret:
            secret_path.chmod(secret["mode"])
            secret_path.parent.chmod(0o755)
        config = folder / "bad.yaml"
        config.write_text(text.format(secret=secret_path))
        run = credfd.start(["touch", "started"], config=config, audit=False)
        assert run.wait() == 125, run.stderr
        assert not (run.folder / "started").exists()
        complaint = run.stderr
        assert len(complaint.splitlines()) == 1 and complaint.endswith("\n"), complaint
        found = re.match(rf"(?:credfd(?: run)?: )?{re.escape(str(config))}:(?:(\d+):)? (.+)", complaint)
        assert found, complaint
        assert line is None or found.group(1) == str(line), complaint
        assert all(word in found.group(2) for word in words), complaint
        assert credfd.canary not in complaint
        return config, complaint

    return refuse


@pytest.mark.parametrize("old, new, line, words", BAD.values(), ids=BAD)
def test_a_bad_configuration_is_refused_with_its_place(bad, old, new, line, words):
    if old is None:
        text = new
    else:
        assert old in GOOD
        text = GOOD.replace(old, new, 1)
    bad(text, line, words)


def test_duplicate_names_are_refused(bad):
    bad(GOOD + GOOD.partition("\n")[2], 7, ["name"])


@pytest.mark.parametrize("mode", [0o404, 0o444, 0o644, 0o604])
def test_a_world_readable_secret_is_refused(bad, mode):
    _, complaint = bad(GOOD, 3, ["file"], mode=mode)
    assert "chmod" in complaint, "it says how to mend it"


def test_an_empty_secret_is_refused(bad):
    bad(GOOD, 3, ["empty"], secret="")


def test_a_secret_of_a_newline_alone_is_refused(bad):
    bad(GOOD, 3, ["empty"], secret="\n")


@pytest.mark.parametrize("secret", ["canary\nmore", "canary\n\n", "\ncanary", "canary\r\nmore", "canary\rmore",
                                    "canary\0more"], ids=repr)
def test_a_secret_with_a_line_break_inside_is_refused(bad, secret):
    _, complaint = bad(GOOD, 3, [], secret=secret.replace("canary", "distinct-secret"))
    assert "distinct-secret" not in complaint


def test_an_empty_variable_is_refused(credfd):
    run = credfd.start(["true"], credentials=[credfd.credential(secret={"env": "EMPTY"})], env={"EMPTY": ""})
    assert run.wait() == 125
    assert "empty" in run.stderr and len(run.stderr.splitlines()) == 1


def test_one_descriptor_for_two_is_refused(bad):
    one = GOOD.replace("{{ file: {secret} }}", "{{ fd: 7 }}")
    two = one.partition("\n")[2].replace("name: api", "name: other")
    bad(one + two, 8, ["credentials.other.secret", "api"])


@pytest.mark.parametrize("secret", [{"env": "NOT_SET_AT_ALL"}, {"file": "/no/such/secret"}, {"fd": 99},
                                    {"systemd": "key"}, {"command": ["no-such-program"]}], ids=str)
def test_a_secret_that_is_not_there_stops_only_who_uses_it(credfd, secret):
    credentials = [credfd.credential("used"), credfd.credential("unused", secret=secret, env=None)]
    run = credfd.start(["printenv", "CREDFD"], credentials=credentials, options=["--lease", "used"])
    assert run.wait() == 0, run.stderr
    assert run.stdout == b"used=3\n"
    config = run.folder / "credfd.yaml"
    done = credfd.command("check", "-c", config)
    assert done.returncode == 125
    assert b"credentials.unused.secret: " in done.stderr, "check looks at all of them"


def test_a_configuration_that_may_not_be_read_is_refused(credfd, user):
    if user is None and program.is_root():
        pytest.skip("root may read everything")
    folder = credfd.session.new_folder(user)
    config = credfd.write_settings(folder, [credfd.credential()], user=user)
    config.chmod(0o000)
    run = credfd.start(["true"], config=config, user=user)
    assert run.wait() == 125
    assert str(config) in run.stderr and len(run.stderr.splitlines()) == 1


def test_check_tells_the_same_as_run(credfd, bad):
    config, complaint = bad(GOOD.replace("allow: all", "allows: all"), 6, ["allows"])
    done = credfd.command("check", "-c", config)
    assert done.returncode == 125
    assert (done.stderr or done.stdout).decode().partition(f"{config}:")[2] == complaint.partition(f"{config}:")[2]


def test_check_accepts_a_good_one(credfd):
    folder = credfd.session.new_folder()
    done = credfd.command("check", "-c", credfd.write_settings(folder, [credfd.credential()]))
    assert done.returncode == 0, done.stderr
    assert credfd.canary.encode() not in done.stdout + done.stderr


# Where it is looked for.

def test_the_configuration_is_found_in_its_places_in_order(credfd):
    """Each place, once it has a file, wins over the later ones: seen by the name of the only lease."""
    folder = credfd.session.new_folder()
    places = {"option": folder / "option.yaml", "variable": folder / "variable.yaml", "here": folder / "credfd.yaml",
              "user": folder / "xdg" / "credfd" / "config.yaml"}
    (folder / "xdg" / "credfd").mkdir(parents=True)

    def lease_of(*options, env=None):
        done = credfd.command("run", *options, "--", "printenv", "CREDFD", cwd=folder,
                              env={"XDG_CONFIG_HOME": str(folder / "xdg"), **(env or {})})
        return done.stdout.decode().partition("=")[0]

    for name, path in reversed(places.items()):
        written = credfd.write_settings(folder / "xdg", [credfd.credential(name, env=None)])
        os.rename(written, path)
        variable = {"CREDFD_CONFIG": str(places["variable"])} if name in ("variable", "option") else {}
        options = ["-c", str(places["option"])] if name == "option" else []
        assert lease_of(*options, env=variable) == name
