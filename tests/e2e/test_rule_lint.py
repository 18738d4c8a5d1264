"""Rules that never match, or that others make needless: `credfd check` warns, with the line, and all runs the same."""
import re

import pytest


@pytest.fixture
def lint(credfd):
    """Has a configuration of these rules checked: the warnings about rules, as (line, list, rule, what is wrong)."""
    folder = credfd.session.new_folder()

    def check(**lists):
        config = credfd.write_settings(folder, [credfd.credential(allow=None)])
        block = "".join(f"    {name}:\n" + "".join(f'      - "{rule}"\n' for rule in rules)
                        for name, rules in lists.items())
        config.write_text(config.read_text() + block)
        done = credfd.command("check", "-c", config)
        assert done.returncode == 0, done.stderr
        first = config.read_text().splitlines().index("    allow:") + 2
        found = re.findall(rf"^credfd: warning: {re.escape(str(config))}:(\d+): credentials\.api\.(allow|deny): "
                           r"(\S+ \S+): (.*)$", done.stderr.decode(), re.M)
        return config, first, [(int(line) - first, *rest) for line, *rest in found]

    return check


# Rules, and what is said of them: the index of the rule, and words that must stand there ("{N}" for rule N's line).
WARNED = {
    "covered by an earlier one": (["GET /x/**", "GET /x/y"], {1: ["needless", "`GET /x/**` on line {0}", "remove"]}),
    "covered by a later one": (["GET /x/y", "* /x/**"], {0: ["needless", "`* /x/**` on line {1}"]}),
    "the same again": (["GET /x", "POST /x", "GET /x"], {2: ["stands on line {0} already"]}),
    "a path with a parameter": (["GET /x;v=1/y"], {0: ["never used", "read its path as /x/y", "write it so"]}),
    "an empty segment": (["GET /x//y/*"], {0: ["never used", "/x/y/*"]}),
    "a dot segment": (["GET /x/./**"], {0: ["never used", "/x/**"]}),
    "a needless escape": (["GET /%7Ex"], {0: ["never used", "/~x"]}),
    "an escape that is needed": (["GET /caf%C3%A9"], {0: ["never used", "write *"]}),
    "above the root": (["GET /../x"], {0: ["never used", "nobody can say"]}),
    "a method that is refused": (["TRACE /x"], {0: ["never used", "method"]}),
    "an escape that is none": (["GET /x%zz"], {0: ["never used", "escape"]}),
}


@pytest.mark.parametrize("rules, expected", WARNED.values(), ids=WARNED)
def test_a_rule_that_changes_nothing_is_named_with_its_line(lint, rules, expected):
    _, first, found = lint(allow=rules)
    assert [index for index, *_ in found] == list(expected)
    for index, name, rule, text in found:
        assert (name, rule) == ("allow", rules[index])
        for words in expected[index]:
            words = re.sub(r"\{(\d)\}", lambda match: str(first + int(match.group(1))), words)
            assert words in text, text


def test_what_is_allowed_and_denied_is_named_with_both_lines(lint):
    _, first, found = lint(allow=["GET /x/**", "POST /admin/keys"],
                           deny=["* /admin/**", "DELETE /admin/x", "GET /a//b"])
    assert [(index, name) for index, name, *_ in found] == [(1, "allow"), (4, "deny"), (5, "deny")]
    assert f"`* /admin/**` of `deny` on line {first + 3}" in found[0][3] and "never used" in found[0][3]
    assert f"`* /admin/**` on line {first + 3}" in found[1][3]
    assert "/a/b" in found[2][3]


@pytest.mark.parametrize("rules", [
    ["GET /x/**", "POST /x/**", "* /y"], ["GET /x", "GET /x/"], ["GET /x/*", "GET /x/*/y"],
    ["GET /x;v=1/y", "GET /x/y"], ["GET /.well-known/*", "GET /*.json"],
], ids=str)
def test_nothing_is_said_of_sound_rules(lint, rules):
    assert lint(allow=rules, deny=["DELETE /x/**", "GET /caf%C3%A9"])[2] == []


def test_what_is_warned_of_runs_all_the_same(credfd, lint):
    config, _, found = lint(allow=["GET /x/**", "GET /x/y", "GET /x//y", "TRACE /x"])
    assert len(found) == 3
    run = credfd.start(["true"], config=config)
    assert run.wait() == 0, run.stderr
    assert "needless" not in run.stderr and "never used" not in run.stderr
