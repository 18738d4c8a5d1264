"""Makes shell texts: out of bash's grammar, out of what has fooled readers of it, and by breaking both.

The commands in them are stubs (test_shell_grammar.py makes them), `run` the most of all. Every word that might be taken
for a command by mistake has a stub as well.
"""
from pathlib import Path

SEEDS = (Path(__file__).parent / "shell_seeds.txt").read_text(encoding="utf-8").rstrip("\n").split("\n----\n")

PLAIN = ["a", "b", "c", "d", "e", "foo", "bar", "run", "x1"]
ODD = ["-n", "-v", "-c", "--", "-", "+", "A=1", "]", "]]", "}", "{", "{}", "!", "in", "do", "then", "if", "10", "3",
       "esac", "done", "time"]
NAMES = ["x", "y", "z", "arr", "m", "i", "n"]
STUBS = sorted({*PLAIN, *ODD, *NAMES, *"cat diff sleep date wc seq p q h t ls -p [[ (( )) -c".split(),
                *"abcdefghijklmnopqrstuvwxyz0123456789", "é", "A=1 run", "-c run", "run foo", "a b"})

META = [*"(){}[]<>|&;'\"`\\$#!*?~= \t\n,\r", "$(", "${", "((", "))", "<<", "<(", ">(", "\\\n", "$'", "$\"", "<<E\n", "\nE\n",
        "<<<", "&>", "||", "&&", "|&", ";;", "[[ ", " ]]", "do", "done", "esac", "fi", "{fd}>", "2>", " -c ", "@(", "'\\''",
        "run", " run ", "\nrun m\n", "$((", "${x:-", "${!", "x=", "x[", "]=", "eval ", "bash -c '"]


