"""The statements of a shell script; :mod:`reader` gives them their meaning."""

from __future__ import annotations

from typing import Any, NamedTuple

from llmcost.errors import InputError
from llmcost.scenario.importers.shell.words import Token, tokens_of

#: Statements inside more statements are no part of a launch script.
_MOST_LEVELS = 40


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


def parse_script(text: str) -> list[Statement]:
    """The statements of a script.

    Raises
    ------
    InputError
        If words or nesting are longer than a launch script's.
    """
    return _Parser(tokens_of(text)).block(())


class _Parser:
    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.at = self.level = 0

    def block(self, ends: tuple[str, ...]) -> list[Statement]:
        """Statements up to one of the words that end them."""
        self.level += 1
        if self.level > _MOST_LEVELS:
            raise InputError(f"no launch script: more than {_MOST_LEVELS} levels")
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
