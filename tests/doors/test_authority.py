"""Whom a command behind the proxy is told to trust: an authority of its own leases, made for it, gone with it."""
import os
import re
import shutil
import signal
import stat
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from procs import wait_until

NAMES = ("SSL_CERT_FILE CURL_CA_BUNDLE REQUESTS_CA_BUNDLE NODE_EXTRA_CA_CERTS GIT_SSL_CAINFO AWS_CA_BUNDLE PIP_CERT "
         "DENO_CERT CARGO_HTTP_CAINFO NIX_SSL_CERT_FILE GRPC_DEFAULT_SSL_ROOTS_FILE_PATH npm_config_cafile").split()

STRICT = """
import http.client, ssl, sys, os, urllib.parse
context = ssl.create_default_context()
context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
proxy = urllib.parse.urlsplit(os.environ["https_proxy"])
connection = http.client.HTTPSConnection(proxy.hostname, proxy.port, context=context)
connection.set_tunnel(sys.argv[1], int(os.environ["PORT"]))
connection.request("GET", "/strict")
print(connection.getresponse().status, connection.sock.version(), connection.sock.selected_alpn_protocol())
"""
S_CLIENT = "openssl s_client -proxy ${https_proxy#http://} -connect api.test:$PORT -brief"


def environment_of(run):
    return dict(line.split("=", 1) for line in run.stdout.decode().splitlines() if "=" in line)


def enddate(text):
    words = re.search(r"notAfter=(.+)", text).group(1)
    return datetime.strptime(words, "%b %d %H:%M:%S %Y GMT").replace(tzinfo=timezone.utc)


def test_a_strict_verifier_is_content(through_proxy, api, key_is_upstream_alone):
    """As Python's is from 3.13 on."""
    run = through_proxy(f"cat >strict.py <<'END'\n{STRICT}\nEND\n/usr/bin/python3 strict.py api.test; env")
    assert run.wait() == 0, run.stdout
    assert run.stdout.startswith(b"200 TLSv1.3 None\n"), run.stdout
    key_is_upstream_alone(run, api.requests)


def test_an_address_as_a_host(credfd, api, user):
    """The same without a name: also as a plain user."""
    script = (f"exec 2>&1\ncat >strict.py <<'END'\n{STRICT}\nEND\n/usr/bin/python3 strict.py 127.0.0.1\n"
              "curl -sS https://127.0.0.1:$PORT/curl")
    run = credfd.start(["sh", "-ec", script], folder=credfd.session.new_folder(user), user=user,
                       ca_file=str(api.ca_file), upstream=f"https://127.0.0.1:{api.port}", env={"PORT": str(api.port)},
                       extra={"egress": {"allow": []}}, inject={"header": "Authorization", "format": "Bearer {}"})
    assert run.wait() == 0, (run.stdout, run.stderr)
    assert run.stdout.startswith(b"200 TLSv1.3 None\n"), run.stdout
    assert [seen.path for seen in api.requests] == ["/strict", "/curl"]


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_s_client_verifies_it_strictly(needs, through_proxy, version):
    needs("openssl")
    run = through_proxy(f"{S_CLIENT} {version} -x509_strict -verify_return_error -verify_hostname api.test </dev/null")
    assert run.wait() == 0, run.stdout
    assert b"Verification: OK" in run.stdout and b"Verified peername: api.test" in run.stdout, run.stdout


@pytest.mark.parametrize("option, alert", [
    ("-servername elsewhere.example.org", b"unrecognized name"), ("-noservername", b"unrecognized name"),
    ("-alpn h2", b"no application protocol"), ("-tls1_1 -cipher ALL@SECLEVEL=0", b"protocol version")])
def test_nothing_else_is_served(needs, through_proxy, api, option, alert):
    needs("openssl")
    run = through_proxy(f"{S_CLIENT} {option} </dev/null || echo status $?")
    assert run.wait() == 0, run.stdout
    assert b"status 1" in run.stdout and alert in run.stdout, run.stdout
    assert api.connections == 0


@pytest.mark.parametrize("way", ["cd / && {}", "({})", "env {}", "sh -c 'sh -c \"{}\"'", "nohup {}", "setsid -w {}",
                                 "cd / && env -C /tmp {}", "sudo -nE {}"])
def test_it_survives(needs, through_proxy, api, way, key_is_upstream_alone):
    """What a program does before it calls another."""
    needs("curl", *(["sudo"] if "sudo" in way else []))
    check = "sudo -nE true || { echo no sudo here; exit 0; }\n" if "sudo" in way else ""
    run = through_proxy(check + way.format("curl -sS https://api.test:$PORT/some/path") + "; env")
    assert run.wait() == 0, run.stdout
    if run.stdout.rstrip().endswith(b"no sudo here"):
        pytest.skip(f"no sudo in here: {run.stdout.decode()}")
    key_is_upstream_alone(run, api.requests)


REQUESTS = "/usr/bin/python3 -c 'import requests, sys; print(requests.get(sys.argv[1]).status_code)'"


