"""What tests/e2e and tests/redteam share: the program, its upstreams, and the search for the key after every test.

The program is CREDFD (default: build/credfd). Everything runs as root or as a plain user; a case that needs more than
there is says so and is skipped. (tests/conformance has fixtures of its own.)
"""
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "lib"))

import names  # noqa: E402
import procs  # noqa: E402
import program  # noqa: E402
import upstream as servers  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--defence", help="only the cases of this defence (see tests/redteam/show-teeth)")
    parser.addoption("--users", choices=["all", "one"], default="all",
                     help="one: what is there for root and for a plain user runs as one of them, root where it can")


def pytest_configure(config):
    config.addinivalue_line("markers", "defence(name): this case fails where that defence is off")


def pytest_collection_modifyitems(config, items):
    wanted, users = config.getoption("--defence"), config.getoption("--users")
    if wanted:
        keep(config, items, lambda item: any(wanted in mark.args for mark in item.iter_markers("defence")))
    if users == "one" and program.is_root():
        names = {item.nodeid for item in items}
        keep(config, items, lambda item: not is_again(item, names))


def keep(config, items, is_kept):
    kept = [item for item in items if is_kept(item)]
    config.hook.pytest_deselected(items=[item for item in items if not is_kept(item)])
    items[:] = kept


def is_again(item, names):
    """Whether it is the second of two that differ in the user alone."""
    return (hasattr(item, "callspec") and item.callspec.params.get("user") == "plain user"
            and item.nodeid.replace("plain user", "root") in names)


@pytest.fixture(scope="session")
def session():
    path = ROOT / os.environ.get("CREDFD", "build/credfd")
    if not path.exists():
        pytest.exit(f"{path} is not there: build it with `make`, or name another in CREDFD", returncode=1)
    session = program.Session(path)
    yield session
    hits = session.close()
    assert not hits, f"the canary was left in {hits}"


@pytest.fixture(scope="session")
def folder(session):
    """Where upstreams live and keep records: the key may stand here and nowhere else."""
    path = session.base / "test-upstream"
    path.mkdir(mode=0o755)
    return path


@pytest.fixture(scope="session")
def authority(folder):
    return servers.Authority(folder)


@pytest.fixture(scope="session")
def nginx_process(session, authority, folder):
    nginx = servers.Nginx(session, authority, folder)
    yield nginx
    nginx.stop()


@pytest.fixture
def nginx(nginx_process):
    """nginx with TLS, with an empty record."""
    nginx_process.requests.clear()
    return nginx_process


@pytest.fixture
def serve(authority):
    """Makes a TLS server of the test's own behaviour; with tls=False a plain one."""
    made = []

    def start(handle=servers.answer_all, **how):
        made.append(servers.Server(handle, authority, **how))
        return made[-1]

    yield start
    for server in made:
        server.stop()
    faults = [fault for server in made for fault in server.faults]
    assert not faults, f"in a test's own server: {faults}"


@pytest.fixture
def credfd(session, nginx):
    """Starts credfd; afterwards nothing may be left of it, and the key may be nowhere."""
    starter = program.Credfd(session, nginx)
    yield starter
    starter.close()


@pytest.fixture(params=["root", "plain user"])
def user(request):
    """Everything twice: as root, and as somebody who is not. None stands for who we are."""
    if request.param == "root":
        if not program.is_root():
            pytest.skip("needs root")
        return None
    return program.NOBODY if program.is_root() else None


@pytest.fixture
def as_root():
    if not program.is_root():
        pytest.skip("needs root")


@pytest.fixture
def name_service(credfd, as_root):
    """Makes a name service of that zone, or of that kind; gives the wrapper in which credfd asks it."""
    folder = credfd.session.new_folder()
    reason = names.why_not(folder)
    if reason:
        pytest.skip(reason)
    started = []

    def start(zone=None, hosts="", kind=names.NameServer):
        started.append(kind(zone or {}))
        return names.wrapper(folder, hosts)

    start.questions = lambda: [name for server in started for name, _ in server.questions]
    start.asked = lambda name: sum(server.questions.count((name, names.A)) for server in started)
    yield start
    for server in started:
        server.stop()


@pytest.fixture
def sees_into_processes():
    """The right to look into processes that are not dumpable, for the test itself: never for the workload."""
    if not procs.has_capability(procs.CAP_SYS_PTRACE):
        pytest.skip("needs CAP_SYS_PTRACE to look into processes that are not dumpable")


@pytest.fixture
def no_sanitizer(session):
    """Where memory is measured, descriptors run out or a crash is left to the kernel: a sanitizer comes in between."""
    if session.is_sanitized:
        pytest.skip("a sanitizer has memory, descriptors and a crash handler of its own")
