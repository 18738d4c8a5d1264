"""Names that stand for addresses where the key has no business: this machine, this network, a cloud's metadata.

Whoever has a hand in the name service would have the key sent there, or have the keeper knock at a door that only this
machine can reach. Every address is judged, and connected to is what was judged.
"""
import pytest

import elsewhere
import names
import upstream as servers

PRIVATE = {
    "loopback": "127.0.0.1", "another loopback": "127.7.7.7", "this host": "0.0.0.0", "private 10": "10.1.2.3",
    "private 172": "172.16.0.1", "private 192": "192.168.1.1", "shared": "100.64.0.1", "metadata": "169.254.169.254",
    "multicast": "224.0.0.1", "broadcast": "255.255.255.255",
    "loopback, IPv6": "::1", "unspecified, IPv6": "::", "link-local, IPv6": "fe80::1", "local, IPv6": "fd00::1",
    "metadata, IPv6": "fd00:ec2::254", "mapped loopback": "::ffff:127.0.0.1", "mapped metadata": "::ffff:169.254.169.254",
    "compatible loopback": "::127.0.0.1", "translated loopback": "64:ff9b::7f00:1", "6to4 of loopback": "2002:7f00:1::",
}
PUBLIC = "3ffe::1"  # may be connected to, and nobody is there: given back in 2006 (RFC 3701)


class Rebinding(names.NameServer):
    """A public address for whoever asks first, and this machine's ever after."""

    ttl = 1

    def _addresses(self, name, kind):
        asked = self.questions.count((name, kind))
        return ([PUBLIC] if kind == names.AAAA else []) if asked == 1 else ["127.0.0.1"]


@pytest.fixture
def everywhere(trap):
    """An upstream on every address of this machine."""
    return trap(address=("::" if servers.has_ipv6() else "0.0.0.0", 0))


def ask(leases):
    return {name: attack.talk("GET /it HTTP/1.1\r\nHost: x\r\n\r\n", name) for name in leases}


def require_refused(answers):
    for name, text in answers.items():
        assert text.startswith(("HTTP/1.1 502 ", "HTTP/1.1 504 ")), (name, text)


def launch(credfd, upstream, hosts, wrapper):
    """One lease for each host."""
    port = upstream.port
    credentials = [credfd.credential(f"lease-{number}", upstream=f"https://{host}:{port}", env=None)
                   for number, host in enumerate(hosts)]
    return credfd.inside(ask, [one["name"] for one in credentials], credentials=credentials, wrapper=wrapper,
                         extra={"timeouts": {"connect": "1s"}})


@pytest.mark.defence("address")
def test_no_name_stands_for_a_private_address(credfd, everywhere, name_service):
    zone = {f"{number}.test": [address] for number, address in enumerate(PRIVATE.values())}
    answers = launch(credfd, everywhere, list(zone), name_service(zone))
    require_refused(answers)
    assert all("private" in text for text in answers.values()), answers
    assert everywhere.connections() == 0


@pytest.mark.defence("address")
def test_nor_does_one_of_the_hosts_file(credfd, everywhere, name_service):
    answers = launch(credfd, everywhere, ["api.test"], name_service(hosts="127.0.0.1 api.test\n"))
    require_refused(answers)
    assert everywhere.connections() == 0


@pytest.mark.defence("address")
def test_a_private_address_among_public_ones_is_left_out(credfd, everywhere, name_service):
    zone = {"api.test": [PUBLIC, "127.0.0.1", "169.254.169.254"]}
    answers = launch(credfd, everywhere, list(zone), name_service(zone))
    require_refused(answers)
    assert everywhere.connections() == 0


@pytest.mark.defence("address")
@pytest.mark.parametrize("own_address", [elsewhere.own_address, elsewhere.own_second_address])
def test_a_public_address_of_this_machine_is_no_better(credfd, trap, name_service, own_address):
    """What listens on every address of it listens there, too."""
    try:
        with own_address() as address:
            upstream = trap(address=(address, 0))
            answers = launch(credfd, upstream, ["api.test"], name_service({"api.test": [address]}))
            require_refused(answers)
            assert "of this machine" in answers["lease-0"] and upstream.heard() == []
    except elsewhere.Impossible as why:
        pytest.skip(str(why))


def ask_on():
    """One connection after the other, for as long as the test wants more."""
    while hear() == "more":
        say(attack.talk("GET /it HTTP/1.1\r\nHost: x\r\n\r\n").partition("\r\n")[0])


@pytest.mark.defence("address")
def test_a_name_that_moves_is_judged_again(credfd, everywhere, name_service):
    """Rebinding: that it passed once opens no way for where it leads now."""
    wrapper, answers = name_service(kind=Rebinding), set()
    run = credfd.start_inside(ask_on, upstream=f"https://api.test:{everywhere.port}", wrapper=wrapper,
                              extra={"timeouts": {"connect": "300ms"}})
    while name_service.asked("api.test") < 3 and answers <= {"502", "504"}:
        run.say("more")
        answers.add(run.expect("HTTP/1.1")[:3])
    run.say("enough")
    run.result()
    assert answers <= {"502", "504"}
    assert everywhere.connections() == 0


@pytest.mark.defence("address")
@pytest.mark.parametrize("written", ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0"])
def test_no_other_spelling_of_an_address_is_taken(credfd, everywhere, written):
    run = credfd.start(["true"], upstream=f"https://{written}:{everywhere.port}")
    assert run.wait() == 125 and "upstream" in run.stderr
    assert everywhere.connections() == 0