@pytest.mark.parametrize("isolation", ["none", "network", "full"])
@pytest.mark.parametrize("become", ["setpriv --reuid=nobody --regid=nogroup --clear-groups", "sudo -nE -u nobody"])
def test_another_user_that_the_command_becomes_has_it_too(needs, through_proxy, api, key_is_upstream_alone, become,
                                                          isolation):
    """Where the command is root's, and may."""
    program = become.split()[0]
    needs("curl", program)
    run = through_proxy(f"""
        cd /
        {become} true || {{ echo not here; exit 0; }}
        {become} curl -sS https://api.test:$PORT/curl
        {become} {REQUESTS} https://api.test:$PORT/requests
        {become} curl -sS --unix-socket $API http://api.test/socket
        {become} sh -c 'ls $(dirname $SSL_CERT_FILE)' && exit 1
        {become} sh -c 'echo >>$SSL_CERT_FILE' && exit 1
        env
    """, options=["--isolate", isolation], env={"API": "{socket}"})
    assert run.wait() == 0, run.stdout
    if run.stdout.rstrip().endswith(b"not here"):
        assert program == "sudo", run.stdout
        pytest.skip(f"no sudo in here: {run.stdout.decode()}")
    assert [seen.path for seen in api.requests] == ["/curl", "/requests", "/socket"], run.stdout
    key_is_upstream_alone(run, api.requests)


@pytest.mark.parametrize("isolation", ["none", "network", "full"])
def test_it_is_there_however_the_command_is_isolated(needs, through_proxy, api, isolation):
    needs("curl", "wget")
    run = through_proxy("""
        curl -sS https://api.test:$PORT/curl
        wget -q -O - https://api.test:$PORT/wget
        ls $(dirname $SSL_CERT_FILE)
    """, options=["--isolate", isolation])
    assert run.wait() == 0, (run.stdout, run.stderr)
    assert [seen.path for seen in api.requests] == ["/curl", "/wget"]
    assert b"ca.pem\n" in run.stdout, run.stdout


def test_every_variable_leads_to_the_bundle(through_proxy):
    run = through_proxy("env; grep -c BEGIN $SSL_CERT_FILE", environment={
        "JAVA_TOOL_OPTIONS": "-Xmx64m", "NODE_OPTIONS": "--no-warnings"})
    assert run.wait() == 0, run.stdout
    seen = environment_of(run)
    assert {seen[name] for name in NAMES} == {seen["SSL_CERT_FILE"]}
    assert len({seen[name] for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy",
                                        "all_proxy")}) == 1
    assert seen["NO_PROXY"] == seen["no_proxy"] == ""
    assert seen["NODE_OPTIONS"].startswith("--no-warnings --require=")
    if shutil.which("java"):
        assert seen["JAVA_TOOL_OPTIONS"].startswith("-Xmx64m -Djavax.net.ssl.trustStore=")
    counts = [int(line) for line in run.stdout.decode().splitlines() if line.isdigit()]
    system = Path("/etc/ssl/certs/ca-certificates.crt")
    assert counts == [1 + (system.read_text().count("BEGIN CERTIFICATE") if system.exists() else 0)]


def test_the_bundle_has_what_credfd_was_told_to_trust(through_proxy, authority):
    run = through_proxy("cat $CURL_CA_BUNDLE", environment={"SSL_CERT_FILE": str(authority.ca_file)})
    assert run.wait() == 0
    assert Path(authority.ca_file).read_text().strip() in run.stdout.decode()
    assert run.stdout.count(b"BEGIN") == 2


def test_without_a_proxy_there_is_nothing_of_it(through_url):
    run = through_url("env")
    assert run.wait() == 0
    seen = environment_of(run)
    assert not {*NAMES, "HTTPS_PROXY", "https_proxy", "JAVA_TOOL_OPTIONS", "NODE_OPTIONS", "NO_PROXY"} & {*seen}


def test_it_is_valid_as_long_as_the_leases(needs, through_proxy):
    needs("openssl")
    run = through_proxy("openssl x509 -noout -enddate -startdate -in $SSL_CERT_FILE\n"
                        "openssl x509 -noout -checkend 3600 -in $SSL_CERT_FILE || true", limits={"ttl": "90s"})
    assert run.wait() == 0, run.stdout
    left = enddate(run.stdout.decode()) - datetime.now(timezone.utc)
    # and an hour more: who comes too late hears from us that it is over, and not that a certificate is no good
    assert timedelta(minutes=55) < left <= timedelta(minutes=60, seconds=90), run.stdout


def test_it_outlives_the_lease_to_say_that_it_is_over(needs, through_proxy, api):
    needs("curl")
    run = through_proxy("""
        curl -sS -o /dev/null -w '%{http_code}\n' https://api.test:$PORT/
        for i in $(seq 600); do
            code=$(curl -sS -o answer -w '%{http_code}' https://api.test:$PORT/late)
            [ $code = 200 ] || break
        done
        echo $code; cat answer
    """, limits={"ttl": "2s"})
    assert run.wait() == 0, run.stdout
    assert run.stdout.startswith(b"200\n403\n") and b"time is over" in run.stdout, run.stdout


