"""An upstream given by name: resolved once for each connection, every address checked, private ones only if allowed."""
import json

import pytest

import names
import upstream as servers


def ask(count=1):
    with lease.connect() as stream:
        answers = [stream.get("/once") for _ in range(count)]
        return [answer.status for answer in answers], answers[-1].text


@pytest.fixture
def resolve(credfd, as_root):
    """Runs `ask` where api.test has these addresses. Returns the statuses and the last body."""
    folder = credfd.session.new_folder()
    reason = names.why_not(folder)
    if reason:
        pytest.skip(reason)
    started = []

    def run(addresses=None, hosts="", count=1, port=None, **changes):
        started.append(names.NameServer({} if addresses is None else {"api.test": addresses}))
        changes.setdefault("upstream", f"https://api.test:{port or credfd.upstream.ports['good']}")
        statuses, text = credfd.inside(ask, count, wrapper=names.wrapper(folder, hosts), **changes)
        return statuses, json.loads(text) if text.startswith("{") else text

    run.questions = lambda: [question for server in started for question in server.questions]
    yield run
    for server in started:
        server.stop()


def test_a_name_is_resolved_by_dns(resolve):
    statuses, _ = resolve(["127.0.0.1"], allow_private=True)
    assert statuses == [200]
    assert ("api.test", names.A) in resolve.questions()


def test_a_name_is_resolved_by_the_hosts_file(resolve):
    statuses, _ = resolve(hosts="127.0.0.1 api.test\n", allow_private=True)
    assert statuses == [200]


REFUSED = {
    "loopback": ["127.0.0.1"], "loopback, IPv6": ["::1"], "another loopback": ["127.7.7.7"], "this host": ["0.0.0.0"],
    "unspecified": ["::"], "private 10": ["10.1.2.3"], "private 172": ["172.16.0.1"], "private 192": ["192.168.1.1"],
    "shared": ["100.64.0.1"], "metadata": ["169.254.169.254"], "link-local, IPv6": ["fe80::1"],
    "local, IPv6": ["fd00::1"],
    "mapped loopback": ["::ffff:127.0.0.1"], "mapped metadata": ["::ffff:169.254.169.254"], "multicast": ["224.0.0.1"],
    "broadcast": ["255.255.255.255"], "translated loopback": ["64:ff9b::7f00:1"],
}


@pytest.mark.parametrize("addresses", REFUSED.values(), ids=REFUSED)
def test_a_name_with_a_private_address_is_refused(credfd, resolve, addresses):
    statuses, answer = resolve(addresses)
    assert statuses == [502]
    words = (answer["reason"] + answer.get("hint", "")).lower()
    assert "allow_private" in words or "private" in words or "loopback" in words, answer
    assert credfd.upstream.requests == []


def test_a_private_address_from_the_hosts_file_is_refused_too(resolve):
    assert resolve(hosts="127.0.0.1 api.test\n")[0] == [502]


def test_a_private_address_among_public_ones_is_never_connected_to(credfd, resolve, serve):
    """192.0.2.1 is a documentation address that nobody answers at."""
    upstream = serve()
    statuses, _ = resolve(["192.0.2.1", "127.0.0.1"], port=upstream.port, extra={"timeouts": {"connect": "1s"}})
    assert statuses in ([502], [504])
    assert upstream.connections == 0


def test_every_new_connection_is_checked_against_rebinding(resolve, serve):
    """The name moves from a public to a private address between two connections."""
    upstream = serve()
    statuses, _ = resolve([["192.0.2.1"], ["127.0.0.1"]], count=3, port=upstream.port,
                          extra={"timeouts": {"connect": "1s"}})
    assert set(statuses) <= {502, 504}
    assert upstream.connections == 0


def test_ipv6_alone(credfd, resolve):
    if not servers.has_ipv6():
        pytest.skip("no IPv6 here")
    assert resolve(["::1"], allow_private=True)[0] == [200]


@pytest.mark.parametrize("alive", ["127.0.0.1", "::1"])
def test_both_families_are_raced_and_the_living_one_wins(resolve, serve, alive):
    if not servers.has_ipv6():
        pytest.skip("no IPv6 here")
    upstream = serve(address=(alive, 0))
    assert resolve(["127.0.0.1", "::1"], port=upstream.port, allow_private=True)[0] == [200]


def test_an_address_that_drops_everything_does_not_hold_up_the_other(resolve, serve):
    """Whether 192.0.2.1 is unreachable at once or silent depends on the machine; neither may do harm."""
    upstream = serve()
    assert resolve(["192.0.2.1", "127.0.0.1"], port=upstream.port, allow_private=True)[0] == [200]


def test_a_name_that_does_not_exist_is_a_502_that_says_so(resolve):
    statuses, answer = resolve(None, allow_private=True)
    assert statuses == [502]
    assert any(word in answer["reason"].lower() for word in ("name", "resolve", "dns", "found")), answer


def test_a_name_without_addresses_is_a_502(resolve):
    assert resolve([], allow_private=True)[0] == [502]


def test_the_name_is_what_the_certificate_must_hold(credfd, resolve):
    statuses, _ = resolve(["127.0.0.1"], allow_private=True, port=credfd.upstream.ports["wrong_name"])
    assert statuses == [502]


@pytest.mark.parametrize("written", ["127.0.0.1", "localhost"])
def test_an_upstream_written_as_loopback_says_so_by_itself(credfd, nginx, written):
    assert credfd.inside(ask, upstream=nginx.url_of("good", written))[0] == [200]


@pytest.mark.parametrize("written", ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "[::ffff:127.0.0.1]"])
def test_an_address_in_disguise_is_refused_or_is_no_way_in(credfd, nginx, written):
    """Spellings that some resolvers take for 127.0.0.1: refused in the configuration, or never connected to."""
    run = credfd.start_inside(ask, upstream=nginx.url_of("good", written))
    status = run.wait()
    if status == 125:
        assert "upstream" in run.stderr
    else:
        statuses, _ = run.result()
        assert statuses == [502] and nginx.requests == []
