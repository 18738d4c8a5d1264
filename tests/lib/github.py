"""GitHub, as far as gh and git go: a person, a repository with one pull request, and git over HTTPS. Whoever comes
without the key, in the place where GitHub looks for it, is answered 401."""
import base64
import json

import git_server

REPOSITORY = "team/project"
PULL_REQUEST = {
    "id": "PR_1", "number": 7, "title": "Mend the door", "state": "OPEN", "body": "", "isDraft": False,
    "url": f"https://github.com/{REPOSITORY}/pull/7", "headRefName": "mend", "baseRefName": "main",
    "isCrossRepository": False, "maintainerCanModify": False, "mergeable": "MERGEABLE", "reviewDecision": "",
    "createdAt": "2026-01-02T03:04:05Z", "updatedAt": "2026-01-02T03:04:05Z", "author": {"login": "alice"},
    "headRepositoryOwner": {"login": "team"}, "headRepository": {"name": "project", "id": "R_1"},
}
# gh asks some of these which fields they have, as older servers have fewer.
TYPES = "PullRequest", "StatusCheckRollupContextConnection", "WorkflowRun", "Repository", "Issue"


class GitHub:
    """`hosts` goes to vendors.Vendors. `echo` is what a careless field of /user shows."""

    def __init__(self, folder, key):
        self.key, self.git = key, git_server.GitServer(folder)
        self.git.make(f"{REPOSITORY}.git")
        self.hosts = {"api.github.com": self._api, "github.com": self._git, "uploads.github.com": self._api}
        self.refused = []  # who came without the key
        self.queries = []  # of GraphQL

    def stop(self):
        self.git.stop()

    def _refuse(self, peer, seen, *fields):
        self.refused.append(seen)
        peer.answer(b'{"message":"Bad credentials"}', "401 Unauthorized", *fields)

    def _api(self, peer, seen):
        if seen.all("Authorization") != [f"Bearer {self.key}"]:
            self._refuse(peer, seen, "Content-Type: application/json")
            return
        status, answer = self._answer(seen)
        peer.answer(json.dumps(answer).encode(), status, "Content-Type: application/json; charset=utf-8",
                    "X-OAuth-Scopes: repo, read:org")

    def _answer(self, seen):
        if (seen.method, seen.path) == ("POST", "/graphql"):
            question = json.loads(seen.body)
            self.queries.append(question["query"])
            return "200 OK", {"data": self._query(question)}
        if (seen.method, seen.path) == ("GET", "/user"):
            return "200 OK", {"login": "robot", "id": 1, "bio": f"my key is {self.key}"}
        if (seen.method, seen.path) == ("GET", f"/repos/{REPOSITORY}"):
            return "200 OK", {"name": "project", "full_name": REPOSITORY, "default_branch": "main"}
        return "404 Not Found", {"message": "Not Found"}

    def _query(self, question):
        """The same for every query about the repository: who asks picks out what it asked for."""
        if "__type" in question["query"]:
            fields = [{"name": name} for name in PULL_REQUEST]
            return {name: {"fields": fields, "enumValues": []} for name in TYPES}
        return {
            "repository": {"id": "R_1", "name": "project", "owner": {"login": "team"}, "viewerPermission": "READ",
                           "hasIssuesEnabled": True, "defaultBranchRef": {"name": "main"},
                           "pullRequest": PULL_REQUEST,
                           "pullRequests": {"totalCount": 1, "nodes": [PULL_REQUEST],
                                            "pageInfo": {"hasNextPage": False, "endCursor": None}}},
            "viewer": {"login": "robot"},
        }

    def _git(self, peer, seen):
        pair = base64.b64encode(f"x-access-token:{self.key}".encode()).decode()
        if seen.all("Authorization") != [f"Basic {pair}"]:
            self._refuse(peer, seen, 'WWW-Authenticate: Basic realm="GitHub"')
            return
        seen.fields.append(("X-Remote-User", "x-access-token"))
        self.git.answer(peer, seen)
