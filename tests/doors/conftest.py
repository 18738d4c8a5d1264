"""What the tests of doors share: a command behind doors, and vendors' hosts under their own names.

A test's script runs in a shell, inside the isolation that doors have by default. What it prints, standard error with
it, is the run's stdout.
"""
import json
import shutil

import pytest

import names
import vendors as stand_ins


@pytest.fixture
def needs():
    """needs("gh"): skips where that program is not there."""
    def check(*programs):
        for program in programs:
            if not shutil.which(program, path="/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"):
                pytest.skip(f"no {program} here; packaging/apt has it")
    return check


def tell_all(peer):
    """A handler of upstream.Server: answers with what it was told, the key too, as a careless server does."""
    while seen := peer.read_request():
        answer = {"method": seen.method, "path": seen.path, "authorization": seen.all("Authorization"),
                  "length": seen.body_length, "sha256": seen.body_sha256}
        peer.answer(json.dumps(answer).encode(), "200 OK", "Content-Type: application/json")


@pytest.fixture
def api(serve):
    """An API over TLS, for any client: it shows the key that it was sent. In `requests` is what reached it."""
    return serve(tell_all)


def script_of(text):
    return ["sh", "-ec", f"exec 2>&1\n{text}"]


def credential_of(credfd, api, **changes):
    """The API's, as a mapping. It has no variables unless `changes` say so."""
    return credfd.credential("api", **{"inject": {"header": "Authorization", "format": "Bearer {}"}, "env": None,
                                       "ca_file": str(api.ca_file), "upstream": api.url, **changes})


@pytest.fixture
def through_proxy(credfd, api, tmp_path, as_root):
    """through_proxy(script): the script's only way out is the proxy, where https://api.test:$PORT is the API, with a
    key. `changes` are to its credential; `egress` lists hosts that are let through beside it."""
    reason = names.why_not(tmp_path)
    if reason:
        pytest.skip(reason)

    def start(script, egress=(), environment=None, options=(), **changes):
        folder = credfd.session.new_folder()
        credential = credential_of(credfd, api, **{"upstream": f"https://api.test:{api.port}", "allow_private": True,
                                                   **changes})
        return credfd.start(script_of(script), folder=folder, credentials=[credential], options=options,
                            wrapper=names.wrapper(folder, "127.0.0.1 api.test\n"),
                            extra={"egress": {"allow": list(egress)}},
                            env={"PORT": str(api.port), **(environment or {})})
    return start


@pytest.fixture
def through_url(credfd, api):
    """through_url(script): $API is a URL there that is good for nothing but the API, with a key. As through_proxy."""
    def start(script, options=(), env=None, user=None, **changes):
        credential = credential_of(credfd, api, env={"API": "{base_url}", **(env or {})}, **changes)
        return credfd.start(script_of(script), credentials=[credential], options=options, user=user)
    return start


@pytest.fixture
def vendor(credfd, authority, tmp_path, as_root):
    """vendor(stand_in, profile, script): the profile as it is shipped, where its hosts are the stand-in's. `changes`
    are to the profile's text."""
    reason = names.why_not(tmp_path)
    if reason:
        pytest.skip(reason)
    made = []

    def start(stand_in, profile, script, changes=(), env=None, **how):
        folder = credfd.session.new_folder()
        host = stand_ins.Vendors(authority, stand_in.hosts)
        made.append(host)
        stand_ins.write_profile(folder / "config", profile, changes)
        run = credfd.start(script_of(script), folder=folder, profiles=[profile], wrapper=host.wrapper(folder), env={
            "XDG_CONFIG_HOME": str(folder / "config"), "SSL_CERT_FILE": str(host.ca_file), **(env or {})}, **how)
        run.vendors = host
        return run

    yield start
    for host in made:
        host.stop()


@pytest.fixture
def key_is_upstream_alone(credfd):
    """key_is_upstream_alone(run, requests): each request has the key, once; what the command printed, its environment
    (printed as the last thing) and its files have it not."""
    def check(run, requests, scheme="Bearer "):
        assert requests and all(seen.field("Authorization") == scheme + credfd.canary for seen in requests), requests
        assert not credfd.session.search.is_in(run.stdout), run.stdout
        assert credfd.session.search.in_tree(str(run.folder)) == []
    return check
