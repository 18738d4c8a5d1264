"""Profiles: a key without a configuration file, the profiles that are shipped, and what goes wrong with them."""
import os
import re
import signal

import pytest

import procs
import program
from procs import wait_until

SHIPPED = {
    "anthropic": ["anthropic"], "datadog": ["datadog"], "flashduty": ["flashduty"],
    "github": ["github", "github-git", "github-uploads"], "github-git": ["github-git"], "gitlab": ["gitlab"],
    "jira": ["jira"], "npm": ["npm"], "openai": ["openai"], "pagerduty": ["pagerduty"], "pypi": ["pypi"],
    "slack": ["slack", "slack-files"], "telegram": ["telegram"],
}

PROFILE = """\
description: the server of this test
upstream: {url}
inject: {{ query: app_key }}
ca_file: {ca_file}
allow: [ GET /some/** ]
deny: [ "* /some/secret/**" ]
"""


@pytest.fixture
def home(credfd):
    """A home with a profile of the test's own upstream, called mine. Returns the folder of its profiles."""
    folder = credfd.session.new_folder() / "credfd" / "profiles"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text(PROFILE.format(url=credfd.upstream.url, ca_file=credfd.upstream.ca_file))
    return folder


@pytest.fixture
def profile(credfd, home):
    """`credfd profile ...` in that home."""
    def run(*arguments):
        return credfd.command("profile", *arguments, env={"XDG_CONFIG_HOME": str(home.parents[1])})
    return run


@pytest.fixture
def run(credfd, home):
    """`credfd run ...` in that home, to its end, in a folder of its own where it finds no configuration."""
    def start(*arguments, env=None):
        return credfd.command("run", *arguments, env={"XDG_CONFIG_HOME": str(home.parents[1]), **(env or {})})
    return start


def call(credfd, path, name="mine"):
    return ["--", credfd.session.path, "call", name, path]


def test_a_profile_and_a_secret_are_enough(credfd, run):
    done = run("--profile", "mine", "--secret", "env:MY_KEY", *call(credfd, "/some/path"),
               env={"MY_KEY": credfd.canary})
    assert done.returncode == 0, done.stderr
    assert credfd.upstream.requests[0].keys() == [credfd.canary]
    assert credfd.canary.encode() not in done.stdout + done.stderr


def test_its_rules_are_enforced(credfd, run):
    for path in "/other", "/some/secret/thing":
        done = run("--profile", "mine", "--secret", "env:MY_KEY", *call(credfd, path), env={"MY_KEY": credfd.canary})
        assert done.returncode == 22, done.stderr
    assert not credfd.upstream.requests


def test_a_secret_of_each_kind(credfd, run):
    folder = credfd.session.new_folder()
    path = credfd.write_secret(folder, "key", credfd.canary)
    systemd = {"CREDENTIALS_DIRECTORY": str(path.parent)}
    for secret in f"file:{path}", f"systemd:{path.name}", f"command:cat {path}":
        credfd.upstream.requests.clear()
        done = run("--profile", "mine", "--secret", secret, *call(credfd, "/some/path"), env=systemd)
        assert done.returncode == 0, (secret, done.stderr)
        assert credfd.upstream.requests[0].keys() == [credfd.canary]


def test_the_second_secret_belongs_to_the_second_profile(credfd, home, run):
    (home / "other.yaml").write_text((home / "mine.yaml").read_text())
    keys = {"ONE": "the-other-key", "TWO": credfd.canary}
    done = run("--secret", "env:ONE", "--profile", "mine", "--profile", "other", "--secret", "env:TWO",
               *call(credfd, "/some/path", "other"), env=keys)
    assert done.returncode == 0, done.stderr
    assert credfd.upstream.requests[0].keys() == [credfd.canary]


def test_a_configuration_beside_it_is_not_read(credfd, home):
    folder = credfd.session.new_folder()
    (folder / "credfd.yaml").write_text("this is: no configuration\n")
    done = credfd.command("run", "--profile", "mine", "--secret", "env:MY_KEY", "--", "printenv", "CREDFD", cwd=folder,
                          env={"XDG_CONFIG_HOME": str(home.parents[1]), "MY_KEY": credfd.canary})
    assert (done.returncode, done.stdout) == (0, b"mine=3\n"), done.stderr


