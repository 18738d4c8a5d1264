"""An npm registry that gives nothing to whoever comes without the key: `left` and `@team/right`, which needs it."""
import base64
import hashlib
import io
import json
import tarfile

HOST = "registry.npmjs.org"


def _pack(manifest, code):
    """A package as npm packs it."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, text in (("package.json", json.dumps(manifest)), ("index.js", code)):
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return stream.getvalue()


class Registry:
    """`hosts` goes to vendors.Vendors."""

    def __init__(self, key):
        self.key, self.refused, self.files, self.manifests = key, [], {}, {}
        self._add("left", "exports.say = () => 'left';\n", {})
        self._add("@team/right", "exports.say = () => require('left').say() + ' and right';\n", {"left": "^1.0.0"})
        self.hosts = {HOST: self._serve}

    def _add(self, name, code, dependencies):
        manifest = {"name": name, "version": "1.0.0", "main": "index.js", "dependencies": dependencies}
        archive = _pack(manifest, code)
        path = f"/{name}/-/{name.split('/')[-1]}-1.0.0.tgz"
        self.files[path] = archive
        dist = {"tarball": f"https://{HOST}{path}", "shasum": hashlib.sha1(archive).hexdigest(),
                "integrity": "sha512-" + base64.b64encode(hashlib.sha512(archive).digest()).decode()}
        self.manifests[f"/{name}".replace("/@team/", "/@team%2f")] = {
            "name": name, "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": {**manifest, "dist": dist}}}

    def _serve(self, peer, seen):
        if seen.all("Authorization") != [f"Bearer {self.key}"]:
            self.refused.append(seen)
            peer.answer(b"{}", "401 Unauthorized", "Content-Type: application/json")
        elif seen.path in self.files:
            peer.answer(self.files[seen.path], "200 OK", "Content-Type: application/octet-stream")
        elif seen.path in self.manifests:
            peer.answer(json.dumps(self.manifests[seen.path]).encode(), "200 OK", "Content-Type: application/json")
        else:
            peer.answer(b"{}", "404 Not Found", "Content-Type: application/json")
