"""The HTML report: one page that fetches nothing, readable by everyone, in light and dark."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.conftest import Run

pytest.importorskip("matplotlib")
_VOID = {"meta", "br", "link", "wbr"}


class Page(HTMLParser):
    """What the page holds."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.headings: list[int] = []
        self.ids: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _VOID:
            self.open.append(tag)
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        for name, value in attrs:
            self.attributes.append((tag, name, value or ""))
            if name == "id":
                self.ids.append(value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    import sys

    folder = tmp_path_factory.mktemp("report")
    command = [
        sys.executable,
        "-m",
        "llmcost",
        "report",
        "gpt-4-uncertain",
        "deepseek-v3",
        "odd.toml",
    ]
    (folder / "odd.toml").write_text(
        'name = "<script>alert(1)</script> & co"\ndescription = "a \\"quoted\\" <b>text</b>"\n'
        'parallelism = "auto"\n[model]\npreset = "llama-3.1-8b"\n[cluster]\naccelerator = "h100-sxm"\ndevices = 64\n'
    )
    subprocess.run(
        [*command, "--until", "2030", "--output", "report.html", "--quiet"], cwd=folder, check=True
    )
    return (folder / "report.html").read_text()


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_tags_close_and_ids_are_unique(page: Page) -> None:
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    targets = {
        value[1:]
        for _, name, value in page.attributes
        if name.endswith("href") and value[:1] == "#"
    }
    assert targets <= set(page.ids)


def test_nothing_is_fetched_and_nothing_runs(text: str, page: Page) -> None:
    assert {tag for tag, _, _ in page.attributes}.isdisjoint({"script", "link", "img", "iframe"})
    assert not [name for _, name, _ in page.attributes if name.startswith("on") or name == "src"]
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    links = [
        value for _, name, value in page.attributes if name.endswith("href") and value[:1] != "#"
    ]
    assert links
    assert all(link.startswith("https://arxiv.org/abs/") for link in links)


def test_text_of_a_scenario_is_text(text: str) -> None:
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; co" in text
    assert "a &quot;quoted&quot; &lt;b&gt;text&lt;/b&gt;" in text


def test_headings_go_down_one_by_one(page: Page) -> None:
    assert page.headings[0] == 1
    assert page.headings.count(1) == 1
    for before, after in zip(page.headings, page.headings[1:], strict=False):
        assert after <= before + 1


def test_every_chart_says_what_it_shows(page: Page, text: str) -> None:
    charts = text.count("<svg")
    assert charts >= 6
    labels = [
        value for tag, name, value in page.attributes if tag == "svg" and name == "aria-label"
    ]
    assert len(labels) == charts
    assert all(len(label) > 20 for label in labels)
    assert any("by part" in label for label in labels)
    assert any("drives the range" in label for label in labels)
    assert any("90 % range" in label for label in labels)


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(a: str, b: str) -> float:
    high, low = sorted((_luminance(a), _luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_text_is_readable_on_its_background_in_every_theme(text: str) -> None:
    style = text[text.index("<style>") : text.index("</style>")]
    themes = re.findall(r":root \{(.*?)\}", style, re.S)
    assert len(themes) == 3  # light, dark, print
    for theme in themes:
        colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", theme))
        for name in ("ink", "muted", "blue"):
            assert _contrast(colours[name], colours["paper"]) >= 4.5, (name, theme)
            assert _contrast(colours[name], colours["soft"]) >= 4.5, (name, theme)
        for name in ("green", "orange", "red"):
            assert _contrast(colours[name], colours["paper"]) >= 3, (name, theme)
    drawn = set(re.findall(r"(?:fill|stroke): (#[0-9a-f]{6})", text))
    assert not drawn  # every colour of a chart follows the theme


def test_axes_are_in_words_and_units(text: str) -> None:
    drawn = "".join(re.findall(r"<svg.*?</svg>", text, re.S))
    words = re.findall(r"<text[^>]*>([^<]*)</text>", drawn)
    assert "mathdefault" not in drawn
    assert not [word for word in words if re.fullmatch(r"[a-z]+\.[a-z_]+", word)]
    assert {"Price of one device", "$20M"} <= set(words)


def test_paper_loses_no_column(text: str) -> None:
    rules = text[text.index("@media print") : text.index("</style>")]
    assert "overflow: visible" in rules
    assert "white-space: normal" in rules
    assert re.search(r"section \+ section[^{]*\{ break-before: page", rules)  # no page for a title
    assert "<details" not in text


def test_same_input_same_page(llmcost: Run, tmp_path: Path) -> None:
    pages = []
    for name in ("a.html", "b.html"):
        assert llmcost("report", "gpt2-124m", "--output", name).returncode == 0
        pages.append((tmp_path / name).read_bytes())
    assert pages[0] == pages[1]


def test_a_file_is_not_overwritten_unasked(llmcost: Run, tmp_path: Path) -> None:
    (tmp_path / "r.html").write_text("mine")
    done = llmcost("report", "gpt2-124m", "--output", "r.html")
    assert (done.returncode, done.stdout) == (1, "")
    assert "r.html: exists; use --force" in done.stderr
    assert (tmp_path / "r.html").read_text() == "mine"
    assert llmcost("report", "gpt2-124m", "--output", "r.html", "--force").returncode == 0
    assert (tmp_path / "r.html").read_text().startswith("<!doctype html>")


def test_what_cannot_be_shown_is_said(llmcost: Run) -> None:
    done = llmcost(
        "report",
        "-",
        "--until",
        "2030",
        "--output",
        "-",
        stdin='name = "n"\n[cluster]\naccelerator = "h100-sxm"\ndevice_hours = 1e6\n',
    )
    assert done.returncode == 0, done.stderr
    assert "No projection: " in done.stdout
    missing = llmcost("report", "gpt-3")
    assert missing.returncode == 2
    assert "--output: is missing" in missing.stderr


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("width", [360, 1200])
def test_chromium_shows_it_without_scrolling_sideways(
    text: str, tmp_path: Path, width: int
) -> None:
    flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-sync",
        "--disable-background-networking",
        "--disable-component-update",
        "--dump-dom",
        "--virtual-time-budget=2000",
        "--allow-file-access-from-files",
    ]
    (tmp_path / "r.html").write_text(text)
    # A window is never narrower than 500 px; a frame is.
    (tmp_path / "frame.html").write_text(
        f'<iframe src="r.html" width="{width}" height="800"></iframe>'
        "<script>addEventListener('load', () => document.title ="
        " `wide ${frames[0].document.documentElement.scrollWidth}`)</script>"
    )
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    done = subprocess.run(
        ["chromium", *flags, profile, (tmp_path / "frame.html").as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
    )
    found = re.search(r"<title>wide (\d+)</title>", done.stdout)
    assert found, done.stderr[-500:]
    assert int(found[1]) <= width


def test_a_total_with_experiments_has_their_energy_and_carbon_beside_it(llmcost: Run) -> None:
    shown = llmcost("report", "gpt-4-development", "--output", "-", "--quiet").stdout
    plain = llmcost("report", "gpt-4", "--output", "-", "--quiet").stdout
    assert len(re.findall(r"; with experiments [\d.]+ (GWh|kt CO2e)", shown)) == 2
    assert "; with experiments" not in plain
