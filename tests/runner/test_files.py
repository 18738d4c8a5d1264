"""Operations on files: within the workspace, of any bytes, of bounded size."""
import base64
import os
import socket

import pytest


def encoded(data):
    return base64.b64encode(data).decode()


@pytest.fixture
def place(fleet):
    """A connected runner: (its workspace, ask(operation, **args))."""
    runner, hub = fleet.start()

    def ask(operation, **args):
        return hub.result(hub.send(operation, args))
    ask.runner, ask.hub = runner, hub
    return runner.workspace, ask


EVERY_BYTE = bytes(range(256)) * 300


def test_what_is_written_is_read(place):
    workspace, ask = place
    assert ask("write", path="new/deep/file.bin", content=encoded(EVERY_BYTE))["result"] == {"success": True}
    assert (workspace / "new/deep/file.bin").read_bytes() == EVERY_BYTE
    result = ask("read", path="new/deep/file.bin")["result"]
    assert base64.b64decode(result["content"]) == EVERY_BYTE and result["total_size"] == len(EVERY_BYTE)
    part = ask("read", path="/new/deep/file.bin", offset=250, limit=10)["result"]
    assert base64.b64decode(part["content"]) == EVERY_BYTE[250:260] and part["total_size"] == len(EVERY_BYTE)
    assert ask("read", path="new/deep/file.bin", offset=1 << 40)["result"]["content"] == ""


def test_a_path_may_be_said_as_the_machine_knows_it(place):
    workspace, ask = place
    (workspace / "sub").mkdir()
    assert ask("write", path=f"{workspace}/sub/here", content=encoded(b"x"))["success"] is True
    assert (workspace / "sub" / "here").read_text() == "x" and sorted(os.listdir(workspace)) == ["sub"]
    assert ask("read", path=f"{workspace}/sub/here")["result"]["total_size"] == 1
    assert ask("list", path=str(workspace))["result"]["entries"][0]["path"] == "sub"
    assert ask("glob", pattern=f"{workspace}/sub/*")["result"]["matches"] == ["sub/here"]
    for workdir in ("sub", "/sub", f"{workspace}/sub"):
        assert ask("bash", command="ls", workdir=workdir)["result"]["stdout"] == "here\n"
    assert ask("read", path=f"{workspace}-beside/x")["success"] is False


def test_writing_keeps_the_mode_and_replaces_the_whole(place):
    workspace, ask = place
    (workspace / "script").write_text("a much longer text")
    (workspace / "script").chmod(0o755)
    ask("write", path="script", content=encoded(b"short"))
    assert (workspace / "script").read_text() == "short" and (workspace / "script").stat().st_mode & 0o777 == 0o755
    assert sorted(os.listdir(workspace)) == ["script"]


ESCAPES = ["../outside", "a/../../outside", "out/outside", "out-file", "in/../../outside", "/../outside", "loop/x",
           "/proc/self/environ", "proc/self/environ", "x" * 300, "a/" * 5000 + "x"]


@pytest.mark.parametrize("operation", ["read", "write", "list"])
def test_paths_that_escape_are_refused(place, operation):
    workspace, ask = place
    outside = workspace.parent / "outside"
    outside.write_text("not yours")
    (workspace / "a").mkdir()
    os.symlink(workspace.parent, workspace / "out")
    os.symlink(outside, workspace / "out-file")
    os.symlink("a", workspace / "in")
    os.symlink("loop", workspace / "loop")
    os.symlink("/proc", workspace / "proc")
    for path in ESCAPES:
        result = ask(operation, path=path, **({"content": encoded(b"mine")} if operation == "write" else {}))
        if operation == "write" and path.startswith("/proc"):
            continue  # beneath the workspace it is a path like any other
        assert result["success"] is False and result["error"], path
        assert encoded(b"not yours") not in str(result)
    assert outside.read_text() == "not yours"


def test_a_link_that_stays_inside_is_followed(place):
    workspace, ask = place
    (workspace / "real").write_text("here")
    os.symlink("real", workspace / "link")
    assert base64.b64decode(ask("read", path="link")["result"]["content"]) == b"here"


