"""Programs as they are, behind the proxy and behind a URL of their own: curl, wget, openssl s_client."""
import json

import pytest

SHOWN = '{"method": "GET", "path": "/some/path", "authorization": ["Bearer *'


def test_curl_through_the_proxy(needs, through_proxy, api, key_is_upstream_alone):
    needs("curl")
    run = through_proxy("curl -sS https://api.test:$PORT/some/path; echo; env")
    assert run.wait() == 0, run.stdout
    assert run.stdout.decode().startswith(SHOWN), run.stdout
    key_is_upstream_alone(run, api.requests)
    assert [(line["method"], line["path"], line["status"]) for line in run.audit(1)] == [("GET", "/some/path", 200)]


def test_curl_keeps_its_connection(needs, through_proxy, api, key_is_upstream_alone):
    needs("curl")
    run = through_proxy("curl -sSv https://api.test:$PORT/one https://api.test:$PORT/two; env")
    assert run.wait() == 0, run.stdout
    assert b"Re-using existing connection" in run.stdout
    assert [seen.path for seen in api.requests] == ["/one", "/two"]
    key_is_upstream_alone(run, api.requests)


def test_curl_uploads_and_downloads(needs, through_proxy, api, key_is_upstream_alone):
    needs("curl")
    run = through_proxy("""
        head -c 3000000 /dev/urandom >file
        curl -sS -T file https://api.test:$PORT/upload >answer
        sha256sum file
    """)
    assert run.wait() == 0, run.stdout
    answer = json.loads((run.folder / "answer").read_text())
    assert answer["length"] == 3000000 and answer["sha256"] == run.stdout.decode().split()[0]
    key_is_upstream_alone(run, api.requests)


def test_curl_is_told_what_the_rules_say(needs, through_proxy, api):
    needs("curl")
    run = through_proxy("curl -sS -X DELETE -w '%{http_code}' https://api.test:$PORT/thing", allow=["GET /**"])
    assert run.wait() == 0, run.stdout
    assert run.stdout.endswith(b"403") and b"no rule of this lease allows" in run.stdout, run.stdout
    assert api.requests == []


def test_curl_insists_on_http_1_only_where_it_must(needs, through_proxy, api):
    """It offers HTTP/2 beside HTTP/1.1, and takes what it gets."""
    needs("curl")
    run = through_proxy("curl -sS --http2 -w '%{http_version}' -o /dev/null https://api.test:$PORT/some/path")
    assert run.wait() == 0, run.stdout
    assert run.stdout == b"1.1"


def test_curl_without_the_variables_gets_nowhere(needs, through_proxy, api):
    needs("curl")
    run = through_proxy("""
        unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
        curl -sS --max-time 20 https://api.test:$PORT/ || echo status $?
        curl -sS --max-time 20 --resolve api.test:$PORT:127.0.0.1 https://api.test:$PORT/ || echo status $?
    """)
    assert run.wait() == 0, run.stdout
    assert run.stdout.count(b"status ") == 2, run.stdout
    assert api.requests == [] and api.connections == 0


@pytest.mark.parametrize("place", ["cd /; ", "env -u LANG ", "sh -c 'exec \"$@\"' sh ", "setsid -w "],
                         ids=["another folder", "env", "a shell", "another session"])
def test_what_leads_curl_to_the_proxy_survives(needs, through_proxy, api, key_is_upstream_alone, place):
    needs("curl")
    run = through_proxy(f"{place}curl -sS https://api.test:$PORT/some/path; env")
    assert run.wait() == 0, run.stdout
    assert run.stdout.decode().startswith(SHOWN)
    key_is_upstream_alone(run, api.requests)


def test_curl_through_a_url(needs, through_url, api, key_is_upstream_alone):
    needs("curl")
    run = through_url('curl -sS "$API/some/path"; echo; env')
    assert run.wait() == 0, run.stdout
    assert run.stdout.decode().startswith(SHOWN)
    key_is_upstream_alone(run, api.requests)


def test_curl_as_root_and_as_anybody(needs, through_url, api, key_is_upstream_alone, user):
    """Both doors at once, whoever starts it: the API is at an address here, which needs no name."""
    needs("curl")
    run = through_url(f"curl -sS {api.url}/proxied; curl -sS $API/direct; env", options=["--proxy"], user=user)
    assert run.wait() == 0, run.stdout
    assert [seen.path for seen in api.requests] == ["/proxied", "/direct"]
    key_is_upstream_alone(run, api.requests)


@pytest.mark.parametrize("mode", ["none", "network", "full"])
def test_curl_in_each_isolation(needs, through_proxy, api, key_is_upstream_alone, mode):
    needs("curl")
    run = through_proxy("curl -sS https://api.test:$PORT/some/path; echo; curl -sS $API/direct; env",
                        options=["--isolate", mode], env={"API": "{base_url}"})
    assert run.wait() == 0, run.stdout
    assert run.stdout.decode().startswith(SHOWN), run.stdout
    assert [seen.path for seen in api.requests] == ["/some/path", "/direct"]
    key_is_upstream_alone(run, api.requests)


def test_curl_through_a_unix_socket(needs, through_url, api, key_is_upstream_alone):
    needs("curl")
    run = through_url('curl -sS --unix-socket "$SOCKET" http://api/some/path; echo; env', env={"SOCKET": "{socket}"})
    assert run.wait() == 0, run.stdout
    assert run.stdout.decode().startswith(SHOWN)
    key_is_upstream_alone(run, api.requests)


def test_wget_through_the_proxy(needs, through_proxy, api, key_is_upstream_alone):
    """Debian's is made with GnuTLS, which looks at no variable: it finds the certificates where the system has them."""
    needs("wget")
    run = through_proxy("wget -nv -O answer https://api.test:$PORT/some/path; cat answer; env")
    assert run.wait() == 0, run.stdout
    assert SHOWN in run.stdout.decode()
    key_is_upstream_alone(run, api.requests)


def test_wget_through_a_url(needs, through_url, api, key_is_upstream_alone):
    needs("wget")
    run = through_url('wget -q -O - "$API/some/path"; env')
    assert run.wait() == 0, run.stdout
    assert run.stdout.decode().startswith(SHOWN)
    key_is_upstream_alone(run, api.requests)


def test_openssl_s_client_through_the_proxy(needs, through_proxy, api, key_is_upstream_alone):
    needs("openssl")
    run = through_proxy(r"""
        printf 'GET /some/path HTTP/1.1\r\nHost: api.test:%s\r\nConnection: close\r\n\r\n' $PORT |
            openssl s_client -proxy "${https_proxy#http://}" -connect api.test:$PORT -servername api.test \
                -verify_return_error -verify_hostname api.test -x509_strict -ign_eof
        env
    """)
    assert run.wait() == 0, run.stdout
    assert "Verify return code: 0 (ok)" in run.stdout.decode(), run.stdout
    assert SHOWN in run.stdout.decode()
    key_is_upstream_alone(run, api.requests)


def test_openssl_is_shown_no_certificate_for_another_host(needs, through_proxy, api):
    """Within the tunnel to the one host, the name of another is asked for."""
    needs("openssl")
    run = through_proxy(r"""
        openssl s_client -proxy "${https_proxy#http://}" -connect api.test:$PORT -servername evil.test \
            -verify_return_error </dev/null && echo connected
        true
    """)
    assert run.wait() == 0
    assert b"BEGIN CERTIFICATE" not in run.stdout and b"connected" not in run.stdout, run.stdout
    assert api.requests == []