@pytest.mark.parametrize("options, words", [
    (["--profile", "mine"], "--secret"),
    (["--secret", "env:MY_KEY"], "--profile"),
    (["--profile", "mine", "--secret", "env:MY_KEY", "-c", "x.yaml"], "configuration"),
    (["--profile", "none-such", "--secret", "env:MY_KEY"], "credfd profile list"),
    (["--profile", "../mine", "--secret", "env:MY_KEY"], "a profile's name"),
    (["--profile", "mine", "--profile", "mine", "--secret", "env:A", "--secret", "env:B"], "given twice"),
    (["--profile", "mine", "--secret", "env:NOT_SET_AT_ALL"], "--secret of mine: the variable"),
], ids=lambda value: value[-1] if isinstance(value, list) else "")
def test_what_cannot_be_is_told_in_one_line(run, options, words):
    done = run(*options, "--", "touch", "started")
    lines = done.stderr.decode().splitlines()
    assert done.returncode == 125 and len(lines) == 1, done.stderr
    assert words in lines[0]


@pytest.mark.parametrize("form", ["{}", "key:{}", "{}:x", "env:{}", "fd:{}", "file:~/{}", "systemd:x/{}",
                                  "command:~/{} x", "command:{} x", "file:{}"])
def test_a_key_in_the_place_of_its_name_is_not_shown(run, form):
    """A word, and not the canary: that stands on the command line, where every process may look."""
    done = run("--profile", "mine", "--secret", form.format("not-a-name-1"), "--", "touch", "started")
    assert done.returncode == 125
    assert b"not-a-name-1" not in done.stderr and len(done.stderr.splitlines()) == 1


def test_a_fault_in_a_profile_is_told_with_its_line(home, run):
    (home / "mine.yaml").write_text("description: x\nupstream: https://example.org\ninject: { qurey: a }\n")
    done = run("--profile", "mine", "--secret", "env:HOME", "--", "true")
    assert done.returncode == 125
    assert f"{home}/mine.yaml:3: inject.qurey: unknown key; did you mean `query`?" in done.stderr.decode()


# Several credentials in one profile.

PAIR = """\
description: two hosts of one vendor
credentials:
  - {{ name: first, upstream: "{url}", inject: {{ query: app_key }}, ca_file: "{ca_file}", allow: all }}
  - {{ name: second, upstream: "{url}/files", inject: {{ query: app_key }}, ca_file: "{ca_file}", allow: all }}
"""

BOTH = """
    credfd=$1
    while read word; do
        for name in first second; do $credfd call $name /$word >/dev/null || true; done
        echo done $word
    done
"""


@pytest.fixture
def pair(credfd, home):
    """pair(secret): a run of that profile, which calls both leases with each word that it is told."""
    (home / "pair.yaml").write_text(PAIR.format(url=credfd.upstream.url, ca_file=credfd.upstream.ca_file))

    def start(secret, **how):
        return credfd.start(["sh", "-ec", BOTH, "sh", credfd.session.path], profiles=["pair"], secret=secret,
                            env={"XDG_CONFIG_HOME": str(home.parents[1]), **how.pop("env", {})}, **how)
    return start


def call_both(credfd, run, word):
    credfd.upstream.requests.clear()
    run.say(word)
    run.expect(f"done {word}")
    seen = credfd.upstream.requests
    assert [one.path for one in seen] == [f"/{word}", f"/files/{word}"]
    return [one.keys() for one in seen]


def test_one_secret_is_the_key_of_both(credfd, pair):
    folder = credfd.session.new_folder()
    counter = folder / "count"
    script = folder / "key"
    script.write_text(f"#!/bin/sh\necho asked >>{counter}\nprintf %s $MY_KEY\n")
    script.chmod(0o755)
    for secret in "env:MY_KEY", f"command:{script}":
        run = pair(secret, env={"MY_KEY": "a-key-of-this-test"})
        assert call_both(credfd, run, "one") == [["a-key-of-this-test"]] * 2
        assert run.wait() == 0
    assert counter.read_text() == "asked\n"


def test_a_descriptor_is_read_once_for_both(credfd, pair):
    reader, writer = os.pipe()
    os.write(writer, credfd.canary.encode())
    os.close(writer)
    run = pair(f"fd:{reader}", pass_fds=(reader,))
    os.close(reader)
    assert call_both(credfd, run, "one") == [[credfd.canary]] * 2
    assert run.wait() == 0


