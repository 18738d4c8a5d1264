"""Each profile as it is shipped, driven as the vendor's own programs do it: with the placeholder where they put a key,
and with nothing there. The hosts are the test's, under the vendors' names. (github and npm have tests of their own.)"""
import base64
import json

import pytest

# Where the key is to be, as a field's name and value.
def basic(user):
    return lambda key: ("Authorization", "Basic " + base64.b64encode(f"{user}:{key}".encode()).decode())


def field(name, form="{}"):
    return lambda key: (name, form.format(key))


CHANGED = {"jira": [("https://your-site.atlassian.invalid", "https://example.atlassian.net")]}

# profile, variable with the placeholder, how a request carries it, where the request goes, where the key is expected.
CASES = [
    ("anthropic", "ANTHROPIC_API_KEY", '-H "x-api-key: $KEY"', "POST", "https://api.anthropic.com/v1/messages",
     field("X-Api-Key")),
    ("datadog", "DD_APP_KEY", '-H "DD-APPLICATION-KEY: $KEY"', "GET", "https://api.datadoghq.com/api/v1/monitor",
     field("DD-APPLICATION-KEY")),
    ("gitlab", "GITLAB_TOKEN", '-H "PRIVATE-TOKEN: $KEY"', "GET", "https://gitlab.com/api/v4/projects/group%2Fproject",
     field("Private-Token")),
    ("gitlab", "GITLAB_TOKEN", '-u "oauth2:$KEY"', "GET", "https://gitlab.com/group/project.git/info/refs",
     basic("oauth2")),
    ("jira", "JIRA_API_TOKEN", '-u "you@example.org:$KEY"', "GET", "https://example.atlassian.net/rest/api/3/myself",
     basic("you@example.org")),
    ("openai", "OPENAI_API_KEY", '-H "Authorization: Bearer $KEY"', "POST", "https://api.openai.com/v1/responses",
     field("Authorization", "Bearer {}")),
    ("pagerduty", "PAGERDUTY_TOKEN", '-H "Authorization: Token token=$KEY"', "GET", "https://api.pagerduty.com/oncalls",
     field("Authorization", "Token token={}")),
    ("pypi", "TWINE_PASSWORD", '-u "__token__:$KEY"', "POST", "https://upload.pypi.org/legacy/", basic("__token__")),
    ("slack", "SLACK_BOT_TOKEN", '-H "Authorization: Bearer $KEY"', "POST", "https://slack.com/api/auth.test",
     field("Authorization", "Bearer {}")),
    ("slack", "SLACK_BOT_TOKEN", '-H "Authorization: Bearer $KEY"', "GET", "https://files.slack.com/files-pri/T1-F1/a",
     field("Authorization", "Bearer {}")),
]
IDS = [f"{profile} {url.split('/')[2]}" for profile, _, _, _, url, _ in CASES]


def parrot(peer, seen):
    """Says what it was told, the key too."""
    peer.answer(json.dumps({"path": seen.path, "fields": seen.fields}).encode(), "200 OK",
                "Content-Type: application/json")


class Vendor:
    def __init__(self, *urls):
        self.hosts = {url.split("/")[2]: parrot for url in urls}


@pytest.mark.parametrize("profile, variable, carried, method, url, place", CASES, ids=IDS)
def test_the_key_takes_the_placeholders_place(needs, credfd, vendor, profile, variable, carried, method, url, place):
    needs("curl")
    run = vendor(Vendor(url), profile, f"""
        echo "${variable}"
        KEY=${variable}
        curl -sS -f -X {method} {carried} {url}; echo
        curl -sS -f -X {method} {url}; echo
        env
    """, changes=CHANGED.get(profile, ()))
    assert run.wait() == 0, run.stdout
    placeholder = run.stdout.split(b"\n")[0].decode()
    assert len(placeholder) >= 20
    name, value = place(credfd.canary)
    assert len(run.vendors.requests) == 2
    for seen in run.vendors.requests:
        assert seen.all(name) == [value]
        assert seen.path == "/" + url.split("/", 3)[3]
        assert not any(placeholder in text for pair in seen.fields for text in pair)
        assert seen.method == method
    assert not credfd.session.search.is_in(run.stdout), run.stdout
    assert [line["event"] for line in run.events() if line["event"] == "exfiltration"] == []