def test_a_ttl_that_is_raised_beyond_it_is_told_of(credfd):
    """The certificates are what they are: the command has them."""
    run = start_waiting(credfd, limits={"ttl": "1h"})
    directory_of(run)
    config, audit = run.folder / "credfd.yaml", run.folder / "audit.jsonl"
    before = config.read_text()
    assert before.count("1h") == 1
    for ttl, is_told in (("90m", False), ("3h", True)):
        audit.unlink()
        config.write_text(before.replace("1h", ttl))
        run.kill(signal.SIGHUP)
        wait_until(audit.exists, "the audit is opened anew, so the reload was heeded")
        wait_until(lambda: not is_told or "for the proxy with the next run" in run.stderr, "a word about it")
        assert ("for the proxy with the next run" in run.stderr) == is_told


def test_two_runs_have_two_authorities(needs, through_proxy):
    needs("openssl")
    runs = [through_proxy("openssl x509 -noout -subject -serial -fingerprint -in $SSL_CERT_FILE") for _ in range(2)]
    said = [run.stdout.decode().splitlines() for run in runs if run.wait() == 0]
    assert len(said) == 2 and not set(said[0]) & set(said[1])
    assert said[0][0].startswith("subject=CN = credfd lease authority ")


def owned(path, uid):
    """Its user's to write. Root's command may become somebody else, who passes through and reads; a user's does not."""
    found = path.stat()
    mode = (0o700 if uid else 0o711) if path.is_dir() else 0o666 if path.is_socket() else 0o644
    return found.st_uid == uid and stat.S_IMODE(found.st_mode) == mode


def directory_of(run):
    return Path(run.expect("directory "))


WAIT = ["sh", "-c", "echo directory $(dirname ${SSL_CERT_FILE:-$API}); read -r line"]


def start_waiting(credfd, user=None, **how):
    return credfd.start(WAIT, user=user, extra={"egress": {"allow": []}}, **how)


def test_its_files_are_their_users_and_go_with_the_command(credfd, user):
    run = start_waiting(credfd, user)
    directory = directory_of(run)
    uid = user.pw_uid if user else os.geteuid()
    assert all(owned(path, uid) for path in [directory, *directory.iterdir()]), list(directory.iterdir())
    assert run.wait() == 1  # its standard input was closed
    assert not directory.exists()


def test_a_socket_goes_too(credfd, user):
    run = credfd.start(WAIT, user=user, env={}, credentials=[credfd.credential("api", env={"API": "{socket}"})])
    directory = directory_of(run)
    uid = user.pw_uid if user else os.geteuid()
    assert (directory / "api.sock").is_socket() and owned(directory / "api.sock", uid) and owned(directory, uid)
    run.wait()
    assert not directory.exists()


def directories():
    return {path for parent in ("/run/credfd-doors", "/tmp") for path in Path(parent).glob("*doors-*")}


@pytest.mark.parametrize("how, status", [({"command": ["/no/such/program"]}, 127),
                                         ({"command": ["true"], "key": ""}, 125)])
def test_nothing_is_left_of_a_start_that_failed(credfd, how, status):
    before = directories()
    run = credfd.start(**how, extra={"egress": {"allow": []}})
    assert run.wait() == status, run.stderr
    assert not directories() - before


def test_what_a_killed_run_left_goes_with_the_next(credfd):
    run = start_waiting(credfd)
    directory = directory_of(run)
    run.kill()
    run.wait()
    assert directory.exists()
    os.utime(directory, (1000, 1000))
    living = start_waiting(credfd)
    assert directory_of(living).exists() and not directory.exists()


def test_a_living_run_keeps_its_own_however_old(credfd):
    first = start_waiting(credfd)
    directory = directory_of(first)
    os.utime(directory, (1000, 1000))
    second = start_waiting(credfd)
    directory_of(second)
    assert directory.exists()


@pytest.mark.parametrize("client, reason", [
    ("curl -sS --cacert other.pem https://api.test:$PORT/", "the client does not trust the certificate"),
    (f"SSL_CERT_FILE=other.pem {S_CLIENT} -tls1_2 -verify_return_error </dev/null",
     "the client does not trust the certificate"),
    ("curl -sS --pinnedpubkey sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= https://api.test:$PORT/", "")])
def test_who_does_not_trust_it_is_told_of(needs, through_proxy, api, authority, client, reason):
    """A client that has its own idea of whom to trust, or that pins its server's key."""
    needs("curl", "openssl")
    run = through_proxy(f"cp {authority.ca_file} other.pem\n{client} || echo failed $?")
    assert run.wait() == 0
    assert b"failed" in run.stdout, run.stdout
    assert api.connections == 0
    told, = run.audit(1)
    assert (told["method"], told["lease"], told["authority"]) == ("CONNECT", "api", f"api.test:{api.port}")
    assert told["reason"] and reason in told["reason"], told
