"""What `credfd run` reads or starts again while its command runs is not the command's to change: its rules, its roles,
and the programs that print its keys. Here it is a file that is written to, and one that comes to lie before another."""
import os
import signal

import pytest

MODES = ("network", "full")
each_mode = pytest.mark.parametrize("mode", MODES)

PRINTS = "#!/bin/sh\ncat {key}\n"
STEALS = "#!/bin/sh\ntouch {mark}\ncat {key}\n"
# Says that it was told something; what came before was heeded by then.
WAITS = "trap 'echo told' USR1; echo ready; while :; do sleep 0.05; done"


@pytest.fixture
def own(session, user):
    """A directory of the user's, with a program that prints the key, another that would say that it ran, the key."""
    folder = session.new_folder(user)
    keep = folder / "test-secrets"
    for made in (keep, folder / "first", folder / "second"):
        made.mkdir(mode=0o700)
    (keep / "key").write_text(session.canary)
    (folder / "second" / "print-key").write_text(PRINTS.format(key=keep / "key"))
    (folder / "evil").write_text(STEALS.format(mark=folder / "mark", key=keep / "key"))
    for path in (*keep.iterdir(), folder / "second" / "print-key", folder / "evil"):
        path.chmod(0o700)
    for path in (folder, *folder.rglob("*")) if user else ():
        os.chown(path, user.pw_uid, user.pw_gid)
    return folder


def start(credfd, user, mode, own, command, script, **how):
    """With the directory to be written to, and a key that is printed each second."""
    options = ["--isolate", mode] + (["--write", str(own)] if mode == "full" else [])
    path = f"{own}/first:{own}/second:{credfd.environment(own)['PATH']}"
    return credfd.start(["sh", "-c", script], options=options, user=user, env={"PATH": path},
                        secret={"command": command, "refresh": "1s"}, **how)


def tell(run):
    """Makes it read its rules again, and waits until it has."""
    run.kill(signal.SIGHUP)
    run.kill(signal.SIGUSR1)
    run.expect("told")


WRITE = """
cp {own}/evil {target}; cat {own}/evil >{target}; mv -f {own}/evil {target}; rm -f {target}; ln -sf {own}/evil {target}
test "$(cat {target})" = "$(cat {own}/wanted)" && echo unchanged
"""


@each_mode
@pytest.mark.parametrize("how", ["path", "found", "script", "link"])
def test_the_program_that_prints_a_key_cannot_be_changed(credfd, user, own, mode, how):
    program = own / "second" / "print-key"
    (own / "wanted").write_text(program.read_text())
    if how == "link":
        (own / "link").symlink_to(program)
    command = {"path": [str(program)], "found": ["print-key"], "script": ["sh", str(program)],
               "link": [str(own / "link")]}[how]
    run = start(credfd, user, mode, own, command, WRITE.format(own=own, target=program))
    assert run.wait() == 0
    assert run.stdout == b"unchanged\n"


@each_mode
def test_a_program_that_comes_into_path_later_is_not_run(credfd, user, own, mode):
    run = start(credfd, user, mode, own, ["print-key"], f"cp {own}/evil {own}/first/print-key && echo there\n{WAITS}")
    run.expect("there")
    run.expect("ready")
    tell(run)
    run.kill(signal.SIGTERM)
    run.wait()
    assert (own / "first" / "print-key").exists() and not (own / "mark").exists()


@each_mode
def test_a_link_that_is_changed_leads_where_it_led(credfd, user, own, mode):
    (own / "link").symlink_to(own / "second" / "print-key")
    run = start(credfd, user, mode, own, [str(own / "link")], f"ln -sf {own}/evil {own}/link && echo there\n{WAITS}")
    run.expect("there")
    run.expect("ready")
    tell(run)
    run.kill(signal.SIGTERM)
    run.wait()
    assert not (own / "mark").exists()


PROFILE = """
description: of a test
upstream: {upstream}
inject: {{ query: app_key }}
allow: [ "GET /it" ]
env: {{ API_FD: "{{fd}}" }}
"""


@each_mode
def test_a_profile_of_the_users_own_cannot_be_changed(credfd, user, own, mode):
    profiles = own / "credfd" / "profiles"
    profiles.mkdir(parents=True)
    file = profiles / "mine.yaml"
    file.write_text(PROFILE.format(upstream=credfd.upstream.url))
    (own / "wanted").write_text(file.read_text())
    for path in (own / "credfd", profiles, file) if user else ():
        os.chown(path, user.pw_uid, user.pw_gid)
    options = ["--isolate", mode] + (["--write", str(own)] if mode == "full" else [])
    run = credfd.start(["sh", "-c", WRITE.format(own=own, target=file)], options=options, user=user,
                       profiles=["mine"], env={"XDG_CONFIG_HOME": str(own)})
    assert run.wait() == 0, run.stderr
    assert run.stdout == b"unchanged\n"


@each_mode
def test_a_profile_that_was_shipped_is_not_shadowed(credfd, user, own, mode):
    """A file of its name in an earlier folder, which is the user's own, would be read the next time."""
    options = ["--isolate", mode] + (["--write", str(own)] if mode == "full" else [])
    folder = own / "credfd" / "profiles"
    run = credfd.start(["sh", "-c", f"mkdir -p {folder}; echo no: profile >{folder}/slack.yaml; echo there; {WAITS}"],
                       options=options, user=user, profiles=["slack"], env={"XDG_CONFIG_HOME": str(own)})
    run.expect("there")
    run.expect("ready")
    tell(run)
    run.kill(signal.SIGTERM)
    run.wait()
    assert "not read again" not in run.stderr and (folder / "slack.yaml").exists()


@each_mode
def test_the_roles_programs_cannot_be_changed(credfd, session, as_root, mode):
    """Not even by root, whose they are: each is started again when it has ended."""
    programs = [path for path in session.path.resolve().parent.iterdir()
                if path.name in ("credfd", "credfd-keeper", "credfd-relay", "credfd-source", "credfd-gate")]
    assert len(programs) == 5
    options = ["--isolate", mode] + (["--write", str(session.path.resolve().parent)] if mode == "full" else [])
    script = "".join(f"test -e {path} && (: >>{path}) 2>/dev/null && echo {path}\n" for path in programs)
    run = credfd.start(["sh", "-c", script + "true"], options=options)
    assert run.wait() == 0, run.stderr
    assert run.stdout == b""


def test_check_warns_of_two_credentials_that_no_run_with_a_proxy_takes(credfd, session):
    folder = session.new_folder()
    config = credfd.write_settings(folder, [credfd.credential("one", env=None), credfd.credential("two", env=None)],
                                   {"egress": {"allow": []}})
    checked = credfd.command("check", "-c", config)
    assert b"one and two are for one host" in checked.stderr


def test_a_file_with_nothing_in_it_is_told_of_both_mends(credfd, session):
    config = session.new_folder() / "credfd.yaml"
    config.write_text("log: info\n")
    checked = credfd.command("check", "-c", config)
    assert b"credentials" in checked.stderr and b"egress" in checked.stderr
