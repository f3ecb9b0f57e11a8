"""The grammar of conditions, against Python's own on what both can say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcost.analysis.expression import Expression
from llmcost.errors import InputError

VALUES = {"a": 3.0, "b.c": 4.0, "word": "x", "nan": float("nan")}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a + b.c * 2", 11.0), ("(a + b.c) * 2", 14.0), ("-a ** 2", -9.0), ("2 ** 3 ** 2", 512.0),
        ("a - 1 - 1", 1.0), ("8 / 4 / 2", 1.0), ("1e3 + 2k", 3000.0), ("1.5B", 1.5e9), ("2 ** -1", 0.5),
        ("a < b.c and not a > b.c", True), ("a < 1 or b.c == 4", True), ("1 < a < 4", True), ("1 < a < 2", False),
        ('word == "x"', True), ("word != 'x'", False), ("nan < 1 or nan >= 1", False), ("not a > 1 or a == 3", True),
    ],
)  # fmt: skip
def test_values(text: str, value: object) -> None:
    assert Expression(text, "--where").value(VALUES) == value


@pytest.mark.parametrize(
    "text",
    [
        "", "a <", "a b", "(a", "a)", "a = 3", "a & b", "__import__('os')", "a.b()", "a[0]", "lambda: 1", "a; b",
        "1x", "3..2", "'open", "a if a else a", "(" * 80 + "a" + ")" * 80, "a + " * 700 + "a", "-" * 200 + "a", "not " * 200 + "a",
    ],
)  # fmt: skip
def test_outside_the_grammar(text: str) -> None:
    with pytest.raises(InputError, match="--where"):
        Expression(text, "--where").holds(VALUES)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a", "not a condition"),
        ("a and a", "joins conditions"),
        ("word < 3", "words and numbers"),
        ("word + 1 < 3", "words and numbers"),
    ],
)
def test_wrong_kinds(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Expression(text, "--where").holds(VALUES)


def test_unknown_names_get_the_nearest() -> None:
    with pytest.raises(InputError, match='did you mean "days"'):
        Expression("dys < 3", "--where").check(["days", "cost_total_usd"])


numbers = st.floats(0.5, 100).map(lambda x: round(x, 3))


@given(
    a=numbers, b=numbers, c=numbers, ops=st.lists(st.sampled_from("+-*/"), min_size=2, max_size=2)
)
def test_arithmetic_is_pythons(a: float, b: float, c: float, ops: list[str]) -> None:
    text = f"{a} {ops[0]} {b} {ops[1]} {c}"
    expected = {
        "+": lambda x, y: x + y,
        "-": lambda x, y: x - y,
        "*": lambda x, y: x * y,
        "/": lambda x, y: x / y,
    }
    first, second = (expected[op] for op in ops)
    by_rank = second(first(a, b), c) if ops[1] in "+-" or ops[0] in "*/" else first(a, second(b, c))
    assert float(Expression(text, "x").value({})) == pytest.approx(by_rank, rel=1e-12)


def test_arrays() -> None:
    found = Expression("a > 1 and a < 3", "--where").holds({"a": np.arange(5.0)})
    assert found.tolist() == [False, False, True, False, False]


@given(st.text(max_size=60))
def test_any_text_is_an_expression_or_an_input_error(text: str) -> None:
    try:
        parsed = Expression(text, "--where")
        parsed.check(VALUES)
        parsed.holds(VALUES)
    except InputError:
        pass


@pytest.mark.parametrize(
    ("text", "holds", "open_"),
    [
        ("a < 1", [True, False, False], [False, False, True]),
        ("not a < 1", [False, True, False], [False, False, True]),
        ("a != 1", [True, True, False], [False, False, True]),
        ("a < 1 or b == 1", [True, True, True], [False, False, False]),
        ("a < 1 and b == 2", [False, False, False], [False, False, False]),
        ("a < 1 and b == 1", [True, False, False], [False, False, True]),
        ("0 < a < 1", [True, False, False], [False, False, True]),
    ],
)
def test_what_is_not_known_decides_only_where_nothing_else_does(
    text: str, holds: list[bool], open_: list[bool]
) -> None:
    found = Expression(text, "--where").judged({"a": np.array([0.5, 2.0, np.nan]), "b": np.ones(3)})
    assert [np.broadcast_to(part, 3).tolist() for part in found] == [holds, open_]
