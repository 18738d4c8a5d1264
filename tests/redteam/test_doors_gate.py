"""Ways out through the proxy to a host that nobody allowed: by another spelling of one that is, by a name that leads
elsewhere, or by the question for a name alone."""
import struct

import pytest

import elsewhere
import names
import settings
import upstream as servers

PUBLIC = "3ffe::1"  # may be connected to, and nobody is there: given back in 2006 (RFC 3701)
PRIVATE = ["127.0.0.1", "127.7.7.7", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1",
           "169.254.169.254", "255.255.255.255", "::1", "::", "fe80::1", "fd00:ec2::254", "::ffff:127.0.0.1",
           "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"]


class Rebinding(names.NameServer):
    """A public address for whoever asks first, and this machine's ever after."""

    ttl = 1

    def _addresses(self, name, kind):
        asked = self.questions.count((name, kind))
        return ([PUBLIC] if kind == names.AAAA else []) if asked == 1 else ["127.0.0.1"]


class Chain(names.NameServer):
    """Every name is another name of another, three times, and the last one is this machine's."""

    def _answer(self, question):
        end = question.index(b"\0", 12) + 5
        self.questions.append(("", names.A))
        chain = [b"\xc0\x0c", *(b"\x05hop%02d\x04test\0" % number for number in range(3))]
        records = [owner + struct.pack("!HHIH", 5, 1, 0, len(to)) + to for owner, to in zip(chain, chain[1:])]
        records.append(chain[-1] + struct.pack("!HHIH", names.A, 1, 0, 4) + bytes([127, 0, 0, 1]))
        head = question[:2] + struct.pack("!HHHHH", 0x8180, 1, len(records), 0, 0)
        return head + question[12:end] + b"".join(records)


@pytest.fixture
def everywhere(trap):
    """An upstream on every address of this machine."""
    return trap(address=("::" if servers.has_ipv6() else "0.0.0.0", 0))


@pytest.fixture
def gated(credfd):
    """gated(function, allow, *arguments): what it returns where the proxy is the only way out."""
    def inside(function, allow, *arguments, **how):
        path = credfd.session.new_folder() / "credfd.yaml"
        path.write_text(settings.dump({"egress": {"allow": allow}, "timeouts": {"connect": "1s"}}))
        return credfd.inside(function, *arguments, using=(proxy_answer,), config=path, **how)
    return inside


def proxy_answer(head):
    """The status with which the proxy answers to that; 0 for none."""
    host, _, port = os.environ["HTTPS_PROXY"].rpartition("//")[2].strip("/").rpartition(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head.encode("latin-1"))
        answer = connection.recv(65536).split()
    return int(answer[1]) if len(answer) > 1 else 0


