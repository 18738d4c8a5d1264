"""A Python package index (the simple one of PEP 503) with one wheel, `greeting`. With a key it gives nothing to whoever
comes without that."""
import base64
import hashlib
import io
import zipfile

WHEEL = "greeting-1.0-py3-none-any.whl"


def _wheel():
    stream = io.BytesIO()
    files = {"greeting.py": "def say():\n    return 'hello from the index'\n",
             "greeting-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n",
             "greeting-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\n"
                                             "Tag: py3-none-any\n"}
    with zipfile.ZipFile(stream, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        archive.writestr("greeting-1.0.dist-info/RECORD", "".join(f"{name},,\n" for name in files))
    return stream.getvalue()


class Index:
    def __init__(self, user=None, key=None):
        self.wheel, self.refused = _wheel(), []
        self._field = "Basic " + base64.b64encode(f"{user}:{key}".encode()).decode() if key else None

    def answer(self, peer, seen):
        if self._field and seen.all("Authorization") != [self._field]:
            self.refused.append(seen)
            peer.answer(b"", "401 Unauthorized", 'WWW-Authenticate: Basic realm="index"')
        elif seen.path == "/simple/greeting/":
            link = f"/files/{WHEEL}#sha256={hashlib.sha256(self.wheel).hexdigest()}"
            peer.answer(f'<!DOCTYPE html><html><body><a href="{link}">{WHEEL}</a></body></html>'.encode(), "200 OK",
                        "Content-Type: text/html")
        elif seen.path == f"/files/{WHEEL}":
            peer.answer(self.wheel, "200 OK", "Content-Type: application/octet-stream")
        else:
            peer.answer(b"", "404 Not Found")

    def serve(self, peer):
        """A handler of upstream.Server."""
        while seen := peer.read_request():
            self.answer(peer, seen)
