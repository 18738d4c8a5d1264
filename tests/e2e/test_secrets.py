"""Where a secret comes from: a file, a variable of credfd's own environment, a descriptor. And where it is not then."""
import ctypes
import os
import subprocess
import sys

import pytest

import procs


def call_once():
    with lease.connect() as stream:
        return stream.get("/it").status


def test_a_file_is_read_without_its_last_newline(credfd):
    assert credfd.inside(call_once, key=credfd.canary + "\n") == 200
    assert credfd.upstream.requests[0].keys() == [credfd.canary]


def test_a_file_without_a_newline_is_read_whole(credfd):
    assert credfd.inside(call_once, key=credfd.canary) == 200
    assert credfd.upstream.requests[0].keys() == [credfd.canary]


def test_a_file_is_found_relative_to_the_configuration(credfd):
    folder = credfd.session.new_folder()
    credfd.write_secret(folder, "mine", credfd.canary)
    config = credfd.write_settings(folder, [credfd.credential(secret={"file": "test-secrets/mine.key"})])
    assert credfd.inside(call_once, config=config) == 200


def environment_and_call():
    status = call_once()
    with open("/proc/self/environ", "rb") as file:
        return status, dict(os.environ), file.read().decode()


@pytest.mark.defence("env")
def test_a_variable_is_used_and_is_gone_from_the_commands_environment(credfd):
    status, environ, raw = credfd.inside(environment_and_call, using=[call_once], secret={"env": "MY_KEY"},
                                         env={"MY_KEY": credfd.canary})
    assert status == 200
    assert credfd.upstream.requests[0].keys() == [credfd.canary]
    assert "MY_KEY" not in environ and "MY_KEY" not in raw


def test_a_variable_of_a_like_name_stays(credfd):
    _, environ, _ = credfd.inside(environment_and_call, using=[call_once], secret={"env": "KEY"},
                                  env={"KEY": credfd.canary, "KEY2": "stays", "MY_KEY": "stays too"})
    assert (environ["KEY2"], environ["MY_KEY"]) == ("stays", "stays too")


@pytest.mark.defence("env")
def test_a_variable_of_a_lease_that_is_not_given_is_gone_too(credfd):
    """The configuration calls it a secret, so no command sees it, whichever leases were asked for."""
    one = credfd.credential("one", env={"API_FD": "{fd}"})
    two = credfd.credential("two", secret={"env": "KEY_OF_TWO"}, env=None)
    _, environ, _ = credfd.inside(environment_and_call, using=[call_once], credentials=[one, two],
                                  options=["--lease", "one"], env={"KEY_OF_TWO": credfd.canary})
    assert "KEY_OF_TWO" not in environ


def pipe_with(text):
    reader, writer = os.pipe()
    os.write(writer, text.encode())
    os.close(writer)
    return reader


def test_a_descriptor_is_read_and_is_gone_from_the_command(credfd):
    def call_and_list():
        return call_once(), sorted(int(number) for number in os.listdir("/proc/self/fd"))

    reader = pipe_with(credfd.canary + "\n")
    try:
        status, numbers = credfd.inside(call_and_list, using=[call_once], secret={"fd": reader}, pass_fds=[reader])
    finally:
        os.close(reader)
    assert status == 200
    assert credfd.upstream.requests[0].keys() == [credfd.canary]
    assert numbers[:4] == [0, 1, 2, 3] and len(numbers) == 5, "0, 1, 2, the lease, and the listing itself"


@pytest.mark.parametrize("source", ["file", "env", "fd", "command"])
def test_only_the_keeper_ever_maps_the_secret(credfd, source, sees_into_processes, no_sanitizer):
    """Seen from outside with every right: supervisor, relay and command do not hold it anywhere, nor in environ."""
    def call_and_wait():
        status = call_once()
        say("called")
        hear()
        return status

    reader = pipe_with(credfd.canary)
    path = str(credfd.write_secret(credfd.session.new_folder(), "api", credfd.canary))
    secret = {"file": {"file": "SECRET"}, "env": {"env": "MY_KEY"}, "fd": {"fd": reader},
              "command": {"command": ["cat", path], "refresh": "100ms"}}[source]
    env = {"MY_KEY": credfd.canary} if source == "env" else {}
    run = credfd.start_inside(call_and_wait, using=[call_once], secret=secret, env=env,
                              pass_fds=[reader] if source == "fd" else [])
    os.close(reader)
    run.expect("called")
    pids = {"supervisor": run.pid, "relay": run.role("relay"), "command": run.command()}
    resolvers = {"resolver": pid for pid in run.roles("resolver")}
    found = {name: procs.memory_holds(pid, credfd.canary.encode()) for name, pid in {**pids, **resolvers}.items()}
    assert found == {name: [] for name in found}
    if source != "command":
        assert not run.roles("source"), "a source ends when it has handed over its secret"
    run.say("end")
    assert run.result() == 200


def has_memfd_secret():
    """Whether this kernel gives memory that it cannot read itself."""
    fd = ctypes.CDLL(None).syscall(447, os.O_CLOEXEC)
    if fd >= 0:
        os.close(fd)
    return fd >= 0


def test_the_secret_lies_in_memory_that_not_even_the_kernel_reads(credfd, sees_into_processes):
    if not has_memfd_secret():
        pytest.skip("this kernel has no memfd_secret")

    def mappings(pid):
        return [line for _, _, line in procs.readable_ranges(pid) if "secretmem" in line]

    run = credfd.start(["sh", "-c", f"{credfd.session.path} call api /it >&2; echo called; read line"])
    run.expect("called")
    held = {"supervisor": run.pid, "keeper": run.role("keeper"), "relay": run.role("relay"), "command": run.command()}
    assert {name for name, pid in held.items() if mappings(pid)} == {"keeper"}
    run.say("end")
    assert run.wait() == 0


def test_the_search_of_memory_would_find_it(credfd, sees_into_processes):
    """The test above can fail: a process that does hold the key is found out."""
    code = "import sys; key = sys.stdin.readline(); print(1, flush=True); input()"
    holder = subprocess.Popen([sys.executable, "-S", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    holder.stdin.write(credfd.canary.encode() + b"\n")
    holder.stdin.flush()
    holder.stdout.readline()
    assert procs.memory_holds(holder.pid, credfd.canary.encode())
    holder.communicate(b"\n")


def test_a_secret_that_changes_is_taken_by_the_next_run(credfd):
    folder = credfd.session.new_folder()
    config = credfd.write_settings(folder, [credfd.credential()], key="an-old-key")
    credfd.inside(call_once, config=config)
    path = folder / "test-secrets" / "api.key"
    path.chmod(0o600)
    path.write_text(credfd.canary)
    credfd.inside(call_once, config=config)
    assert [seen.keys() for seen in credfd.upstream.requests] == [["an-old-key"], [credfd.canary]]
