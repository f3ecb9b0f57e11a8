"""Words and statements of a shell script; :mod:`shell` gives them their meaning."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from llmcost.errors import InputError

#: Longer words, and statements inside more statements, are no part of a launch script.
_LONGEST_WORD, _MOST_LEVELS = 200_000, 40
_NAME = re.compile(r"[A-Za-z_]\w*|[0-9@*#?$!-]")
_OPERATORS = (
    "<<<",
    "<<-",
    "&>>",
    ";;&",
    "<<",
    ">>",
    "&&",
    "||",
    ";;",
    ";&",
    "&>",
    ">&",
    "<&",
    ">|",
)
_ENDS = " \t\r\n;&|<>()"
_ARRAY = re.compile(r"[A-Za-z_]\w*\+?=\(")


class Command(NamedTuple):
    """A simple command: its words as written, and the texts that are fed to it or written by it."""

    words: list[str]
    documents: list[tuple[str, str, bool]]


class Script(NamedTuple):
    """A compound statement: if, case, for, group, function, loop, or a list with && and ||."""

    kind: str
    subject: str
    words: list[str]
    branches: list[tuple[Any, list[Any]]]


Statement = Command | Script


class Token(NamedTuple):
    """A word, an operator, or the text of a here-document."""

    kind: str
    text: str
    quoted: bool = False


def braced(raw: str, at: int) -> tuple[str, int]:
    """What stands inside ``$name``, ``${…}``, ``$(…)``, ``$((…))`` or back quotes, and where it ends."""
    if raw[at] == "`":
        end = raw.find("`", at + 1)
        end = len(raw) if end < 0 else end
        return raw[at + 1 : end], end + 1
    for mark, close in (("$((", "))"), ("$(", ")"), ("${", "}")):
        if raw.startswith(mark, at):
            end = _closing(raw, at + len(mark), mark[-1], close[-1])
            if mark == "$((":
                end = _closing(raw, at + 2, "(", ")")
                return raw[at + 3 : end - 1], end + 1
            return raw[at + len(mark) : end], end + 1
    match = _NAME.match(raw, at + 1)
    if match is None:
        return "", at + 1
    return match[0], match.end()


def _closing(raw: str, at: int, opens: str, closes: str) -> int:
    """Where the bracket closes that was open at `at`."""
    level = 1
    while at < len(raw):
        char = raw[at]
        if char == "\\":
            at += 1
        elif char == "'":
            end = raw.find("'", at + 1)
            at = end if end > 0 else at
        elif char == opens:
            level += 1
        elif char == closes:
            level -= 1
            if level == 0:
                return at
        at += 1
    return len(raw)


def _word_end(text: str, at: int) -> int:
    """Where the word ends that starts at `at`."""
    quoted = False
    array = _ARRAY.match(text, at)
    if array:
        return _array_end(text, array.end())
    while at < len(text):
        char = text[at]
        if char == "\\":
            if text[at + 1 : at + 2] == "\n" and not quoted:
                return at
            at += 2
        elif char == '"':
            quoted, at = not quoted, at + 1
        elif char == "'" and not quoted:
            end = text.find("'", at + 1)
            at = end + 1 if end > 0 else len(text)
        elif (char == "$" and text[at + 1 : at + 2] in ("(", "{")) or char == "`":
            at = braced(text, at)[1]
        elif char in _ENDS and not quoted:
            return at
        else:
            at += 1
    return len(text)


def _array_end(text: str, at: int) -> int:
    """Where ``NAME=( … )`` ends; its comments may hold anything."""
    while at < len(text):
        char = text[at]
        if char == ")":
            return at + 1
        if char == "#" and text[at - 1] in " \t\n(":
            end = text.find("\n", at)
            at = end if end > 0 else len(text)
        elif char in " \t\r\n;&|<>(":
            at += 1
        elif char == "\\" and text[at + 1 : at + 2] == "\n":
            at += 2
        else:
            at = max(_word_end(text, at), at + 1)
    return len(text)


def unquoted(word: str) -> str:
    """A word without quotes around it."""
    return word.strip("\"'")


def words_of(text: str) -> list[str]:
    """The words of a text, as written, comments left out."""
    return [token.text for token in _tokens(text, "") if token.kind == "word"]


def _tokens(text: str, name: str) -> list[Token]:
    found: list[Token] = []
    waiting: list[tuple[str, bool, bool]] = []
    at = 0
    while at < len(text):
        char = text[at]
        if char == "\\" and re.compile(r"\\[ \t\r]*\n").match(text, at):
            at = text.index("\n", at) + 1
        elif char in " \t\r":
            at += 1
        elif char == "\n":
            at += 1
            found.append(Token("end", "\n"))
            for delimiter, tabs, plain in waiting:
                body, at = _document(text, at, delimiter, tabs)
                found.append(Token("document", body, plain))
            waiting = []
        elif char == "#":
            end = text.find("\n", at)
            at = end if end >= 0 else len(text)
        elif char in ";&|<>()":
            sign = next((item for item in _OPERATORS if text.startswith(item, at)), char)
            at += len(sign)
            if sign in ("<<", "<<-"):
                while text[at : at + 1] in (" ", "\t"):
                    at += 1
                end = _word_end(text, at)
                word = text[at:end]
                waiting.append((word.strip("\"'\\"), sign == "<<-", word[:1] in "\"'\\"))
                at = end
                found.append(Token("feed", ""))
            else:
                found.append(Token("sign", sign))
        else:
            end = max(_word_end(text, at), at + 1)
            if end - at > _LONGEST_WORD:
                raise InputError(f"{name}: no launch script: a word of {end - at:,} characters")
            found.append(Token("word", text[at:end]))
            at = end
    return found


def _document(text: str, at: int, delimiter: str, tabs: bool) -> tuple[str, int]:
    """The lines of a here-document from `at` on, and where it ends."""
    lines = []
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        line = text[at:end].lstrip("\t") if tabs else text[at:end]
        at = end + 1
        if line.rstrip() == delimiter:
            break
        lines.append(line)
    return "\n".join(lines) + "\n", min(at, len(text))


def parse_script(text: str, name: str) -> list[Statement]:
    """The statements of a script.

    Raises
    ------
    InputError
        If words or nesting are longer than a launch script's.
    """
    return _Parser(_tokens(text, name), name).block(())


class _Parser:
    def __init__(self, tokens: list[Token], name: str) -> None:
        self.tokens, self.name = tokens, name
        self.at = self.level = 0

    def block(self, ends: tuple[str, ...]) -> list[Statement]:
        """Statements up to one of the words that end them."""
        self.level += 1
        if self.level > _MOST_LEVELS:
            raise InputError(f"{self.name}: no launch script: more than {_MOST_LEVELS} levels")
        found: list[Statement] = []
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            if token.text in ends and token.kind in ("word", "sign"):
                break
            if token.kind != "word" and token.text not in ("(", "<", ">", "<<<", "&>"):
                self.at += 1
                continue
            before = self.at
            found.append(self._list())
            self.at = max(self.at, before + 1)
        self.level -= 1
        return found

    def _list(self) -> Statement:
        """Statements joined by && and ||."""
        parts: list[tuple[Any, list[Any]]] = [("", [self._statement()])]
        while self._peek("sign") in ("&&", "||"):
            sign = self.tokens[self.at].text
            self.at += 1
            while self._peek("end"):
                self.at += 1
            parts.append((sign, [self._statement()]))
        return parts[0][1][0] if len(parts) == 1 else Script("list", "", [], parts)

    def _peek(self, kind: str) -> str:
        token = self.tokens[self.at] if self.at < len(self.tokens) else None
        return token.text if token is not None and token.kind == kind else ""

    def _take(self, *texts: str) -> bool:
        """Step over a word or sign, the ends of lines before it included."""
        at = self.at
        while at < len(self.tokens) and (
            self.tokens[at].kind in ("end", "document") or self.tokens[at].text == ";"
        ):
            at += 1
        if at < len(self.tokens) and self.tokens[at].text in texts:
            self.at = at + 1
            return True
        return False

    def _statement(self) -> Statement:
        word = self._peek("word")
        if self._peek("sign") == "(":
            self.at += 1
            if self._peek("sign") == "(":
                return self._arithmetic()
            body = self.block((")",))
            self._take(")")
            return Script("group", "", [], [(None, body)])
        if word == "{":
            self.at += 1
            body = self.block(("}",))
            self._take("}")
            return Script("group", "", [], [(None, body)])
        if word == "if":
            return self._if()
        if word in ("while", "until"):
            self.at += 1
            self.block(("do",))
            self._take("do")
            body = self.block(("done",))
            self._take("done")
            return Script("loop", "", [], [(None, body)])
        if word == "for":
            return self._for()
        if word == "case":
            return self._case()
        if word == "function":
            self.at += 1
            return self._function(self._peek("word"))
        later = self.tokens[self.at + 1 : self.at + 3]
        if word and [token.text for token in later] == ["(", ")"]:
            return self._function(word)
        return self._simple()

    def _arithmetic(self) -> Statement:
        """``(( … ))``."""
        words = ["(("]
        while self.at < len(self.tokens) and self._peek("sign") != ")":
            words.append(self.tokens[self.at].text)
            self.at += 1
        self.at += 2
        return Command(words, [])

    def _if(self) -> Statement:
        branches: list[tuple[Any, list[Any]]] = []
        self.at += 1
        while True:
            condition = self.block(("then",))
            self._take("then")
            body = self.block(("elif", "else", "fi"))
            branches.append((condition[-1] if condition else Command(["false"], []), body))
            if self._take("elif"):
                continue
            if self._take("else"):
                branches.append((None, self.block(("fi",))))
            self._take("fi")
            return Script("if", "", [], branches)

    def _for(self) -> Statement:
        self.at += 1
        if self._peek("sign") == "(":  # a loop that counts
            self.at += 2
            self._arithmetic()
            self._take("do")
            body = self.block(("done",))
            self._take("done")
            return Script("loop", "", [], [(None, body)])
        name, words = self._peek("word"), []
        self.at += 1
        if self._take("in"):
            while self._peek("word"):
                words.append(self.tokens[self.at].text)
                self.at += 1
        self._take("do")
        body = self.block(("done",))
        self._take("done")
        return Script("for", name, words, [(None, body)])

    def _case(self) -> Statement:
        self.at += 1
        subject = self._peek("word")
        self.at += 1
        self._take("in")
        branches: list[tuple[Any, list[Any]]] = []
        while self.at < len(self.tokens) and not self._take("esac"):
            self._take("(")
            pattern = ""
            while self.at < len(self.tokens) and self._peek("sign") != ")":
                token = self.tokens[self.at]
                pattern += token.text if token.kind in ("word", "sign") else ""
                self.at += 1
            self.at += 1
            body = self.block((";;", ";&", ";;&", "esac"))
            branches.append((pattern, body))
            self._take(";;", ";&", ";;&")
        return Script("case", subject, [], branches)

    def _function(self, name: str) -> Statement:
        self.at += 1
        if self._peek("sign") == "(":
            self.at += 2
        if self._take("{"):
            body = self.block(("}",))
            self._take("}")
        else:
            body = []
        return Script("function", name, [], [(None, body)])

    def _simple(self) -> Statement:
        words: list[str] = []
        documents: list[tuple[str, str, bool]] = []
        target, feeds, test = "", 0, False
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            if token.kind == "word":
                words.append(token.text)
                test = test or words[0] == "[["
                test = test and token.text != "]]"
            elif token.kind == "feed":
                feeds += 1
            elif test and token.kind == "sign":
                words.append(token.text)
            elif token.kind == "sign" and token.text == "<<<":
                self.at += 1
                documents.append(("<<<", self._peek("word"), False))
            elif token.kind == "sign" and token.text in (
                "<",
                ">",
                ">>",
                "&>",
                "&>>",
                ">|",
                ">&",
                "<&",
            ):
                if words and words[-1].isdecimal() and token.text != "<":
                    words.pop()  # 2> and the like
                self.at += 1
                if token.text in (">", ">>", ">|"):
                    target = self._peek("word")
            else:
                break
            self.at += 1
        if words and words[0] == "tee" and len(words) > 1:
            target = words[-1]
        if feeds:
            at = self.at
            while at < len(self.tokens) and feeds:
                if self.tokens[at].kind == "document":
                    documents.append((target, self.tokens[at].text, self.tokens[at].quoted))
                    feeds -= 1
                    self.tokens[at] = Token("end", "")
                at += 1
        return Command(words, documents)