def test_telegrams_key_stands_in_the_path(needs, credfd, vendor):
    needs("curl")
    run = vendor(Vendor("https://api.telegram.org/"), "telegram", """
        echo "$TELEGRAM_BOT_TOKEN"
        curl -sS -f "https://api.telegram.org/bot$TELEGRAM_BOT_TOKEN/getMe"; echo
        curl -sS -f https://api.telegram.org/getMe; echo
        env
    """)
    assert run.wait() == 0, run.stdout
    assert [seen.path for seen in run.vendors.requests] == [f"/bot{credfd.canary}/getMe"] * 2
    assert not credfd.session.search.is_in(run.stdout), run.stdout


def test_datadogs_other_key_is_the_commands_own(needs, vendor):
    needs("curl")
    run = vendor(Vendor("https://api.datadoghq.com/"), "datadog", """
        curl -sS -f -H "DD-API-KEY: $DD_API_KEY" -H "DD-APPLICATION-KEY: $DD_APP_KEY" \
            https://api.datadoghq.com/api/v1/validate
    """, env={"DD_API_KEY": "own-and-not-secret"})
    assert run.wait() == 0, run.stdout
    assert run.vendors.requests[0].field("DD-API-KEY") == "own-and-not-secret"


def test_flashduty_says_that_it_opens_no_door(credfd):
    """Others' profiles isolate the command; who reads this one must not believe that it does."""
    done = credfd.command("profile", "show", "flashduty")
    assert done.returncode == 0, done.stderr
    assert b"descriptor alone" in done.stdout and b"--proxy opens the door for other programs" in done.stdout
    other = credfd.command("profile", "show", "pagerduty")
    assert b"descriptor alone" not in other.stdout and b"a proxy for programs" in other.stdout


def test_flashduty_by_a_program_as_it_is(needs, credfd, vendor):
    """Its own CLI has a lease; for the rest there is --proxy."""
    needs("curl")
    run = vendor(Vendor("https://api.flashcat.cloud/"), "flashduty", """
        curl -sS -f -X POST 'https://api.flashcat.cloud/incident/list?app_key=x' -d '{}'
        env
    """, options=["--proxy"])
    assert run.wait() == 0, run.stdout
    assert run.vendors.requests[0].keys() == [credfd.canary]
    assert not credfd.session.search.is_in(run.stdout), run.stdout


def test_jira_as_it_is_shipped_goes_nowhere(needs, vendor):
    """The name in it is one that nobody can have."""
    needs("curl")
    run = vendor(Vendor("https://example.atlassian.net/"), "jira", """
        curl -sS -o /dev/null -w '%{http_code}\n' https://your-site.atlassian.invalid/rest/api/3/myself
    """)
    assert run.wait() == 0, run.stdout
    assert run.stdout in (b"502\n", b"504\n"), run.stdout
    assert run.vendors.requests == []


@pytest.mark.parametrize("profile, url", [
    ("github", "https://api.github.com/user/keys"),
    ("openai", "https://api.openai.com/v1/organization/admin_api_keys"),
    ("slack", "https://slack.com/api/apps.connections.open"),
    ("npm", "https://registry.npmjs.org/-/npm/v1/tokens"),
    ("datadog", "https://api.datadoghq.com/api/v2/api_keys"),
])
def test_none_makes_a_key(needs, vendor, profile, url):
    needs("curl")
    run = vendor(Vendor(url), profile, f"curl -sS -o /dev/null -w '%{{http_code}}\\n' -X POST -d '{{}}' {url}")
    assert run.wait() == 0, run.stdout
    assert run.stdout == b"403\n", run.stdout
    assert run.vendors.requests == []
    assert [line["refusal"] for line in run.audit(1)] == ["denied"]


def test_a_key_in_another_place_is_none(needs, vendor):
    """The placeholder in a field where this vendor looks for no key: somebody carries it away."""
    needs("curl")
    url = "https://api.datadoghq.com/api/v1/monitor"
    run = vendor(Vendor(url), "datadog",
                 f"curl -sS -o /dev/null -w '%{{http_code}}\\n' -H \"Authorization: Bearer $DD_APP_KEY\" {url}")
    assert run.wait() == 0, run.stdout
    assert run.stdout == b"403\n" and run.vendors.requests == [], run.stdout
    assert [line["refusal"] for line in run.audit(1)] == ["exfiltration"]
    assert [line["event"] for line in run.events() if line["event"] == "exfiltration"] == ["exfiltration"]


def test_a_placeholder_is_another_one_in_each_run(needs, vendor):
    needs("curl")
    said = []
    for _ in range(2):
        run = vendor(Vendor("https://api.openai.com/"), "openai", "echo $OPENAI_API_KEY")
        assert run.wait() == 0, run.stdout
        said.append(run.stdout)
    assert said[0].startswith(b"sk-proj-") and said[0] != said[1]
