"""git and gh as they are, with the profile as it is shipped, against a small GitHub under its own names."""
import os

import pytest

import github

AUTHOR = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER")
          for what, value in (("NAME", "Test"), ("EMAIL", "test@example.org"))}
GIT = {**AUTHOR, "GIT_CONFIG_NOSYSTEM": "1"}
PUSH = ("# - POST /*/*/git-receive-pack", "- POST /*/*/git-receive-pack")


@pytest.fixture
def hub(credfd, tmp_path):
    made = github.GitHub(tmp_path, credfd.canary)
    yield made
    made.stop()


def subjects(hub):
    """Of the commits that the forge has."""
    return hub.git.git("-C", hub.git.root / f"{github.REPOSITORY}.git", "log", "--format=%s").split()


def keys_of(run, host):
    return {seen.field("Authorization") for seen in run.vendors.requests if seen.field("Host") == host}


@pytest.mark.parametrize("profile", ["github", "github-git"])
def test_git_clones_and_fetches(needs, credfd, vendor, hub, profile):
    needs("git")
    run = vendor(hub, profile, f"""
        git clone -q https://github.com/{github.REPOSITORY} work
        cd work
        git log --format=%s
        git fetch -q
        git ls-remote -q origin main
        env
        cat .git/config
    """, env=GIT)
    assert run.wait() == 0, run.stdout
    assert run.stdout.startswith(b"first\n")
    assert hub.refused == [] and len(run.vendors.asked("github.com")) >= 4
    assert not credfd.session.search.is_in(run.stdout)
    assert credfd.session.search.in_tree(str(run.folder)) == []


def test_git_pushes_where_a_rule_allows_it(needs, credfd, vendor, hub):
    needs("git")
    run = vendor(hub, "github", f"""
        git clone -q https://github.com/{github.REPOSITORY} work
        cd work
        head -c 300000 /dev/urandom >large; git add large; git commit -qm second
        git -c http.postBuffer=70000 push -q origin main
        git log --format=%s origin/main
        env
    """, changes=[PUSH], env=GIT)
    assert run.wait() == 0, run.stdout
    assert run.stdout.startswith(b"second\nfirst\n"), run.stdout
    assert subjects(hub) == ["second", "first"]
    assert hub.refused == []
    assert not credfd.session.search.is_in(run.stdout)


def test_git_and_gh_in_full_isolation(needs, credfd, vendor, hub):
    """With a view of the system in which nobody's home is."""
    needs("git", "gh")
    run = vendor(hub, "github", f"""
        git clone -q https://github.com/{github.REPOSITORY} work
        git -C work log --format=%s
        gh pr list --repo {github.REPOSITORY}
        env
    """, options=["--isolate", "full"], env=GIT)
    assert run.wait() == 0, run.stdout
    assert run.stdout.startswith(b"first\n7\tMend the door"), run.stdout
    assert hub.refused == []
    assert not credfd.session.search.is_in(run.stdout)


def test_git_pushes_nothing_otherwise(needs, vendor, hub):
    needs("git")
    run = vendor(hub, "github", f"""
        git clone -q https://github.com/{github.REPOSITORY} work
        cd work
        git commit -q --allow-empty -m second
        git push -q origin main || echo status $?
    """, env=GIT)
    assert run.wait() == 0
    assert b"403" in run.stdout and b"status " in run.stdout, run.stdout
    assert subjects(hub) == ["first"]


def test_git_clones_by_an_address_with_the_placeholder_in_it(needs, credfd, vendor, hub):
    """As scripts do it: https://x-access-token:TOKEN@github.com/..."""
    needs("git")
    run = vendor(hub, "github", f"""
        git clone -q https://x-access-token:$GH_TOKEN@github.com/{github.REPOSITORY} work
        git -C work log --format=%s
    """, env=GIT)
    assert run.wait() == 0, run.stdout
    assert run.stdout.startswith(b"first\n")
    assert hub.refused == []
    assert [line for line in run.events() if line["event"] == "exfiltration"] == []


def test_gh_asks_who_it_is(needs, credfd, vendor, hub):
    needs("gh")
    run = vendor(hub, "github", """
        gh api user --jq .login
        gh api user --jq .bio
        case $GH_TOKEN in ghp_????????????????????????????????????) echo shaped;; esac
        env
    """)
    assert run.wait() == 0, run.stdout
    assert run.stdout.startswith(b"robot\nmy key is *****"), run.stdout
    assert b"\nshaped\n" in run.stdout
    assert keys_of(run, "api.github.com") == {f"Bearer {credfd.canary}"}
    assert not credfd.session.search.is_in(run.stdout)
    assert credfd.session.search.in_tree(str(run.folder)) == []


def test_gh_lists_pull_requests(needs, credfd, vendor, hub):
    needs("gh")
    run = vendor(hub, "github", f"gh pr list --repo {github.REPOSITORY}; env")
    assert run.wait() == 0, run.stdout
    assert b"7\tMend the door\tmend\tOPEN" in run.stdout, run.stdout
    assert keys_of(run, "api.github.com") == {f"Bearer {credfd.canary}"} and hub.refused == []
    assert not credfd.session.search.is_in(run.stdout)


def test_gh_clones(needs, credfd, vendor, hub):
    needs("gh", "git")
    run = vendor(hub, "github", f"""
        gh repo clone {github.REPOSITORY} work -- -q
        git -C work log --format=%s
    """, env=GIT)
    assert run.wait() == 0, run.stdout
    assert run.stdout.endswith(b"first\n"), run.stdout
    assert hub.refused == []


def test_gh_is_refused_what_the_rules_do_not_allow(needs, vendor, hub):
    needs("gh")
    run = vendor(hub, "github", f"""
        gh api -X POST repos/{github.REPOSITORY}/issues -f title=x || echo status $?
        gh api repos/{github.REPOSITORY}/actions/secrets || echo status $?
    """)
    assert run.wait() == 0
    assert run.stdout.count(b"status 1") == 2 and b"403" in run.stdout, run.stdout
    assert run.vendors.requests == []
    assert [line["refusal"] for line in run.audit(2)] == ["no_rule", "denied"]


def test_a_secret_from_a_descriptor_serves_every_credential(needs, credfd, vendor, hub):
    """It is read once, and is the key of three hosts."""
    needs("gh", "git")
    reader, writer = os.pipe()
    os.write(writer, credfd.canary.encode() + b"\n")
    os.close(writer)
    try:
        run = vendor(hub, "github", f"""
            gh api user --jq .login
            git ls-remote -q https://github.com/{github.REPOSITORY} main
            case $CREDFD in github=3,github-git=4,github-uploads=5) echo three;; esac
        """, secret=f"fd:{reader}", pass_fds=(reader,))
        assert run.wait() == 0, run.stdout
    finally:
        os.close(reader)
    assert run.stdout.startswith(b"robot\n") and run.stdout.endswith(b"three\n"), run.stdout
    assert hub.refused == []
