"""The words of a shell script, and what stands inside quotes, brackets and here-documents."""

from __future__ import annotations

import re
from typing import NamedTuple

from llmcost.errors import InputError

#: More or longer words, and brackets inside more brackets, are no part of a launch script.
_MOST_WORDS, _LONGEST_WORD, _MOST_BRACKETS = 50_000, 200_000, 50
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
            if level > _MOST_BRACKETS:
                raise InputError(f"no launch script: brackets more than {_MOST_BRACKETS} deep")
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
    return [token.text for token in tokens_of(text) if token.kind == "word"]


def tokens_of(text: str) -> list[Token]:
    """The tokens of a script; the text of a here-document follows the line that asks for it."""
    found: list[Token] = []
    waiting: list[tuple[str, bool, bool]] = []
    at = 0
    while at < len(text):
        if len(found) > _MOST_WORDS:
            raise InputError(f"no launch script: more than {_MOST_WORDS:,} words and signs")
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
                raise InputError(f"no launch script: a word of {end - at:,} characters")
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