def test_a_secret_that_changes_is_the_new_key_of_both(credfd, pair):
    path = credfd.write_secret(credfd.session.new_folder(), "changing", "the-first-key")
    run = pair(f"file:{path}")
    assert call_both(credfd, run, "one") == [["the-first-key"]] * 2
    new = path.with_name("new")
    new.write_text("the-second-key")
    new.chmod(0o400)
    new.rename(path)
    wait_until(lambda: call_both(credfd, run, "again") == [["the-second-key"]] * 2, "the new key in both")
    run.kill(signal.SIGHUP)
    assert call_both(credfd, run, "reloaded") == [["the-second-key"]] * 2
    assert run.wait() == 0


def test_a_keeper_that_died_has_the_key_of_both_again(credfd, pair):
    run = pair("env:MY_KEY", env={"MY_KEY": "a-key-of-this-test"})
    assert call_both(credfd, run, "one") == [["a-key-of-this-test"]] * 2
    old = run.role("keeper")
    procs.kill(old)
    wait_until(lambda: run.roles("keeper") not in ([], [old]), "another keeper")
    wait_until(lambda: call_both_calmly(credfd, run) == [["a-key-of-this-test"]] * 2, "both leases to serve again")
    assert run.wait() == 0


def call_both_calmly(credfd, run):
    """While the keeper is being started again either may be answered 503."""
    credfd.upstream.requests.clear()
    run.say("calm")
    run.expect("done calm")
    return [one.keys() for one in credfd.upstream.requests]


@pytest.mark.parametrize("profile, words", [("github", "3 credentials"), ("openai", "opens doors")])
def test_a_runner_takes_a_plain_profile_only(credfd, profile, words):
    folder = credfd.session.new_folder()
    (folder / "credfd.yaml").write_text(f"runner: {{ url: \"wss://hub.example.org/x\", token: {{ env: MY_KEY }}, "
                                        f"workspace: {folder}, profile: {profile} }}\n")
    done = credfd.command("check", "-c", folder / "credfd.yaml", env={"MY_KEY": "k" * 20})
    assert done.returncode == 125
    assert f"runner.profile: profile {profile}: ".encode() in done.stderr and words.encode() in done.stderr


# credfd profile.

def test_list_tells_name_purpose_and_place(profile, home):
    done = profile("list")
    lines = done.stdout.decode().splitlines()
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in lines if line.split()[0] != "mine"] == list(SHIPPED)
    mine = next(line for line in lines if line.startswith("mine "))
    assert "the server of this test" in mine and str(home / "mine.yaml") in mine


def test_ones_own_profile_hides_the_shipped_one(profile, home):
    (home / "github.yaml").write_text((home / "mine.yaml").read_text())
    lines = [line for line in profile("list").stdout.decode().splitlines() if line.startswith("github ")]
    assert len(lines) == 1 and str(home / "github.yaml") in lines[0]
    assert profile("show", "--file", "github").stdout.decode().splitlines()[0] == f"# {home / 'github.yaml'}"
    assert str(home / "github.yaml") in profile("show", "github").stdout.decode()


def test_list_tells_the_others_beside_a_bad_one(profile, home):
    (home / "bad.yaml").write_text("description: [\n")
    done = profile("list")
    assert done.returncode == 125
    assert len(done.stderr.splitlines()) == 1 and f"{home}/bad.yaml".encode() in done.stderr
    assert b"mine" in done.stdout and b"telegram" in done.stdout


@pytest.mark.parametrize("name", SHIPPED)
def test_show_prints_the_file_as_it_is(profile, name):
    done = profile("show", "--file", name)
    first, _, rest = done.stdout.decode().partition("\n")
    assert done.returncode == 0
    assert first.startswith("# /") and first.endswith(f"/{name}.yaml")
    with open(first.removeprefix("# "), encoding="utf-8") as file:
        assert rest == file.read()


@pytest.mark.parametrize("name", SHIPPED)
def test_show_explains(profile, name):
    done = profile("show", name)
    said = done.stdout.decode()
    assert done.returncode == 0, done.stderr
    assert said.startswith(f"{name}: ") and f"credfd run --profile {name} --secret " in said
    for credential in SHIPPED[name]:
        assert f"\n{credential}, bound to https://" in said


