"""What every drawing shares: matplotlib (the extra ``llmcost[plot]``, loaded only when asked for), colours, files."""

from __future__ import annotations

import io
import re
import textwrap
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from llmcost.errors import InputError
from llmcost.render.numbers import readable, shown_size

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("svg", "png", "pdf")


class Colour(NamedTuple):
    """A colour on light paper, and on dark."""

    light: str
    dark: str


#: Colours by name. Blue and orange are told apart by every kind of eye; s1 to s7 are of Okabe and Ito's.
COLOURS = {
    "blue": Colour("#1f5fa8", "#6fa8e8"),
    "orange": Colour("#c8701a", "#f0b26b"),
    "green": Colour("#1f8a5f", "#57c29a"),
    "red": Colour("#b03a2e", "#e8857a"),
    "muted": Colour("#59626d", "#a3adb8"),
    "line": Colour("#b0b0b0", "#454d56"),
    "ink": Colour("#000000", "#e6e9ec"),
    "s1": Colour("#0072b2", "#3d9bd4"),
    "s2": Colour("#e69f00", "#f0b429"),
    "s3": Colour("#009e73", "#2bbf95"),
    "s4": Colour("#cc79a7", "#d98fb8"),
    "s5": Colour("#56b4e9", "#8fd0f5"),
    "s6": Colour("#d55e00", "#ea7a26"),
    "s7": Colour("#505050", "#707070"),
}
#: Colours of what stands beside each other.
SERIES = tuple(colour.light for name, colour in COLOURS.items() if name[1:].isdigit())
#: What a drawing stands on.
PAPER = Colour("#ffffff", "#14171a")
#: Fonts with the letters that the first one lacks, where they are installed.
_OTHER_SCRIPTS = (
    "Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans JP", "Noto Sans SC", "WenQuanYi Zen Hei", "Hiragino Sans",
    "PingFang SC", "Microsoft YaHei", "Yu Gothic", "Malgun Gothic", "Noto Sans", "Noto Sans Devanagari", "Arial Unicode MS",
)  # fmt: skip


def figure(height: float = 4.2, width: float = 7.0) -> Figure:
    """A figure that needs no display.

    Raises
    ------
    InputError
        If matplotlib is not installed; the message names the extra.
    """
    drawn = _library()(figsize=(width, height), layout="constrained")
    drawn.set_layout_engine("constrained", w_pad=0.1, h_pad=0.08)
    return drawn


def _library() -> type[Figure]:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise InputError('plots need matplotlib: pip install "llmcost[plot]"') from None
    return Figure


def check_path(path: str) -> str:
    """The format of a plot file by its ending; asked before the work that is drawn.

    Raises
    ------
    InputError
        If there is no such format, or matplotlib is not installed.
    """
    ending = Path(path).suffix.lower().lstrip(".")
    if ending not in FORMATS:
        raise InputError(f'--plot "{path}": the ending must be one of {", ".join(FORMATS)}')
    _library()
    return ending


def image(drawn: Figure, ending: str) -> tuple[bytes, str]:
    """A figure as bytes, the same for the same figure, and the letters that no font here has."""
    import matplotlib
    from matplotlib.text import Text

    stream = io.BytesIO()
    # A dollar sign is a dollar sign, and a script without a glyph here has one where the SVG is shown.
    for text in drawn.findobj(Text):
        text.set_parse_math(False)
    settings: Any = {
        "svg.hashsalt": "llmcost",
        "svg.fonttype": "none",
        "text.parse_math": False,
        "font.family": _families(ending),
    }
    with matplotlib.rc_context(settings), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for text in drawn.findobj(Text):
            text.set_fontfamily(settings["font.family"])
        drawn.savefig(
            stream, format=ending, dpi=150, metadata={"Date": None} if ending == "svg" else None
        )
    codes = dict.fromkeys(
        re.findall(r"Glyph (\d+) .* missing", "\n".join(str(one.message) for one in said))
    )
    missing = "" if ending == "svg" else "".join(chr(int(code)) for code in codes)
    return stream.getvalue(), missing


def _families(ending: str) -> list[str]:
    """Fonts in order; those of other scripts only where a picture holds letters, not the names of them."""
    if ending == "svg":
        return ["DejaVu Sans", "sans-serif"]
    from matplotlib import font_manager

    installed = {font.name for font in font_manager.fontManager.ttflist}
    return ["DejaVu Sans", *(name for name in _OTHER_SCRIPTS if name in installed)]