def ask_for(targets):
    return {target: [proxy_answer(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n"),
                     proxy_answer(f"GET http://{target}/ HTTP/1.1\r\nHost: {target}\r\nConnection: close\r\n\r\n")]
            for target in targets}


def require_refused(answers):
    assert all(400 <= status <= 504 for statuses in answers.values() for status in statuses), answers


@pytest.mark.defence("hosts")
def test_no_way_leads_to_a_host_that_no_rule_names(gated, everywhere):
    """Every address of this machine but the one that is allowed, and every spelling of it but its own."""
    port = everywhere.port
    hosts = ["127.0.0.2", "localhost", "LOCALHOST", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "127.1",
             "0x7f000001", "2130706433", "0177.0.0.1", "127.0.0.1.", "localhost.", "0.0.0.0", "[::]", "%31%32%37.0.0.1",
             "user@127.0.0.1", "127.0.0.1@127.0.0.2"]
    targets = [f"{host}:{port}" for host in hosts] + ["127.0.0.1", "127.0.0.1:1", f"127.0.0.1:{port + 65536}"]
    require_refused(gated(ask_for, [f"127.0.0.1:{port}"], targets))
    assert everywhere.connections() == 0


@pytest.mark.defence("hosts")
def test_nor_to_one_beside_a_wildcard(gated, everywhere, name_service):
    port = everywhere.port
    hosts = ["wild.test", "a.wild.test.evil.test", "awild.test", "a.wild.tes", "wild.test.", "127.0.0.2", ".wild.test",
             "a..wild.test", "*.wild.test"]
    zone = {host: [PUBLIC] for host in hosts}
    require_refused(gated(ask_for, [f"*.wild.test:{port}"], [f"{host}:{port}" for host in hosts],
                          wrapper=name_service(zone)))
    assert everywhere.connections() == 0 and name_service.questions() == []


def ask_with_other_words(target, allowed):
    """What is asked for counts, and nothing that is said beside it."""
    return {target: [proxy_answer(f"CONNECT {target} HTTP/1.1\r\nHost: {allowed}\r\n\r\n"),
                     proxy_answer(f"GET http://{target}/ HTTP/1.1\r\nHost: {allowed}\r\n\r\n"),
                     proxy_answer(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nHost: {allowed}\r\n\r\n"),
                     proxy_answer(f"CONNECT {target}\t{allowed} HTTP/1.1\r\nHost: {target}\r\n\r\n")]}


@pytest.mark.defence("hosts")
def test_a_host_field_opens_no_way(gated, everywhere):
    port = everywhere.port
    require_refused(gated(ask_with_other_words, [f"127.0.0.1:{port}"], f"127.0.0.2:{port}", f"127.0.0.1:{port}"))
    assert everywhere.connections() == 0


@pytest.mark.defence("hosts")
def test_a_name_is_no_message(gated, name_service):
    """The question for a name goes to whoever serves it: it may carry the key as well as a request may."""
    wrapper = name_service()
    require_refused(gated(ask_for, ["api.test:443"], ["the-key-of-somebody.evil.test:443", "a.api.test:443"],
                          wrapper=wrapper))
    assert name_service.questions() == []


@pytest.mark.defence("address")
def test_no_name_that_is_allowed_stands_for_a_private_address(gated, everywhere, name_service):
    port = everywhere.port
    zone = {f"host{number}.wild.test": [address] for number, address in enumerate(PRIVATE)}
    answers = gated(ask_for, [f"*.wild.test:{port}"], [f"{host}:{port}" for host in zone], wrapper=name_service(zone))
    assert {status for statuses in answers.values() for status in statuses} == {403}, answers
    assert everywhere.connections() == 0


@pytest.mark.defence("address")
@pytest.mark.parametrize("how", [{"hosts": "127.0.0.1 api.test\n"}, {"kind": Chain}], ids=["hosts file", "chain"])
def test_nor_does_one_of_the_hosts_file_nor_the_end_of_a_chain(gated, everywhere, name_service, how):
    target = f"api.test:{everywhere.port}"
    assert gated(ask_for, [target], [target], wrapper=name_service(**how)) == {target: [403, 403]}
    assert everywhere.connections() == 0


@pytest.mark.defence("address")
def test_an_address_among_public_ones_is_left_out(gated, everywhere, name_service):
    port = everywhere.port
    zone = {"api.test": [PUBLIC, "127.0.0.1", "169.254.169.254"]}
    require_refused(gated(ask_for, [f"api.test:{port}"], [f"api.test:{port}"], wrapper=name_service(zone)))
    assert everywhere.connections() == 0


@pytest.mark.defence("address")
@pytest.mark.parametrize("own_address", [elsewhere.own_address, elsewhere.own_second_address])
def test_nor_does_one_stand_for_a_public_address_of_this_machine(gated, trap, name_service, own_address):
    """What listens on every address of it listens there, too."""
    try:
        with own_address() as address:
            upstream = trap(address=(address, 0), tls=False)
            target = f"api.test:{upstream.port}"
            wrapper = name_service({"api.test": [address]})
            assert gated(ask_for, [target], [target], wrapper=wrapper) == {target: [403, 403]}
            assert upstream.heard() == []
    except elsewhere.Impossible as why:
        pytest.skip(str(why))


def ask_on(target):
    """Until the name has moved, and a while longer than its first answer is good for."""
    began, seen = time.monotonic(), []
    while time.monotonic() - began < 3:
        seen.append(proxy_answer(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n"))
        if seen[-1] == 403:
            break
    return seen


@pytest.mark.defence("address")
def test_a_name_that_moves_is_judged_again(gated, everywhere, name_service):
    """Rebinding: that it passed once opens no way for where it leads now."""
    port = everywhere.port
    seen = gated(ask_on, [f"api.test:{port}"], f"api.test:{port}", wrapper=name_service(kind=Rebinding))
    assert seen[-1] == 403 and set(seen) <= {502, 504, 403}, seen
    assert everywhere.connections() == 0