class Maker:
    def __init__(self, rng):
        self.rng = rng
        self.pick = lambda *things: rng.choice(things)

    def some(self, make, most, between=""):
        return between.join(make() for _ in range(self.rng.randint(0, most)))

    def one_of(self, *makers):
        return self.rng.choice(makers)()

    def name(self):
        return self.rng.choice(NAMES)

    # words

    def double_quoted(self, depth):
        plain = ["a", "b c", " ", "'", "\\\"", "\\$", "\\\\", "#", ";", "&", "|", "(", ")", "{", "}", "<", "\n", "\\\n", "$",
                 "*", "~", "!", "\\`", "\\a", "'x'", "$'x'"]
        makers = [lambda: self.rng.choice(plain)] * 3 + [lambda: self.variable(depth)]
        if depth > 0:
            makers += [lambda: self.substitution(depth - 1), lambda: self.backquoted(depth - 1)]
        return '"' + self.some(lambda: self.one_of(*makers), 3) + '"'

    def backquoted(self, depth):
        text = self.command(depth)
        if self.rng.random() < 0.9:
            text = text.replace("\\", "\\\\").replace("`", "\\`")
        if self.rng.random() < 0.5:
            text = text.replace("$", "\\$")
        return "`" + text + "`"

    def substitution(self, depth):
        return "$(" + self.pick("", " ", "\n") + self.list(depth) + self.pick("", " ", "\n") + ")"

    def variable(self, depth):
        name = self.pick(self.name(), self.name(), *"1@*#?!$-")
        kind = self.rng.random()
        if kind < 0.45:
            return "$" + name
        if kind < 0.6:
            return "${" + name + "}"
        if kind < 0.7:
            return "$((" + self.arithmetic(depth) + "))"
        operator = self.pick(":-", "-", ":=", "=", ":+", "+", "#", "##", "%", "%%", "/", "//", "^", "^^", ",", ":", "@", "[")
        if operator == "@":
            return "${" + name + "@" + self.pick(*"QUPA") + "}"
        if operator == ":":
            return "${" + name + ":" + self.arithmetic(0) + "}"
        if operator == "[":
            return "${" + name + "[" + self.pick("@", "*", "0", self.arithmetic(depth)) + "]}"
        piece = lambda: self.pick(self.word(max(0, depth - 1)), "a", " ", "'}'", '"}"', "\\}", "/")
        return "${" + self.pick("", "", "", "", "#", "!") + name + operator + self.some(piece, 2) + "}"

    def arithmetic(self, depth):
        kind = self.rng.random()
        if kind < 0.35:
            return str(self.rng.randint(0, 9))
        if kind < 0.5:
            return self.name()
        if kind < 0.6:
            return "$" + self.name()
        if kind < 0.7:
            return self.arithmetic(depth) + self.pick("+", "-", "*", "<", "==", "=", ",", "&&", "?1:") + self.arithmetic(depth)
        if kind < 0.8:
            return "(" + self.arithmetic(depth) + ")"
        if kind < 0.85:
            return self.name() + "[" + self.arithmetic(depth) + "]"
        if kind < 0.9 and depth > 0:
            return self.substitution(depth - 1)
        return self.pick("1 + 1", "x++", "i<3", "n = 2", "16#f", "'1'", "\"1\"", " ", "a[", "]", ")")

    def piece(self, depth):
        kind = self.rng.random()
        if kind < 0.45:
            return self.rng.choice(PLAIN)
        if kind < 0.53:
            return self.double_quoted(depth)
        if kind < 0.6:
            return "'" + self.pick("a", "b c", "\"", "\\", "$(run)", "`", "#", "\n", "a[$(run q)]", "$x", ";", "-v a[$(run q)]") + "'"
        if kind < 0.7:
            return self.variable(depth)
        if kind < 0.76 and depth > 0:
            return self.substitution(depth - 1)
        if kind < 0.8 and depth > 0:
            return self.backquoted(depth - 1)
        if kind < 0.84:
            return "\\" + self.pick(*" a$'\"\\;\n(`#*")
        if kind < 0.87:
            return self.pick("*", "?", "[a]", "~", "~/a", "{a,b}", "{1..3}", "{a", "a}", "{,x}", "$", "$/", "%", "@", "+", "=",
                             "x=", ":", "[", "]", "{a,$}")
        if kind < 0.9:
            return self.pick("$'a\\tb'", "$'\\''", "$'\\x61'", "$\"a b\"", "$''", "$'\\\\'")
        if kind < 0.92 and depth > 0:
            return self.pick("<(", ">(") + self.list(depth - 1) + ")"
        return self.rng.choice(PLAIN + ODD)

    def word(self, depth):
        return "".join(self.piece(depth) for _ in range(self.pick(1, 1, 1, 1, 2, 2, 3)))

    # commands

    def redirection(self, depth):
        operator = self.pick(">", ">>", "<", ">|", "2>&1", ">&2", "<&-", "&>", "<<<", "<>", ">&")
        if operator in ("2>&1", ">&2", "<&-"):
            return operator
        descriptor = "" if operator == "&>" else self.pick("", "", "", "2", "{fd}", "3")
        return descriptor + operator + self.pick("", " ") + self.pick("out", "out2", "/dev/null", "/dev/null", self.word(depth))

    def document(self):
        end = self.pick("E", "EOF", "a")
        lines = ["a", "$(run h)", "`run h`", "\\$(run)", "$x ${x:-$(run h)}", "a\\", "'", "\"", "((", "\t" + end, end + " ",
                 " " + end, "", "run h", "\\", "${x:-'$(run h)'}"]
        body = self.some(lambda: self.rng.choice(lines) + "\n", 3)
        start = self.pick("<<", "<<-", "<< ") + self.pick(end, f"'{end}'", f'"{end}"', "\\" + end)
        return (self.pick("run ", "cat ", "bash ", "sh ", "foo a ") + start
                + self.pick("", " a", " | run p", "; run p", " && run p", " > out") + "\n" + body + end + "\n")

    def simple(self, depth):
        head = ""
        if self.rng.random() < 0.12:
            head = (self.name() + self.pick("=", "+=", "[0]=", "[" + self.arithmetic(0) + "]=")
                    + self.pick(self.word(depth), "", "5", "$((1+2))") + " ")
        if self.rng.random() < 0.05:
            head += self.redirection(depth) + " "
        name = self.pick("run", "run", "run", "foo", "bar", "a", "b", "r''un", "\"run\"", "ru\\n", ":", "echo", "true")
        return (head + name + "".join(" " + self.word(depth) for _ in range(self.rng.randint(0, 3)))
                + "".join(" " + self.redirection(depth) for _ in range(self.pick(0, 0, 0, 0, 1, 2))))

    def quoted(self, text):
        kind = self.rng.random()
        if kind < 0.6:
            return "'" + text.replace("'", "'\\''") + "'"
        if kind < 0.9:
            for byte in "\\\"$`":
                text = text.replace(byte, "\\" + byte)
        return '"' + text + '"'

    def builtin(self, depth):
        word = lambda: self.word(depth)
        name = self.name()
        return self.one_of(
            lambda: f"{name}={word()}", lambda: f"{name}=({word()} {word()})",
            lambda: f"{name}=$(({self.arithmetic(depth)}))", lambda: f"(({self.arithmetic(depth)}))",
            lambda: f"[[ {word()}{self.pick(' == ', ' -eq ', ' =~ ', ' < ', ' && ', ' || ')}{word()} ]]",
            lambda: f"[[ {self.pick('-v', '-n', '-z', '-e', '!')} {word()} ]]",
            lambda: f"[ {word()}{self.pick(' = ', ' -eq ', ' ')}{word()} ]",
            lambda: f"[ {self.pick('-v ', '-n ', '')}{word()} ]", lambda: f"test {word()} {word()}",
            lambda: f"printf {word()} {word()} {word()}", lambda: f"read {word()} <<< {word()}",
            lambda: f"declare {self.pick('', '-a ', '-i ', '-x ')}{name}={word()}", lambda: f"declare {word()}",
            lambda: f"export {name}={word()}", lambda: f"unset {word()}", lambda: f"let {word()}",
            lambda: f"set -- {word()}", lambda: f"set {word()}", lambda: f"shopt -s {word()}",
            lambda: f"eval {word()} {word()}", lambda: f"trap {word()} EXIT", lambda: f"wait {word()}",
            lambda: f"exec {self.redirection(depth)}", lambda: f"mapfile -t {word()} <<< {word()}",
            lambda: f"getopts a {word()}", lambda: f"hash {word()}", lambda: "cd .", lambda: f"local {name}={word()}",
            lambda: f"type {word()}", lambda: f"builtin {word()} {word()}", lambda: f"command {word()} {word()}")

    def prefix(self, depth):
        command = self.simple(depth)
        prefix = self.pick("env", "env A=1", "env -i", "nice", "nohup", "timeout 5", "stdbuf -o0", "command", "exec", "builtin",
                           "time", "env " + self.word(depth), "timeout " + self.word(0), "nice -n 1", "!", "bash", "sh",
                           "xargs", "xargs -n1", "xargs -I{}", "find . -maxdepth 0 -exec")
        if prefix.startswith("find"):
            return f"{prefix} {command}" + self.pick(" \\;", " {} \\;", " {} +", " ';'")
        return ("echo a b | " if prefix.startswith("xargs") else "") + f"{prefix} {command}"

    def given_text(self, depth):
        kind = self.pick("bash -c ", "sh -c ", "bash -ec ", "eval ", "trap ", "bash <<< ", "bash -s <<< ", "dash -c ",
                         "env bash -c ", "bash -o pipefail -c ", "bash -c -- ")
        return kind + self.quoted(self.list(max(0, depth - 1))) + (" EXIT" if kind == "trap " else self.pick("", " a", ""))

    def command(self, depth):
        kind = self.rng.random()
        if depth <= 0 or kind < 0.42:
            return self.simple(depth)
        if kind < 0.55:
            return self.builtin(depth)
        if kind < 0.62:
            return self.prefix(depth - 1)
        if kind < 0.7:
            return self.given_text(depth - 1)
        if kind < 0.74:
            return self.document()
        return self.compound(depth - 1) + self.pick("", "", "", " > out", " 2>&1", " < /dev/null")

    def compound(self, depth):
        body = lambda: self.list(depth) + self.pick(";", "; ", "\n", " ;\n", "\n\n")
        word = lambda: self.word(depth)
        name = self.name()
        return self.one_of(
            lambda: f"( {self.list(depth)} )", lambda: f"({self.list(depth)})", lambda: "{ " + body() + "}",
            lambda: f"if {body()}then {body()}" + self.pick("", f"else {body()}", f"elif {body()}then {body()}") + "fi",
            lambda: f"while {body()}do {body()}break; done", lambda: f"until {body()}do {body()}break; done",
            lambda: f"for {name} in {word()} {word()}; do {body()}done",
            lambda: f"for {name}" + self.pick("; ", "\n", " ") + f"do {body()}done",
            lambda: f"for (({self.arithmetic(depth)};0;{self.arithmetic(depth)})); do {body()}done",
            lambda: (f"case {word()} in " + self.pick("", "(") + f"{word()}) {self.list(depth)}" + self.pick(";;", ";&", ";;&")
                     + self.pick("", f" *) {self.list(depth)};;") + " esac"),
            lambda: f"case a in a) {self.list(depth)}\nesac", lambda: "f() { " + body() + "}; f " + word(),
            lambda: "function g " + self.pick("", "() ") + "{ " + body() + "}; g",
            lambda: f"[[ {word()}{self.pick(' && ', ' || ', ' == ', ' ')}{word()} ]]", lambda: "coproc { " + body() + "}",
            lambda: f"f() ( {self.list(depth)} ); f")

    def list(self, depth):
        text = self.command(depth)
        for _ in range(self.pick(0, 0, 0, 1, 1, 2)):
            text += self.pick("; ", " && ", " || ", " | ", "\n", " & ", ";", "|", "&&", " |& ", " | \n", " # c\n", " \\\n; ")
            text += self.command(depth)
        return text

    # and their ruin

    def broken_once(self, text, other):
        at, kind = self.rng.randrange(len(text) + 1), self.rng.random()
        if kind < 0.25:
            return text[:at] + text[at + 1:]
        if kind < 0.55:
            return text[:at] + self.rng.choice(META) + text[at:]
        if kind < 0.65:
            return text[:at] + self.rng.choice(META) + text[at + 1:]
        end = self.rng.randrange(len(text) + 1)
        if kind < 0.75:
            at, end = min(at, end), max(at, end)
            return text[:at] + text[end:] + text[at:end]
        if kind < 0.85:
            end = min(len(text), at + self.rng.randint(1, 8))
            return text[:end] + text[at:end] + text[end:]
        if kind < 0.93:
            start = self.rng.randrange(len(other) + 1)
            return text[:at] + other[start:start + self.rng.randint(1, 20)] + text[at:]
        return text[:at]

    def broken(self, text, other):
        for _ in range(self.pick(1, 1, 1, 1, 2, 2, 4)):
            text = self.broken_once(text, other) if text else text
        return text

    def script(self):
        kind = self.rng.random()
        if kind < 0.3:
            text = self.list(self.rng.randint(1, 4))
        else:
            text = "\n".join(self.rng.choice(SEEDS) for _ in range(self.pick(1, 1, 2, 3)))
            if kind < 0.5:
                text = self.list(1) + self.pick("; ", "\n", " | ", " && ") + text
        if self.rng.random() < 0.5:
            text = self.broken(text, self.pick(self.rng.choice(SEEDS), self.list(1)))
        if self.rng.random() < 0.08:
            text = self.pick("bash -c ", "eval ", "sh -c ") + self.quoted(text)
        return text.replace("\0", "")
