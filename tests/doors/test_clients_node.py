"""Node as it is: fetch behind a URL and behind the proxy, npm install from a registry that wants a key."""
import pytest

import registry

FETCH = """
fetch(process.argv[2], { method: "POST", body: "x".repeat(70000) })
    .then(answer => answer.json()).then(answer => console.log(answer.path, answer.length))
    .catch(error => { console.log(String(error), String(error.cause)); process.exitCode = 1 })
"""


@pytest.fixture
def node(needs):
    needs("node")


def write_script(text):
    return f"cat >script.js <<'END'\n{text}\nEND\n"


def test_fetch_through_a_url(node, through_url, api, key_is_upstream_alone):
    run = through_url(write_script(FETCH) + 'node script.js "$API/some/path"; env')
    assert run.wait() == 0, run.stdout
    assert run.stdout.startswith(b"/some/path 70000\n")
    key_is_upstream_alone(run, api.requests)


def test_fetch_through_the_proxy(node, through_proxy, api, key_is_upstream_alone):
    """By NODE_USE_ENV_PROXY, or by what NODE_OPTIONS loads into a Node that does not know it."""
    run = through_proxy(write_script(FETCH) +
                        "node script.js https://api.test:$PORT/some/path; env")
    assert run.wait() == 0, run.stdout
    assert run.stdout.startswith(b"/some/path 70000\n"), run.stdout
    key_is_upstream_alone(run, api.requests)


def test_fetch_of_an_address_through_the_proxy(node, credfd, api, key_is_upstream_alone):
    """An upstream without a name: its certificate is the address's, and nobody is asked for by name."""
    script = "exec 2>&1\n" + write_script(FETCH) + "node script.js https://127.0.0.1:$PORT/a; env"
    run = credfd.start(["sh", "-ec", script],
                       ca_file=str(api.ca_file), upstream=f"https://127.0.0.1:{api.port}", env={"PORT": str(api.port)},
                       extra={"egress": {"allow": []}}, inject={"header": "Authorization", "format": "Bearer {}"})
    assert run.wait() == 0, (run.stdout, run.stderr)
    assert run.stdout.startswith(b"/a 70000\n"), run.stdout
    key_is_upstream_alone(run, api.requests)


def test_fetch_asks_the_proxy_for_the_url_too(node, through_url, api, key_is_upstream_alone):
    """With both doors open, even http goes through a tunnel of the proxy: to the other door."""
    run = through_url(write_script(FETCH) + 'node script.js "$API/some/path"; env', options=["--proxy"])
    assert run.wait() == 0, run.stdout
    assert run.stdout.startswith(b"/some/path 70000\n"), run.stdout
    key_is_upstream_alone(run, api.requests)


def test_fetch_is_refused_another_host(node, through_proxy, api):
    run = through_proxy(write_script(FETCH) +
                        "node script.js https://elsewhere.example.org/ || echo status $?")
    assert run.wait() == 0, run.stdout
    assert b"fetch failed" in run.stdout and b"status 1" in run.stdout, run.stdout
    assert api.connections == 0


UNDICI = """
let undici
try { undici = require("undici") } catch { console.log("none"); process.exit() }
undici.setGlobalDispatcher(new undici.ProxyAgent(process.env.HTTPS_PROXY))
undici.fetch(process.argv[2]).then(answer => answer.json()).then(answer => console.log(answer.path))
"""


def test_fetch_of_undici_through_the_proxy(node, through_proxy, api, key_is_upstream_alone):
    """What an older Node is given a proxy by. Debian has the module beside its Node."""
    run = through_proxy(write_script(UNDICI) +
                        "NODE_PATH=/usr/share/nodejs node script.js https://api.test:$PORT/some/path; env")
    assert run.wait() == 0, run.stdout
    if run.stdout.startswith(b"none\n"):
        pytest.skip("no undici here that a script may load")
    assert run.stdout.startswith(b"/some/path\n"), run.stdout
    key_is_upstream_alone(run, api.requests)


# npm as it may be set up for a machine: whom it trusts stands in a file of settings, and our authority does not.
INSTALL = """
    echo cafile=/etc/ssl/certs/ca-certificates.crt >npmrc
    export npm_config_globalconfig=$PWD/npmrc npm_config_userconfig=$PWD/.npmrc
    mkdir project
    cd project
    npm install --no-fund --no-update-notifier @team/right
    node -e 'console.log(require("@team/right").say())'
    env
"""


def test_npm_installs_from_a_registry_that_wants_a_key(needs, credfd, vendor, key_is_upstream_alone):
    """With the profile as it is shipped: npm has no token at all."""
    needs("npm", "node")
    shelf = registry.Registry(credfd.canary)
    run = vendor(shelf, "npm", INSTALL)
    assert run.wait() == 0, run.stdout
    assert b"left and right\n" in run.stdout, run.stdout
    assert shelf.refused == []
    assert "GET /@team%2fright" in run.vendors.asked(registry.HOST)
    key_is_upstream_alone(run, run.vendors.requests)


def test_npm_carries_a_placeholder_where_its_configuration_wants_a_token(needs, credfd, vendor, key_is_upstream_alone):
    needs("npm", "node")
    shelf = registry.Registry(credfd.canary)
    run = vendor(shelf, "npm", """
        echo '//registry.npmjs.org/:_authToken=${NPM_TOKEN}' >.npmrc
        case $NPM_TOKEN in npm_????????????????????????????????????) echo shaped;; esac
    """ + INSTALL)
    assert run.wait() == 0, run.stdout
    assert run.stdout.startswith(b"shaped\n") and b"left and right\n" in run.stdout, run.stdout
    assert shelf.refused == []
    key_is_upstream_alone(run, run.vendors.requests)


def test_npm_publishes_nothing(needs, credfd, vendor):
    needs("npm", "node")
    shelf = registry.Registry(credfd.canary)
    run = vendor(shelf, "npm", """
        echo '//registry.npmjs.org/:_authToken=${NPM_TOKEN}' >.npmrc
        echo '{ "name": "left", "version": "2.0.0" }' >package.json
        echo cafile=/etc/ssl/certs/ca-certificates.crt >npmrc
        export npm_config_globalconfig=$PWD/npmrc
        npm publish --no-update-notifier || echo status $?
    """)
    assert run.wait() == 0
    assert b"status 1" in run.stdout and b"403" in run.stdout, run.stdout
    assert not any(seen.method == "PUT" for seen in run.vendors.requests)
