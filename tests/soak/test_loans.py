"""Thousands of keys are lent, used and taken back: each reaches the upstream by its own lease alone, and nothing stays.

LOANS (default 600) says how many of them come and go; AT_ONCE (default 40) how many live together.
"""
import collections
import hashlib
import json
import os
import resource
import secrets
import signal
import subprocess

import pytest

import lease
import procs
import upstream as servers
from lender import Lender, descriptors, rss_kib

LOANS = int(os.environ.get("LOANS", "600"))
AT_ONCE = int(os.environ.get("AT_ONCE", "40"))


def digest(key):
    return hashlib.sha256(f"Bearer {key}".encode()).hexdigest()


class Upstream(servers.Server):
    """Answers with the digest of what it was shown, and remembers what came on each connection."""

    def __init__(self, authority):
        self.keys_of = collections.defaultdict(set)
        super().__init__(self._answer, authority)

    def record(self, seen):
        pass  # tens of thousands of them

    def _answer(self, peer):
        while seen := peer.read_request():
            shown = seen.field("Authorization")
            self.keys_of[peer.number].add(shown)
            if seen.path == "/hang":
                peer.wait_gone()
                return
            peer.answer(hashlib.sha256(shown.encode()).hexdigest().encode())


@pytest.fixture(name="api")
def _api(authority):
    server = Upstream(authority)
    yield server
    server.stop()
    assert not server.faults


@pytest.fixture(name="lender")
def _lender(session, tmp_path):
    with open(tmp_path / "stderr", "w+", encoding="utf-8") as said:
        with Lender(session.path.parent / "credfd-lender", tmp_path / "audit.jsonl", said) as running:
            yield running
        said.seek(0)
        text = said.read()
    assert "Sanitizer" not in text and "runtime error" not in text, text


def lease_command(session, *words):
    return subprocess.run([session.path, "lease", *words], check=True, capture_output=True, text=True).stdout


def listed(session, lender):
    """Its own: others may run beside it."""
    rows = json.loads(lease_command(session, "list", "--json"))
    return [row for row in rows if row["id"].startswith(f"{lender.pid}-")]


class Keys:
    """A key for each number, and what has been lent."""

    def __init__(self, lender, api):
        self.lender, self.api, self.keys = lender, api, {}

    def ask(self, number):
        self.keys[number] = f"key-{number}-{secrets.token_hex(8)}"
        self.lender.ask(number, self.api.url, self.keys[number], self.api.ca_file)

    def use(self, number):
        answer = self.lender.take(number).get(f"/{number}")
        assert (answer.status, answer.text) == (200, digest(self.keys[number])), (number, answer.text)

    def end(self, number):
        self.lender.end(number)
        del self.keys[number]

    def lend(self, number):
        self.ask(number)
        self.use(number)


def settled(lender, at_once):
    """Its keeper, once the relays of those that have ended are gone: a spare one may wait for the next."""
    procs.wait_until(lambda: at_once <= len(lender.roles("credfd-relay")) <= at_once + 1, "relays that end")
    return lender.keeper()


def counted(lender, at_once):
    keeper = settled(lender, at_once)
    return {"supervisor": (descriptors(lender.pid), rss_kib(lender.pid)),
            "keeper": (descriptors(keeper), rss_kib(keeper))}