def test_show_tells_what_there_is_to_know(profile, home):
    (home / "mine.yaml").write_text("""
description: two of a kind
credentials:
  - name: first
    upstream: https://api.example.org
    inject: { header: Authorization, format: "Bearer {}" }
    placeholder: "key-{hex:32}"
    env: { VENDOR_URL: "{base_url}", VENDOR_KEY: "{placeholder}" }
    allow: [ GET /some/**, POST /some/search ]
    deny: [ "* /some/keys/**" ]
    websocket: true
  - name: second
    upstream: https://files.example.org
    inject: [ { query: key }, { basic: { user: me } } ]
egress: { allow: [ "*.example.net:443", "[::1]:8080" ] }
""")
    lines = [line.rstrip() for line in profile("show", "mine").stdout.decode().splitlines()]
    for line in ["mine: two of a kind", "first, bound to https://api.example.org",
                 "  the key      in the field Authorization", "  allowed      GET /some/**",
                 "               POST /some/search", "  never        * /some/keys/**",
                 "  variables    VENDOR_URL={base_url}", "               VENDOR_KEY={placeholder}",
                 "second, bound to https://files.example.org", "  the key      in the query, as key=KEY",
                 "               as the password of HTTP's Basic authentication",
                 "  allowed      nothing, until a rule is written in a copy of the file",
                 "Hosts that pass without a key:", "  *.example.net:443", "  [::1]:8080",
                 "  credfd run --profile mine --secret env:VENDOR_KEY -- COMMAND"]:
        assert line in lines, line


@pytest.mark.parametrize("name", SHIPPED)
def test_each_shipped_profile_gives_its_leases(run, name):
    done = run("--profile", name, "--secret", "env:MY_KEY", "--isolate", "none", "--", "printenv", "CREDFD",
               env={"MY_KEY": "k" * 20})
    leases = ",".join(f"{credential}={number}" for number, credential in enumerate(SHIPPED[name], 3))
    assert (done.returncode, done.stdout.decode()) == (0, f"{leases}\n"), done.stderr


@pytest.mark.parametrize("name", SHIPPED)
def test_no_rule_of_a_shipped_profile_is_idle(credfd, profile, name):
    """As `credfd check` sees it: each is a configuration, but for the secret."""
    text = profile("show", "--file", name).stdout.decode()
    body = re.sub(r"^description: .*$", "", text, flags=re.MULTILINE)
    body = re.sub(r"^( *(?:- )?)name: .*$", r"\g<0>\n    secret: { env: MY_KEY }", body, flags=re.MULTILINE)
    if "credentials:" not in body:
        egress = re.search(r"^egress:.*?(?=^#|\Z)", body, flags=re.MULTILINE | re.DOTALL)
        egress = egress.group() if egress else ""
        body = body.replace(egress, "") if egress else body
        body = f"credentials:\n  - name: {name}\n    secret: {{ env: MY_KEY }}\n" + re.sub(
            r"^(?=.)", "    ", body, flags=re.MULTILINE) + "\n" + egress
    folder = credfd.session.new_folder()
    (folder / "credfd.yaml").write_text(body)
    done = credfd.command("check", "-c", folder / "credfd.yaml", env={"MY_KEY": "k" * 20})
    said = [line for line in done.stderr.decode().splitlines() if "every request would be refused" not in line]
    assert (done.returncode, said) == (0, []), body


def test_the_flashduty_cli_is_told_its_descriptor(run):
    done = run("--profile", "flashduty", "--secret", "env:MY_KEY", "--", "printenv", "FLASHDUTY_CRED_FD",
               "FLASHDUTY_BASE_URL", env={"MY_KEY": "k" * 20})
    assert done.stdout == b"3\nhttp://flashduty.broker.local\n", done.stderr


@pytest.mark.parametrize("arguments", [[], ["list", "x"], ["show"], ["show", "a", "b"], ["delete"], ["--json", "list"],
                                       ["--file", "list"]], ids=" ".join)
def test_wrong_use_is_told(profile, arguments):
    done = profile(*arguments)
    assert done.returncode == 125 and not done.stdout
    assert done.stderr.decode().endswith("see credfd profile --help\n")


def test_config_is_taken_and_ignored(profile):
    assert profile("-c", "/no/such/file", "list").returncode == 0


def test_an_unreadable_folder_is_told(profile, home):
    if program.is_root():
        pytest.skip("root may read everything")
    home.chmod(0o000)
    try:
        done = profile("list")
    finally:
        home.chmod(0o700)
    assert done.returncode == 125 and f"{home}: cannot be read".encode() in done.stderr