def test_what_is_no_file_is_refused_without_waiting(place):
    workspace, ask = place
    os.mkfifo(workspace / "fifo")
    with socket.socket(socket.AF_UNIX) as sock:
        here = os.getcwd()
        os.chdir(workspace)
        sock.bind("socket")
        os.chdir(here)
        (workspace / "folder").mkdir()
        for name in ("fifo", "socket", "folder", "absent"):
            assert ask("read", path=name)["success"] is False
    assert ask("read", path="folder")["error"] == "cannot read a directory: folder"


def test_a_file_larger_than_a_message_is_cut_and_says_so(place):
    workspace, ask = place
    with open(workspace / "big", "wb") as file:
        file.truncate(100 << 20)
    result = ask("read", path="big")["result"]
    assert result["total_size"] == 100 << 20 and 0 < len(result["content"]) < 16 << 20


def test_lists(place):
    workspace, ask = place
    for name in ("b/deep/x.txt", "a.txt", "node_modules/y.js", "b/z.txt"):
        (workspace / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace / name).write_text(name)
    flat = ask("list", path=".")["result"]["entries"]
    assert [(e["path"], e["is_dir"]) for e in flat] == [("a.txt", False), ("b", True), ("node_modules", True)]
    assert flat[0]["size"] == 5
    deep = ask("list", path=".", recursive=True, ignore=["node_*"])["result"]["entries"]
    assert [e["path"] for e in deep] == ["a.txt", "b", "b/deep", "b/deep/x.txt", "b/z.txt"]
    assert [e["path"] for e in ask("list", path="b")["result"]["entries"]] == ["b/deep", "b/z.txt"]


@pytest.mark.parametrize("pattern, found", [
    ("*.txt", ["a.txt"]), ("**/*.txt", ["a.txt", "b/c/d.txt", "b/e.txt"]), ("b/*", ["b/c", "b/e.txt"]),
    ("**/d.*", ["b/c/d.txt"]), ("{a,b/e}.txt", ["a.txt", "b/e.txt"]), ("[ab].txt", ["a.txt"]), ("?.txt", ["a.txt"]),
    ("b/**", ["b", "b/c", "b/c/d.txt", "b/e.txt"]), ("none*", []), ("../*", []), ("/etc/*", []),
])
def test_globs(place, pattern, found):
    workspace, ask = place
    for name in ("a.txt", "b/e.txt", "b/c/d.txt"):
        (workspace / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace / name).write_text("")
    answer = ask("glob", pattern=pattern)
    assert answer.get("result", {"matches": []})["matches"] == found


def test_greps(place):
    workspace, ask = place
    (workspace / "a.c").write_text("int main(void)\n{\n  return Main;\n}\n")
    (workspace / "b.h").write_text("extern int main(void);\n")
    (workspace / "binary").write_bytes(b"main\0main")
    result = ask("grep", pattern="main")["result"]
    assert [(m["path"], m["line_number"]) for m in result["matches"]] == [("a.c", 1), ("a.c", 3), ("b.h", 1)]
    assert result["content"].splitlines()[0] == "a.c:1:int main(void)"
    only = ask("grep", pattern="Main", include=["*.c"])["result"]["matches"]
    assert [(m["path"], m["line_number"], m["content"]) for m in only] == [("a.c", 3, "  return Main;")]
    assert ask("grep", pattern="ret.*M")["result"]["matches"][0]["line_number"] == 3
    assert ask("grep", pattern="nowhere")["result"]["matches"] == []


def test_a_large_grep_is_kept_in_a_file(place):
    workspace, ask = place
    (workspace / "many").write_text("needle in a long line of hay\n" * 5000)
    result = ask("grep", pattern="needle")["result"]
    assert result["truncated"] is True and len(result["content"]) < 30000
    assert (workspace / result["file_path"]).read_text().count("needle") == 5000


def test_names_and_lines_that_are_no_characters(place):
    workspace, ask = place
    (workspace / os.fsdecode(b"bad\xff")).write_bytes(b"x \xfe needle\n")
    assert [e["path"] for e in ask("list", path=".")["result"]["entries"]] == ["bad\ufffd"]
    assert ask("grep", pattern="needle")["result"]["matches"][0]["content"] == "x \ufffd needle"