def save(path: str, drawn: Figure) -> list[str]:
    """Write a figure to a file, whole or not at all; what it lacks, in words.

    Raises
    ------
    InputError
        If its name ends in no format of plots.
    """
    from llmcost.files import write_atomic

    ending = check_path(path)
    data, missing = image(drawn, ending)
    if ending == "svg":
        data = _themed(data.decode()).encode()
    write_atomic(path, data)
    if not missing:
        return []
    return [f"--plot {path}: no font here has {' '.join(missing)}; an .svg shows them"]


def _themed(svg: str) -> str:
    """An SVG of its own that follows the theme of who looks at it; programs without themes show the light one."""
    rules = "".join(
        f'[style*="{part}: {colour.light}"] {{ {part}: {colour.dark} !important }}'
        for colour in (*COLOURS.values(), PAPER)
        for part in ("fill", "stroke")
    )
    rules += f"text {{ fill: {COLOURS['ink'].dark} }}"
    style = f"<style>@media (prefers-color-scheme: dark) {{ {rules} }}</style>"
    return re.sub(r"(<svg[^>]*>)", rf"\1\n{style}", svg, count=1)


def wrapped(name: str, width: int = 26, lines: int = 3) -> str:
    """A name beside an axis, in a few short lines."""
    found = textwrap.wrap(name, width, max_lines=lines, placeholder=" …")
    return "\n".join(found) or name


def label_ticks(axis: Any, write: Callable[[float], str], unit: str = "", most: int = 0) -> None:
    """Write numbers beside an axis as a reader likes them, at round places of what is written (euros, hours).

    Parameters
    ----------
    axis : matplotlib.axis.Axis
        The axis; of a logarithmic one that spans little, minor ticks get numbers too.
    write : callable
        How a number is written.
    unit : str
        Unit of the numbers on the axis.
    most : int
        How many intervals a linear axis has at most; as many as there is room for by default.
    """
    from matplotlib.ticker import LogFormatter, LogLocator, MaxNLocator

    def sized(low: float, high: float, places: Callable[[float, float], Any]) -> Any:
        size = shown_size(max(abs(low), abs(high)), unit)
        return [size * place for place in places(low / size, high / size)]

    class Round(MaxNLocator):  # type: ignore[misc,unused-ignore]
        def tick_values(self, vmin: float, vmax: float) -> Any:
            return sized(vmin, vmax, super().tick_values)

    class RoundLog(LogLocator):  # type: ignore[misc,unused-ignore]
        def tick_values(self, vmin: float, vmax: float) -> Any:
            return sized(vmin, vmax, super().tick_values)

    def short(value: float) -> str:
        return re.sub(r"(\d)\.0+(?!\d)", r"\1", write(value))

    class Few(LogFormatter):  # type: ignore[misc,unused-ignore]
        def __call__(self, value: float, pos: int | None = None) -> str:
            return short(value) if super().__call__(value / shown_size(value, unit), pos) else ""

    if axis.get_scale() == "log":
        axis.set_major_locator(RoundLog())
        axis.set_minor_locator(RoundLog(subs="auto"))
        # Numbers stand beside each other below an axis, so there is room for fewer.
        axis.set_minor_formatter(Few(minor_thresholds=(1 if axis.axis_name == "x" else 2, 0.4)))
    else:
        axis.set_major_locator(Round(nbins=most or "auto", steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(lambda value, _: short(value))


def finish_bars(panel: Any, unit: str, label: str, names: Sequence[str]) -> None:
    """Name the bars and the axis of a panel of bars, the first bar on top."""
    panel.set_yticks(range(len(names)), [wrapped(name) for name in names])
    panel.set_ylim(len(names) - 0.4, -0.6)
    label_ticks(panel.xaxis, partial(readable, unit=unit), unit, 5)
    panel.set_xlabel(label)
    panel.grid(axis="x", alpha=0.3)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)


def beside(panel: Any, text: str, value: float, index: int) -> None:
    """Write beside the end of a bar."""
    panel.annotate(
        text, (value, index), (4, 0), textcoords="offset points", va="center", fontsize=9
    )
