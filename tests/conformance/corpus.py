"""
Other people's request files: gunicorn's tests/requests, where the repository's neighbour `shared/corpora` holds them.

An origin server that those tests describe has settings of its own (limits, policies, a list of permitted methods), and
its policy is looser than ours in places. These tables say where a file's folder does not settle what we must do with
it. A file is sent as it is, and once more with a Host where an HTTP/1.1 request of it lacks one: else that lack would
hide what the file is about.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / ".." / "shared" / "corpora" / "gunicorn"

SHORT_BODY = "framing: a short body (the file holds half of what it declares)"

# valid/, and yet refused by the strict rules; without an entry here, it must be accepted once it has a Host.
REFUSED = {
    "005": "target: `#`",
    "009": "framing: Content-Length with Transfer-Encoding; target: `#`",
    "025": "framing: chunked with another coding",
    "025_line": "framing: chunked with another coding",
    "027": "target: a byte over 0x7E",
    "028": "fields: a blank before the colon",
    "029": "framing: identity beside chunked",
    "030": "framing: identity beside chunked",
    "099": SHORT_BODY,
    "compat_obs_fold": "fields: obs-fold",
    "compat_obs_fold_huge": "fields: obs-fold",
    "pp_01": "request line: garbage (a PROXY line) before it",
    "pp_02": "request line: garbage (a PROXY line) before it",
    "pp_04": "request line: garbage (a PROXY header) before it",
    "pp_05": "request line: garbage (a PROXY header) before it",
    "rfc9112_smuggle_gzip_chunked_01": "framing: chunked with another coding",
    "rfc9112_smuggle_te_identity_chunked_01": "framing: identity beside chunked",
    "rfc9112_target_absolute_01": "target: absolute-form on a lease door",
    "rfc9112_target_absolute_https_01": "target: absolute-form on a lease door",
    "rfc9112_target_absolute_ipv6_01": "target: absolute-form on a lease door",
    "rfc9112_target_absolute_userinfo_01": "target: absolute-form on a lease door",
    "rfc9112_target_authority_connect_01": "CONNECT only on the proxy door",
    "rfc9112_target_authority_ipv6_01": "CONNECT only on the proxy door",
}

# invalid/ only through a setting or a policy of gunicorn's; without an entry here, it must be refused.
ACCEPTED = {
    "003c": "a method that begins with `-` is a token (S 5.6.2)",
    "006": "a request line of 4 KiB: our limit for a target is 8 KiB",
    "007": "a field line of 8 KiB: our limit is 16 KiB",
    "008": "a field line of 8 KiB: our limit is 16 KiB",
    "009": "103 fields: our limit is 128",
    "010": "gunicorn's limit on the number of fields, set to less than this",
    "011": "gunicorn's limit on the size of a field, set to less than this",
    "012": "gunicorn's limit on the size of a field, set to less than this",
    "017": "a field line of 8 KiB: our limit is 16 KiB",
    "019": "gunicorn's own pair of scheme fields, which mean nothing here",
    "040": "`_` in a name: refused only on a listener that trusts identity fields",
    "041": "two lines of Content-Type: no rule of ours",
    "chunked_07": "`_` in a name: refused only on a listener that trusts identity fields",
    "limit_header_default_01": "a field line of 8 KiB: our limit is 16 KiB",
}

# The end of a request line, where no line of that head is a Host.
REQUEST_WITHOUT_HOST = re.compile(rb"(?i) HTTP/1\.1\r\n(?!(?:[^\r\n]+\r\n)*?host[ \t]*:)")


@dataclass(frozen=True)
class File:
    folder: str
    name: str
    data: bytes

    def __str__(self) -> str:
        return f"{self.folder}/{self.name}"

    @property
    def lacks_host(self) -> bool:
        """Its first request is one of HTTP/1.1 without a Host."""
        line_end = self.data.find(b"\r\n") + 2
        return any(match.end() == line_end for match in REQUEST_WITHOUT_HOST.finditer(self.data))

    @property
    def may_begin(self) -> bool:
        """Whether what is wrong with it may show only after its head went on."""
        return b"chunked" in self.data.lower() or REFUSED.get(self.name) == SHORT_BODY

    def with_host(self) -> bytes:
        """With a Host in each request that lacks one."""
        return REQUEST_WITHOUT_HOST.sub(rb"\g<0>Host: corpus.test\r\n", self.data)


def unescape(text: bytes) -> bytes:
    r"""A real line end is nothing; \r, \n, \t, \0 and \xHH are what they say."""
    joined = text.replace(b"\r", b"").replace(b"\n", b"")
    single = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"0": b"\0"}
    return re.sub(rb"\\(x[0-9A-Fa-f]{2}|[rnt0])",
                  lambda match: single.get(match[1]) or bytes([int(match[1][1:], 16)]), joined)


def files(folder: str, *, without_host: bool = False) -> list[File]:
    """All of a folder, or those in which some request lacks a Host."""
    found = [File(folder, path.stem, unescape(path.read_bytes())) for path in sorted((FOLDER / folder).glob("*.http"))]
    return [file for file in found if not without_host or REQUEST_WITHOUT_HOST.search(file.data)]
