"""The report's document: its figures are the estimate's, and every renderer shows all of them."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest

from llmcost.analysis.compare import compare
from llmcost.analysis.report import Section, look_into
from llmcost.analysis.sampling import Sampling
from llmcost.analysis.stages import estimate_any
from llmcost.catalog import load_catalog
from llmcost.render.cost import cost_parts
from llmcost.render.document import MOST_COLUMNS, Document, Facts, Table, Text, narrow
from llmcost.render.html import html_page
from llmcost.render.markdown import markdown_page
from llmcost.render.numbers import readable
from llmcost.render.report import report
from llmcost.scenario import load_scenario
from tests.conftest import Run

_NAMES = ("gpt-4-uncertain", "deepseek-v3")


def sections_of(names: tuple[str, ...], until: int | None = None, *sets: str) -> list[Section]:
    catalog, sampling = load_catalog(()), Sampling.of(500, 0, None, "defaults")
    bases = [estimate_any(load_scenario(name, sets, catalog), catalog) for name in names]
    return [look_into(base, catalog, sampling, until) for base in bases]


def report_of(sections: list[Section]) -> Document:
    both = compare([item.result for item in sections]) if len(sections) > 1 else None
    return report("A | title", sections, both, Sampling.of(500, 0, None, "defaults"))


@pytest.fixture(scope="module")
def document() -> Document:
    return report_of(sections_of(_NAMES, 2030))


def shown(document: Document) -> list[str]:
    """Every text of the document that any renderer must show."""
    found = [document.title, *(part.heading for part in document.parts), *document.notes]
    for block in document.blocks():
        match block:
            case Text(words):
                found.append(words)
            case Facts(items):
                found += [text for item in items for text in item]
            case Table():
                found += [block.caption, *block.header]
                found += [cell for row in block.rows for cell in row]
    return [text for text in found if text]


def _flat(text: str) -> str:
    return " ".join(text.split())


def test_every_renderer_shows_all_of_it(document: Document) -> None:
    pytest.importorskip("matplotlib")
    texts = shown(document)
    assert len(texts) > 500
    page = _flat(unescape(re.sub(r"<[^>]*>", " ", html_page(document).replace("<wbr>", ""))))
    text = _flat(re.sub(r"\\(.)", r"\1", markdown_page(document)))
    for item in texts:
        assert _flat(item) in page, item
        assert _flat(item) in text, item


def test_markdown_has_every_row_of_every_table_in_order(document: Document) -> None:
    rows = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in markdown_page(document).splitlines()
        if line.startswith("| ")
    ]
    plain = [[cell.replace("\\|", "|").replace("\\<", "<") for cell in row] for row in rows]
    expected = []
    for block in document.blocks():
        if isinstance(block, Table):
            expected += [list(row) for row in (block.header, *block.rows)]
    assert len(expected) > 100
    assert [row for row in plain if row in expected] == expected


def _table(document: Document, start: str) -> Table:
    return next(
        block
        for block in document.blocks()
        if isinstance(block, Table) and block.caption.startswith(start)
    )


@pytest.mark.parametrize("method", ["amortized", "cloud", "purchase"])
@pytest.mark.parametrize(
    "more",
    [
        (),
        (
            "cost.experiments_ratio=1.5",
            "staff.fte=10",
            "staff.months=6",
            "staff.usd_per_fte_year=3e5",
        ),
    ],
)
def test_parts_add_up_to_the_total(method: str, more: tuple[str, ...]) -> None:
    (section,) = sections_of(("llama-3.1-405b",), None, f"cost.method={method}", *more)
    parts, total = cost_parts(section.result), section.result.result("cost_total_usd")
    assert total == pytest.approx(sum(part.usd for part in parts), rel=1e-12)
    document = report_of([section])
    *rows, last = _table(document, "Parts of the total").rows
    assert [row[:2] for row in rows] == [[p.label, readable(p.usd, "USD")] for p in parts]
    assert last[:2] == ["Total", readable(total, "USD")]
    (facts,) = [block for block in document.blocks() if isinstance(block, Facts)]
    assert (facts.items[0].label, facts.items[0].value) == ("Total cost", last[1])
    assert sum(int(row[2].rstrip("%")) for row in rows) == pytest.approx(100, abs=len(rows) / 2)


def test_the_answer_comes_first_and_names_three_drivers() -> None:
    document = report_of(sections_of(("gpt-4-uncertain",)))
    answer = document.parts[0]
    assert [type(block) for block in answer.blocks[:3]] == [Text, Facts, Table]
    drivers = answer.blocks[2]
    assert isinstance(drivers, Table)
    assert len(drivers.rows) == 3
    assert not [row[0] for row in drivers.rows if re.search(r"[a-z]+\.[a-z_]+", row[0])]


def test_years_only_when_asked_for() -> None:
    headings = [part.heading for part in report_of(sections_of(("gpt-3",))).parts]
    assert "By year" not in headings
    assert "By year" in [part.heading for part in report_of(sections_of(("gpt-3",), 2028)).parts]


def test_warnings_are_footnotes(document: Document) -> None:
    pointed = {
        number for block in document.blocks() if isinstance(block, Text) for number in block.notes
    }
    assert pointed == set(range(1, len(document.notes) + 1))
    assert len(document.notes) == len(set(document.notes)) > 0


def test_no_table_is_wider_than_paper(document: Document) -> None:
    assert all(len(b.header) <= MOST_COLUMNS for b in document.blocks() if isinstance(b, Table))
    wide = Table("t", list("abcdefghij"), [list("0123456789")], range(1, 10))
    first, second = narrow(wide, 7)
    assert (first.header, second.header) == (list("abcdef"), list("aghij"))
    assert (first.rows, second.rows) == ([list("012345")], [list("06789")])
    assert (first.right, second.right) == ([1, 2, 3, 4, 5], [1, 2, 3, 4])
    assert narrow(wide._replace(header=["a"], rows=[["0"]], right=())) == [
        Table("t", ["a"], [["0"]], [])
    ]


def test_a_suffix_that_is_no_report_is_refused(llmcost: Run, tmp_path: Path) -> None:
    for name in ("r.json", "r.docx", "r.csv", "r.txt", "r.svg"):
        done = llmcost("report", "gpt-3", "--output", name)
        assert (done.returncode, done.stdout) == (2, ""), name
        assert "this command cannot write" in done.stderr
        assert ".html, .htm, .md, .pdf" in done.stderr
        assert not (tmp_path / name).exists()
