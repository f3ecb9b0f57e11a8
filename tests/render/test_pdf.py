"""The report as a PDF: all of the document, in any script, the same bytes each time."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from llmcost.render.document import Document, Fact, Facts, Links, Listing, Part, Table, Text
from tests.conftest import Run
from tests.render.test_document import report_of, sections_of, shown

pypdf = pytest.importorskip("pypdf")
pytest.importorskip("fpdf")
pytest.importorskip("uharfbuzz")
pytest.importorskip("matplotlib")


def _pages(data: bytes) -> list[str]:
    return [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(data)).pages]


def _written(document: Document) -> tuple[bytes, list[str]]:
    from llmcost.render.pdf import pdf_file

    return pdf_file(document)


def _joined(text: str) -> str:
    return "".join(text.split())


def test_the_file_shows_all_of_the_document() -> None:
    document = report_of(sections_of(("gpt-4-uncertain", "deepseek-v3"), 2030))
    data, warnings = _written(document)
    pages = _pages(data)
    assert warnings == []
    assert all(len(page) > 100 for page in pages)  # no empty sheet
    text = _joined(" ".join(pages))
    for item in shown(document):
        assert _joined(item) in text, item


def test_page_one_is_the_answer() -> None:
    document = report_of(sections_of(("gpt-4-uncertain",)))
    first, *_ = _pages(_written(document)[0])
    facts, drivers = document.parts[0].blocks[1:3]
    assert isinstance(facts, Facts)
    assert isinstance(drivers, Table)
    for fact in facts.items:
        assert _joined(fact.value) in _joined(first)
        assert _joined(fact.range) in _joined(first)
    for row in drivers.rows:
        assert _joined(row[0]) in _joined(first)


@pytest.mark.parametrize("name", ["llama-3.1-405b", "gpt-4-uncertain", "deepseek-v3"])
def test_no_page_ends_in_a_heading(name: str) -> None:
    document = report_of(sections_of((name,)))
    headings = {part.heading for part in document.parts}
    for page in _pages(_written(document)[0]):
        *_, last, number = page.strip().splitlines()
        assert number.strip().isdecimal()
        assert last.strip() not in headings


def test_same_document_same_bytes() -> None:
    document = report_of(sections_of(("gpt2-124m",)))
    assert _written(document)[0] == _written(document)[0]


def test_names_in_any_script_are_written_and_what_is_not_shown_is_said() -> None:
    names = (
        "Modèle Жук Ωμέγα",
        "מודל כבד",
        "تدريب نموذج كبير",
        "模型",
        "한국어",
        "a\u202eb",
        "𝕏 😀",
    )
    blocks = [
        Text(name, notes=(1,)) for name in names
    ]  # fmt: skip
    tables = [Table(name, [name, name], [[name, "1"]], (1,), (name,)) for name in names]
    facts = Facts(tuple(Fact(name, name, name, name) for name in names))
    parts = [Part(name, 2, (), f"a{i}") for i, name in enumerate(names)]
    links = Links(tuple((name, f"a{i}") for i, name in enumerate(names)))
    whole = Part("All", 3, (*blocks, *tables, facts, Listing(names)))
    data, warnings = _written(Document(names[0], (links,), (*parts, whole), (names[3],)))
    text = " ".join(_pages(data))
    assert "Modèle Жук Ωμέγα" in text
    (warning,) = warnings
    assert "模 型 한 국 어" in warning
    assert "Ж" not in warning
    assert "\u202e" not in warning


def test_a_wide_cell_and_a_long_table_lose_nothing() -> None:
    rows = [[f"row {i}", "z" * 300, str(i)] for i in range(120)]
    table = Table("t", ["name", "long", "number"], rows, (2,))
    data, _ = _written(Document("d", (table,), (), ()))
    pages = _pages(data)
    text = _joined("".join(pages))
    assert text.count("z") == 300 * 120
    assert all("number" in page for page in pages)  # the heading of the table, on each page


def test_the_command_writes_a_file(llmcost: Run, tmp_path: Path) -> None:
    done = llmcost("report", "gpt2-124m", "--output", "r.pdf")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert (tmp_path / "r.pdf").read_bytes().startswith(b"%PDF-")
    assert llmcost("report", "gpt2-124m", "--output", "r.pdf").returncode == 1


@pytest.mark.parametrize("missing", [["fpdf"], ["uharfbuzz"], ["fpdf", "matplotlib"]])
def test_a_missing_extra_is_named(tmp_path: Path, missing: list[str]) -> None:
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({missing!r}))\n"
        "from llmcost.cli import main\n"
        "main(['report', 'gpt2-124m', '--output', 'r.pdf'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert 'pip install "llmcost[pdf]"' in done.stderr
    assert not (tmp_path / "r.pdf").exists()
