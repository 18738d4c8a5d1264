"""`git http-backend` behind nginx, which asks for the password that is the key: /git/OWNER/NAME.git of its url."""
import os
import shutil
import subprocess

import upstream as servers


class GitServer:
    """Repositories that anybody with the key may read and write. `requests` are those that had the right one."""

    def __init__(self, folder):
        self.root, self.socket = folder / "repositories", folder / "git"
        self.root.mkdir(mode=0o755)
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8",
                            "GIT_CONFIG_NOSYSTEM": "1", **{f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER")
                               for what, value in (("NAME", "Test"), ("EMAIL", "test@example.org"))}}
        self._server = servers.Server(self._serve, tls=False, address=str(self.socket))
        self.socket.chmod(0o777)

    @property
    def requests(self):
        return self._server.requests

    def git(self, *arguments, input=None):
        """What the command prints."""
        done = subprocess.run(["git", *map(str, arguments)], env=self.environment, input=input, capture_output=True,
                              text=True)
        assert done.returncode == 0, f"git {arguments}: {done.stderr}"
        return done.stdout.strip()

    def make(self, path):
        """A repository with one commit, "first"."""
        repository = self.root / path
        self.git("init", "-q", "--bare", "-b", "main", repository)
        tree = self.git("-C", repository, "mktree", input="")
        commit = self.git("-C", repository, "commit-tree", tree, "-m", "first")
        self.git("-C", repository, "update-ref", "refs/heads/main", commit)
        return repository

    def stop(self):
        self._server.stop()
        self.socket.unlink()
        shutil.rmtree(self.root)

    def _serve(self, peer):
        while seen := peer.read_request():
            self.answer(peer, seen)

    def answer(self, peer, seen):
        """What git says to a request of somebody whose name stands in X-Remote-User."""
        assert seen.body_length == len(seen.body), "larger than what is kept of a body"
        head, _, body = self._run(seen).partition(b"\r\n\r\n")
        fields = head.decode().split("\r\n")
        status = [field.partition(": ")[2] for field in fields if field.startswith("Status: ")] or ["200 OK"]
        peer.answer(body, status[0], *(field for field in fields if not field.startswith("Status: ")))

    def _run(self, seen):
        """RFC 3875, as far as git goes."""
        fields = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in seen.fields}
        environment = {
            **self.environment, **fields, "GIT_PROJECT_ROOT": str(self.root), "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": seen.method, "PATH_INFO": seen.path.removeprefix("/git"), "QUERY_STRING": seen.raw_query,
            "CONTENT_TYPE": fields.get("HTTP_CONTENT_TYPE", ""), "CONTENT_LENGTH": str(seen.body_length),
            "REMOTE_USER": fields["HTTP_X_REMOTE_USER"], "REMOTE_ADDR": "127.0.0.1",
            "GIT_PROTOCOL": fields.get("HTTP_GIT_PROTOCOL", ""),
        }
        return subprocess.run(["git", "http-backend"], env=environment, input=seen.body, capture_output=True,
                              check=True).stdout