def test_each_key_goes_by_its_own_lease_and_nothing_of_it_stays(session, lender, api):
    keys, before = Keys(lender, api), None
    warm_up = max(LOANS // 4, 2 * AT_ONCE)
    for number in range(LOANS):
        if number >= AT_ONCE:
            keys.end(number - AT_ONCE)
        keys.lend(number)
        if number % 7 == 0:
            keys.use(max(number - AT_ONCE // 2, 0))  # one of those that are there, once more
        if number == warm_up:
            before = counted(lender, AT_ONCE)
    after = counted(lender, AT_ONCE)
    print(f"\nafter {warm_up}: {before}\nafter {LOANS}: {after}")
    for role, (fds, rss) in after.items():
        assert fds <= before[role][0] + 4, f"{role}: {before[role]} {after[role]}"  # a connection more or less
        # a sanitizer keeps what was freed
        assert session.is_sanitized or rss <= before[role][1] + 512, f"{role}: {before[role]} {after[role]}"
    assert all(len(shown) == 1 for shown in api.keys_of.values()), "a connection was shared"
    for number in list(lender.loans):
        keys.end(number)
    keeper = settled(lender, 0)
    procs.wait_until(lambda: not api.open, "connections to the upstream that end with their loans")
    assert descriptors(keeper) < 24, os.listdir(f"/proc/{keeper}/fd")


def test_a_keeper_that_is_started_again_has_the_living_ones(lender, api):
    keys = Keys(lender, api)
    for number in range(100):
        keys.ask(number)
    for number in range(100):
        keys.use(number)
    for number in range(0, 100, 2):
        keys.end(number)
    settled(lender, 50)
    for _ in range(3):
        keeper = lender.keeper()
        os.kill(keeper, 9)
        procs.wait_until(lambda gone=keeper: lender.roles("credfd-keeper") not in ([], [gone]), "another keeper")
        for number in range(1, 100, 2):
            loan = lender.take(number)
            procs.wait_until(lambda loan=loan: loan.get().status == 200, "a lease that works again")
            keys.use(number)
    keys.lend(1000)


def test_a_request_under_way_is_cut_when_its_loan_ends(lender, api):
    keys = Keys(lender, api)
    keys.lend(1)
    keys.lend(2)
    with lender.take(1).stream() as stream:
        stream.send_head("GET", "/hang")
        procs.wait_until(lambda: len(api.keys_of) >= 2 and len(api.open) >= 2, "the request to reach the upstream")
        keys.end(1)
        try:
            stream.read_head()
        except (lease.Truncated, ConnectionResetError):
            pass
    procs.wait_until(lambda: len(api.open) == 1, "the connection to close")
    keys.use(2)


def test_a_relay_that_dies_ends_its_own_loan_alone(lender, api):
    keys = Keys(lender, api)
    keys.lend(1)
    first = lender.roles("credfd-relay")[0]
    keys.lend(2)
    os.kill(first, 9)
    lender.wait_news("lost 1")
    keys.use(2)
    keys.end(2)


def waiting(lender, *busy):
    """The relay that waits for the next loan, hardened, when those in use are `busy`."""
    ready = [pid for pid in lender.roles("credfd-relay") if procs.status(pid).get("Seccomp") == "2"]
    return next((pid for pid in ready if pid not in busy), None)


def test_a_relay_that_died_while_it_waited_is_not_taken(lender, api):
    keys, busy = Keys(lender, api), []
    for number in range(3):
        spare = procs.wait_until(lambda: waiting(lender, *busy), "a relay ahead of the loan")
        os.kill(lender.pid, signal.SIGSTOP)  # it hears of the death and of the loan in one turn
        os.kill(spare, 9)
        procs.wait_until(lambda pid=spare: procs.status(pid).get("State", "Z")[0] == "Z", "the relay's death")
        keys.ask(number)
        os.kill(lender.pid, signal.SIGCONT)
        keys.use(number)
        busy = lender.roles("credfd-relay")
        keys.lend(100 + number)  # asks for one ahead of the next
        busy = sorted({*busy, *lender.roles("credfd-relay")})[:2 * number + 2]


def test_a_relay_waits_for_the_next_loan_and_serves_no_other(lender, api):
    keys = Keys(lender, api)
    first = procs.wait_until(lambda: waiting(lender), "a relay ahead of the first loan")
    keys.lend(1)
    second = procs.wait_until(lambda: waiting(lender, first), "a relay ahead of the second loan")
    keys.lend(2)
    os.kill(first, 9)
    lender.wait_news("lost 1")
    keys.use(2)
    os.kill(second, 9)
    lender.wait_news("lost 2")


def test_a_relay_that_dies_before_its_loan_harms_nobody(lender, api):
    keys = Keys(lender, api)
    dead = procs.wait_until(lambda: waiting(lender), "a relay ahead of the first loan")
    os.kill(dead, 9)
    procs.wait_until(lambda: not lender.roles("credfd-relay"), "its end")
    keys.lend(1)
    keys.end(1)


def test_loans_that_are_refused_harm_nobody(lender, api):
    keys = Keys(lender, api)
    keys.lend(1)
    for upstream, name in [("http://api.example.org", "task"), ("https://api.example.org/?a=b", "task"),
                           (api.url, 'a"b')]:
        with pytest.raises(AssertionError, match="failed 2 Invalid argument"):
            lender.lend(2, upstream, "key", api.ca_file, name)
    with pytest.raises(AssertionError, match="failed 2 No such file"):
        lender.lend(2, api.url, "key", "/nowhere/ca.pem")
    keys.use(1)
    keys.lend(2)


def test_what_is_lent_is_listed_and_can_be_revoked(session, lender, api):
    keys = Keys(lender, api)
    keys.lend(1)
    keys.lend(2)
    rows = listed(session, lender)
    assert [(row["lease"], row["identity"], row["requests"]) for row in rows] == [("task", "task-1", 1),
                                                                                ("task", "task-2", 1)]
    lease_command(session, "revoke", rows[0]["id"])
    assert lender.take(1).get().status == 403
    keys.use(2)
    keys.end(1)
    keys.lend(3)
    settled(lender, 2)
    assert [row["identity"] for row in listed(session, lender)] == ["task-2", "task-3"]


def test_the_environment_and_the_audit_name_the_loan(lender, api, tmp_path):
    loan = lender.lend(7, api.url, "key-7", api.ca_file, "deploy")
    assert loan.environment == {"LEASE_FD": "3", "CREDFD": "deploy=3"}
    assert loan.get("/x").status == 200
    lender.end(7)
    settled(lender, 0)
    read = (tmp_path / "audit.jsonl").read_text
    audit = procs.wait_until(lambda: (text := read()) if "lease_ended" in read() else None, read)
    assert all('"lease":"deploy","identity":"task-7"' in line for line in audit.splitlines() if '"lease"' in line)
    assert "key-7" not in audit


def locked_kib(pid):
    return int(procs.status(pid)["VmLck"].split()[0])


def test_hundreds_of_keys_lie_together(lender, api):
    """A page and a descriptor for each would soon be more than a process may have."""
    keys = Keys(lender, api)
    keys.lend(0)
    before = descriptors(lender.pid)
    for number in range(1, 400):
        keys.ask(number)
        lender.take(number)
    assert descriptors(lender.pid) <= before + 400 + 4
    assert locked_kib(lender.keeper()) <= 64, "each key has locked memory of its own"
    for number in (0, 1, 255, 256, 399):
        keys.use(number)


def test_keys_that_lie_together_survive_their_keeper(lender, api):
    keys = Keys(lender, api)
    for number in range(300):
        keys.ask(number)
        lender.take(number)
    for number in range(0, 300, 3):
        keys.end(number)
    settled(lender, 200)
    keeper = lender.keeper()
    os.kill(keeper, 9)
    procs.wait_until(lambda: lender.roles("credfd-keeper") not in ([], [keeper]), "another keeper")
    for number in range(1000, 1050):
        keys.ask(number)  # they take the room of those that have gone, and of no other
    for number in range(1000, 1050):
        keys.use(number)
    for number in sorted(keys.keys):
        procs.wait_until(lambda number=number: lender.take(number).get().status == 200, "a lease that works again")
        keys.use(number)


def refusal(lender, upstream, key, first):
    """What the lender says when it can lend no more; and how many it had lent by then."""
    for number in range(first, first + 2000):
        try:
            lender.lend(number, upstream, key)
        except AssertionError as error:
            return str(error), number - first
    raise AssertionError("there is no end")


SHORT_OF = {
    "memory to lock": (resource.RLIMIT_MEMLOCK, 64 * 1024, "key" * 1000, "RLIMIT_MEMLOCK is 64 KiB; raise it (LimitMEMLOCK="),
    "descriptors": (resource.RLIMIT_NOFILE, 300, "key", "RLIMIT_NOFILE is 300; raise it (LimitNOFILE="),
}


@pytest.mark.parametrize("limit, most, key, words", SHORT_OF.values(), ids=SHORT_OF)
def test_whoever_asks_is_told_which_limit_is_in_the_way(session, tmp_path, limit, most, key, words):
    """By name, and how to raise it; and when one lease has ended there is room for another."""
    with open(tmp_path / "stderr", "w", encoding="utf-8") as said, \
            Lender(session.path.parent / "credfd-lender", None, said, [(limit, most)]) as lender:
        why, n = refusal(lender, "https://127.0.0.1:9", key, 0)
        assert words in why, why
        assert n >= 10, f"only {n} could be lent"
        for number in range(3):
            lender.end(number)
        procs.wait_until(lambda: len(lender.roles("credfd-relay")) <= n - 1, "relays that end")
        lender.lend(5000, "https://127.0.0.1:9", key)
