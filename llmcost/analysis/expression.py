"""Conditions such as ``days <= 90 and cost_total_usd < 1e8``: a small grammar of its own.

::

    or      = and ("or" and)*
    and     = not ("and" not)*
    not     = "not" not | compare
    compare = sum (("<" | "<=" | ">" | ">=" | "==" | "!=") sum)*
    sum     = product (("+" | "-") product)*
    product = unary (("*" | "/") unary)*
    unary   = "-" unary | power
    power   = atom ("**" unary)?
    atom    = number | name | "text" | "(" or ")"

Nothing is passed to eval: a text becomes a tree of these nodes, and the tree is evaluated with
numpy over arrays that broadcast.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from llmcost.analysis.names import nearest_result
from llmcost.errors import InputError
from llmcost.scenario.values import ValueProblem, parse_number, show

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d[\d_]*(?:\.\d*)?(?:[eE][+-]?\d+)?[kMBTPE]?(?![\w.])|\.\d+(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[A-Za-z_]\w*_p\d+(?:\.\d+)?(?![\w.])|[A-Za-z_][\w]*(?:\.[A-Za-z_][\w]*)*)"
    r"|(?P<text>\"[^\"]*\"|'[^']*')"
    r"|(?P<sign><=|>=|==|!=|\*\*|[-+*/()<>]))"
)
_LONGEST, _DEEPEST = 2000, 50
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
}
_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "**": np.power,
}


#: What becomes of cells that nothing can judge, since a value is unknown.
UNKNOWN = DROP, KEEP, ERROR = ("drop", "keep", "error")


class Node(NamedTuple):
    """A node of the tree: an operator with its operands, or a leaf with its value."""

    kind: str
    value: Any = None
    parts: tuple[Node, ...] = ()


class _Truth(NamedTuple):
    """A condition over cells: where it may hold, and where it may fail; both where nobody knows."""

    may_hold: Any
    may_fail: Any


class Expression:
    """A parsed expression.

    Parameters
    ----------
    text : str
        What the user wrote.
    option : str
        The option that it was given to, for error messages.

    Raises
    ------
    InputError
        If it is not in the grammar.
    """

    def __init__(self, text: str, option: str) -> None:
        self.text, self.option = text, option
        self._tokens = self._split()
        self._at = 0
        self.tree = self._or(0)
        if self._at < len(self._tokens):
            raise self._error(f"{show(self._tokens[self._at][1])} is not expected there")

    def _error(self, reason: str) -> InputError:
        return InputError(f"{self.option} {show(self.text)}: {reason}")

    def _split(self) -> list[tuple[str, str]]:
        if len(self.text) > _LONGEST:
            raise self._error(f"longer than {_LONGEST} characters")
        tokens, at, text = [], 0, self.text.rstrip()
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                raise self._error(
                    f"{show(text[at : at + 12])} is not a number, a name or an operator"
                )
            tokens.append((str(match.lastgroup), match[str(match.lastgroup)]))
            at = match.end()
        if not tokens:
            raise self._error("is empty")
        return tokens

    def _next(self, *wanted: str) -> str | None:
        if self._at < len(self._tokens) and self._tokens[self._at][1] in wanted:
            if self._tokens[self._at][0] == "text":
                return None
            self._at += 1
            return self._tokens[self._at - 1][1]
        return None

    def _chain(self, depth: int, below: Callable[[int], Node], *signs: str) -> Node:
        left = below(depth)
        while sign := self._next(*signs):
            left = Node(sign, None, (left, below(depth)))
        return left

    def _or(self, depth: int) -> Node:
        if depth > _DEEPEST:
            raise self._error("is nested too deeply")
        return self._chain(depth, self._and, "or")

    def _and(self, depth: int) -> Node:
        return self._chain(depth, self._not, "and")

    def _not(self, depth: int) -> Node:
        if depth > _DEEPEST:
            raise self._error("is nested too deeply")
        if self._next("not"):
            return Node("not", None, (self._not(depth + 1),))
        return self._compare(depth)

    def _compare(self, depth: int) -> Node:
        left = self._sum(depth)
        found: Node | None = None
        while sign := self._next(*_COMPARE):
            right = self._sum(depth)
            one = Node(sign, None, (left, right))
            found = one if found is None else Node("and", None, (found, one))
            left = right
        return left if found is None else found

    def _sum(self, depth: int) -> Node:
        return self._chain(depth, self._product, "+", "-")

    def _product(self, depth: int) -> Node:
        return self._chain(depth, self._unary, "*", "/")

    def _unary(self, depth: int) -> Node:
        if depth > _DEEPEST:
            raise self._error("is nested too deeply")
        if self._next("-"):
            return Node("minus", None, (self._unary(depth + 1),))
        base = self._atom(depth)
        if self._next("**"):
            return Node("**", None, (base, self._unary(depth + 1)))
        return base

    def _atom(self, depth: int) -> Node:
        if self._at >= len(self._tokens):
            raise self._error("ends too early")
        kind, text = self._tokens[self._at]
        self._at += 1
        if kind == "number":
            try:
                return Node("leaf", parse_number(text))
            except ValueProblem as problem:
                raise self._error(str(problem)) from None
        if kind == "text":
            return Node("leaf", text[1:-1])
        if kind == "name" and text not in ("and", "or", "not"):
            return Node("name", text)
        if text == "(":
            inner = self._or(depth + 1)
            if not self._next(")"):
                raise self._error("a bracket is not closed")
            return inner
        raise self._error(f"{show(text)} is not expected there")

    def names(self) -> set[str]:
        """Names that the expression uses."""

        def walk(node: Node) -> set[str]:
            own = {node.value} if node.kind == "name" else set()
            return own.union(*map(walk, node.parts))

        return walk(self.tree)

    def check(self, known: Iterable[str]) -> None:
        """Refuse names that are not known.

        Raises
        ------
        InputError
            With the nearest name.
        """
        names = set(known)
        for name in sorted(self.names() - names):
            raise self._error(
                f"{show(name)} is neither a result nor a scenario key{nearest_result(name, names)}"
            )

    def value(self, values: Mapping[str, Any]) -> Any:
        """Evaluate over numbers, words or arrays that broadcast; a condition is false where nobody knows.

        Raises
        ------
        InputError
            If words and numbers are mixed.
        """
        found = self._evaluated(values)
        return ~found.may_fail if isinstance(found, _Truth) else found

    def _evaluated(self, values: Mapping[str, Any]) -> Any:
        try:
            with np.errstate(all="ignore"):
                return self._value(self.tree, values)
        except (TypeError, ValueError):
            raise self._error("mixes words and numbers") from None

    def holds(self, values: Mapping[str, Any]) -> Any:
        """Evaluate as a condition: true or false, or an array of them; false where it cannot be judged."""
        return self.judged(values)[0]

    def judged(self, values: Mapping[str, Any]) -> tuple[Any, Any]:
        """Where a condition holds, and where it cannot be judged: what is not known (NaN) decides it.

        The logic is Kleene's: ``days < 90 or cost_total_usd < 1e8`` holds where the days are few,
        though the cost be unknown.
        """
        found = self._evaluated(values)
        if not isinstance(found, _Truth):
            raise self._error("is not a condition; compare it with something")
        return ~found.may_fail, found.may_hold & found.may_fail

    def _value(self, node: Node, values: Mapping[str, Any]) -> Any:
        if node.kind == "leaf":
            return node.value
        if node.kind == "name":
            return values[node.value]
        parts = [self._value(part, values) for part in node.parts]
        if node.kind in ("and", "or", "not"):
            if not all(isinstance(part, _Truth) for part in parts):
                raise self._error(f'"{node.kind}" joins conditions, not numbers')
            if node.kind == "not":
                return _Truth(parts[0].may_fail, parts[0].may_hold)
            left, right = parts
            if node.kind == "and":
                return _Truth(left.may_hold & right.may_hold, left.may_fail | right.may_fail)
            return _Truth(left.may_hold | right.may_hold, left.may_fail & right.may_fail)
        if any(isinstance(part, _Truth) for part in parts):
            raise TypeError
        if node.kind in _COMPARE:
            words = [_is_words(part) for part in parts]
            if any(words) and not all(words):
                raise TypeError
            if any(words):
                parts = [np.asarray(part, dtype=object) for part in parts]
            holds = np.asarray(_COMPARE[node.kind](*parts), dtype=bool)
            unknown = np.zeros((), dtype=bool)
            if not any(words):
                unknown = np.isnan(parts[0]) | np.isnan(parts[1])
            return _Truth(holds | unknown, ~holds | unknown)
        numbers = [np.asarray(part, dtype=np.float64) for part in parts]
        return np.negative(*numbers) if node.kind == "minus" else _ARITHMETIC[node.kind](*numbers)


def _is_words(part: Any) -> bool:
    array = np.asarray(part)
    return array.dtype.kind in "UO" and isinstance(array.ravel()[0] if array.size else "", str)


def judge(
    conditions: Iterable[Expression],
    operands: Mapping[str, Any],
    shape: tuple[int, ...],
    keep: bool,
) -> tuple[Any, dict[str, int]]:
    """Which cells meet every condition, and how many none can judge, by the name of what is not known.

    Parameters
    ----------
    conditions : iterable of Expression
        All have to hold.
    operands : mapping
        Value of each name that they use, broadcasting to `shape`; NaN where nobody knows.
    shape : tuple of int
        Cells along each dimension.
    keep : bool
        Whether cells that cannot be judged pass.
    """
    passed = np.ones((), dtype=bool)
    unjudged = np.zeros((), dtype=bool)
    for condition in conditions:
        holds, open_ = condition.judged(operands)
        passed = passed & (holds | open_)
        unjudged = unjudged | open_
    unjudged = unjudged & passed  # what another condition refuses is judged
    if not keep:
        passed = passed & ~unjudged
    unknown = {}
    for name, operand in operands.items():
        numbers = np.asarray(operand)
        if numbers.dtype.kind == "f" and np.isnan(numbers).any():
            mine = int(np.broadcast_to(np.isnan(numbers) & unjudged, shape).sum())
            if mine:
                unknown[name] = mine
    return np.broadcast_to(passed, shape).ravel(), unknown
