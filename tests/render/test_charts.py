"""Charts by what they say: their texts, bars and lines, not their pixels."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llmcost.analysis.sampling import Sampling
from llmcost.analysis.stages import estimate_any
from llmcost.analysis.uncertainty import with_uncertainty
from llmcost.catalog import load_catalog
from llmcost.engine.results import MEMORY_BESIDE, MEMORY_IN_USE, MEMORY_PARTS, RESULTS
from llmcost.errors import InputError, NoAnswerError
from llmcost.scenario import load_scenario
from tests.conftest import Run

pytest.importorskip("matplotlib")
from matplotlib.text import Text

from llmcost.render import charts, plots, year_charts
from llmcost.render.keys import result_words

CATALOG = load_catalog()
LAYOUT = [
    "training.mfu=", "parallelism.tp=8", "parallelism.pp=16", "parallelism.micro_batch=1",
    "parallelism.global_batch_seqs=2048", "training.activation_recompute=full",
]  # fmt: skip


def _estimate(name: str, *sets: str) -> Any:
    return estimate_any(load_scenario(name, list(sets), CATALOG), CATALOG)


def _texts(drawn: Any) -> list[str]:
    drawn.draw_without_rendering()
    return [text.get_text() for text in drawn.findobj(Text) if text.get_text()]


ITEMS = {
    "405B": _estimate("llama-3.1-405b"),
    "rented": _estimate("deepseek-v3"),
    "developed": _estimate("gpt-4-development"),
    "stages": _estimate("deepseek-v3-stages"),
    "no price": _estimate("deepseek-v3", "cost.method=amortized"),
}


def test_a_stack_of_costs_adds_up_to_each_total_and_says_what_is_unknown() -> None:
    ranged = with_uncertainty(ITEMS["405B"], Sampling(200, defaults=True), CATALOG)
    items = {**ITEMS, "ranged": ranged}
    rows = charts.cost_rows(items)
    drawn = charts.estimates_plot(items, "cost")
    bars = drawn.axes[0].patches
    for index in range(len(rows)):
        mine = [bar for bar in bars if round(bar.get_y() + bar.get_height() / 2) == index]
        total = list(items.values())[index].result("cost_total_usd")
        assert sum(bar.get_width() for bar in mine) == pytest.approx(total or 0.0)
        ends = sorted(bar.get_x() + bar.get_width() for bar in mine)
        assert sorted(bar.get_x() for bar in mine) == pytest.approx([0.0, *ends][: len(mine)])
    texts = _texts(drawn)
    assert "$44.3M" in texts
    assert "total not known" in texts
    assert any(re.fullmatch(r"\$44.3M\n\$[\d.]+–[\d.]+M", text) for text in texts)
    assert {"Accelerators", "Servers", "Interconnect", "Energy", "Staff", "Cloud rental"} <= {
        *texts
    }
    assert {"$0", "$100M"} <= {*texts}
    assert not [text for text in texts if re.search(r"\de\d|\.0+[kMB]?$", text)]
    assert charts.not_drawn(items, "cost") == ["no price"]
    with pytest.raises(NoAnswerError, match="prices"):
        charts.estimates_plot({"x": ITEMS["no price"]}, "cost")


def test_a_part_has_one_colour_and_pattern_in_all_bars_and_in_the_legend() -> None:
    drawn = charts.estimates_plot(ITEMS, "cost")
    names = sorted({name for row in charts.cost_rows(ITEMS) for name, _ in row.parts}, key=charts._place)  # fmt: skip
    handles = drawn.legends[0].get_patches()
    marks = [(bar.get_facecolor(), bar.get_hatch()) for bar in handles]
    assert [text.get_text() for text in drawn.legends[0].get_texts()] == names
    assert len(set(marks)) == len(marks)
    used = {(bar.get_facecolor(), bar.get_hatch()) for bar in drawn.axes[0].patches}
    assert used == set(marks)


def test_memory_stands_against_what_a_device_has() -> None:
    item = _estimate("llama-3.1-405b", *LAYOUT)
    drawn = charts.estimates_plot({"a": item, "b": ITEMS["405B"]}, "memory")
    panel = drawn.axes[0]
    room = float(item.inputs.known["usable_memory_gb"])
    assert room == pytest.approx(0.985 * 80 * 2**30 / 1e9)
    assert sum(bar.get_width() for bar in panel.patches) == pytest.approx(item.result(MEMORY_IN_USE))  # fmt: skip
    assert [list(line.get_xdata()) for line in panel.lines] == [[room, room]]
    texts = _texts(drawn)
    assert "no layout" in texts
    assert any(text.endswith(f" GB of {room:.1f} GB") for text in texts)
    parts = {RESULTS[key].label for key in (*MEMORY_PARTS, *MEMORY_BESIDE) if item.result(key)}
    assert parts | {"Memory of a device"} <= {*texts}
    alone = charts.estimates_plot({"a": item}, "memory")
    assert [list(line.get_xdata()) for line in alone.axes[0].lines] == [[room, room]]
    with pytest.raises(NoAnswerError, match="parallelism"):
        charts.estimates_plot({"b": ITEMS["405B"]}, "memory")


def test_parts_of_a_step_add_up_to_its_time_or_say_that_they_are_a_prediction() -> None:
    item = _estimate("llama-3.1-405b", *LAYOUT)
    drawn = charts.estimates_plot({"a": item}, "step")
    seconds = sum(bar.get_width() for bar in drawn.axes[0].patches)
    assert seconds == pytest.approx(item.result("step_time_s"))
    measured = charts.estimates_plot({"b": _estimate("bloom-176b")}, "step")
    assert any("as predicted" in text for text in _texts(measured))
    assert not any("as predicted" in text for text in _texts(drawn))


def _projection(**more: Any) -> Any:
    from llmcost.analysis.project import project, with_samples

    found = project(_estimate("frontier"), CATALOG, "frontier", 2030, **more)
    return with_samples(found, Sampling(300, defaults=True), CATALOG)


def test_a_projections_band_widens_and_thresholds_are_named() -> None:
    found = _projection()
    drawn = year_charts.projection_plot(found, ["flops", "cost_total_usd"], [("flops", 1e28)])
    for panel in drawn.axes:
        band = panel.collections[0].get_paths()[0].vertices
        width = [np.ptp(np.log(band[band[:, 0] == year, 1])) for year in found.years]
        assert (np.diff(width) > -1e-9).all()
        assert width[-1] > 2 * width[1] > 0
    texts = _texts(drawn)
    assert {"90 % range", "threshold 1e28 FLOP", "Total cost", "Year"} <= {*texts}
    with pytest.raises(NoAnswerError, match="is known"):
        year_charts.projection_plot(found, ["step_time_s"], [])


def test_a_waterfall_falls_from_the_first_value_to_the_last() -> None:
    from llmcost.analysis.milestones import waterfall
    from llmcost.analysis.project import project

    found = project(_estimate("roadmap-2030"), CATALOG)
    steps = waterfall(found, "cost_total_usd")
    drawn = year_charts.waterfall_plot(found, "cost_total_usd", steps)
    bars = drawn.axes[0].patches
    assert bars[0].get_width() == steps[0].value
    assert bars[-1].get_width() == steps[-1].value
    left = bars[0].get_width() - sum(abs(bar.get_width()) for bar in bars[1:-1])
    assert left == pytest.approx(steps[-1].value)
    assert {step.name for step in steps if len(step.name) < 20} <= {*_texts(drawn)}


def test_a_tornado_names_inputs_in_words_and_says_both_ends(llmcost: Run, tmp_path: Path) -> None:
    done = llmcost(
        "estimate", "gpt-4-uncertain", "--samples", "200", "--tornado", "cost_amortized_usd",
        "--plot", "t.svg",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    words = re.findall(r">([^<>\n]+)<", (tmp_path / "t.svg").read_text())
    assert {"input at its 5th percentile", "at its 95th", "Amortized cost"} <= {*words}
    assert not [word for word in words if re.fullmatch(r"[a-z]+\.[a-z_]+", word)]
    assert len([word for word in words if re.fullmatch(r"\$[\d.]+M", word)]) >= 6


def test_cells_of_several_accelerators_are_never_joined(llmcost: Run, tmp_path: Path) -> None:
    axes = ["--axis", "cluster.accelerator=h100-sxm,b200-sxm,mi300x,h800-sxm"]
    done = llmcost("sweep", "llama-3.1-405b", *axes, "--plot", "bars.svg")
    assert done.returncode == 0, done.stderr
    drawn = (tmp_path / "bars.svg").read_text()
    assert {"h100-sxm", "mi300x", "not known"} <= {*re.findall(r">([^<>\n]+)<", drawn)}
    front = llmcost(
        "sweep", "llama-3.1-405b", *axes, "--axis", "cluster.devices=4096:16384:4096",
        "--pareto", "cost_purchase_usd,days", "--plot", "front.svg", "--format", "csv",
    )  # fmt: skip
    assert front.returncode == 0, front.stderr
    place = front.stdout.splitlines()[0].split(",").index("cluster.accelerator")
    found = {line.split(",")[place] for line in front.stdout.splitlines()[1:]}
    said = {*re.findall(r">([^<>\n]+)<", (tmp_path / "front.svg").read_text())}
    assert found <= said
    assert "h800-sxm" not in said


NAMES = 'name = "大きな模型 مختبر $x^2$ <&>"\n'
RUN = '[model]\nparams = "1B"\n[cluster]\naccelerator = "h100-sxm"\ndevices = 8\n[cost]\nmethod = "cloud"\n'


def test_names_of_every_script_stand_in_a_plot(llmcost: Run, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(NAMES + RUN)
    done = llmcost("compare", "a.toml", "gpt-4", "--plot", "p.svg")
    assert done.returncode == 0, done.stderr
    svg = ET.fromstring((tmp_path / "p.svg").read_text())
    said = " ".join("".join(one.itertext()) for one in svg.iter("{http://www.w3.org/2000/svg}text"))
    for word in ("大きな模型", "مختبر", "$x^2$", "<&>"):
        assert word in said
    for ending in ("png", "pdf"):
        done = llmcost("compare", "a.toml", "gpt-4", "--plot", f"p.{ending}")
        assert done.returncode == 0, done.stderr
        assert (tmp_path / f"p.{ending}").stat().st_size > 5000


def test_letters_that_no_font_has_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(plots, "_OTHER_SCRIPTS", ())
    drawn = charts.estimates_plot({"模型": ITEMS["405B"], "b": ITEMS["rented"]}, "cost")
    (said,) = plots.save(str(tmp_path / "p.png"), drawn)
    assert "模 型" in said
    assert ".svg" in said
    assert plots.save(str(tmp_path / "p.svg"), drawn) == []


def test_a_plot_of_its_own_follows_the_theme(tmp_path: Path) -> None:
    plots.save(str(tmp_path / "p.svg"), charts.estimates_plot(ITEMS, "cost"))
    svg = (tmp_path / "p.svg").read_text()
    ET.fromstring(svg)
    style = svg[svg.index("<style>@media") : svg.index("</style>")]
    body = svg[svg.index("</style>") :]
    for part, colour in set(re.findall(r"(fill|stroke): (#[0-9a-f]{6})", body)):
        assert f'[style*="{part}: {colour}"]' in style, (part, colour)


#: What eyes without the long or the middle cones see, as linear RGB (Viénot, Brettel and Mollon 1999).
_EYES = {
    "all cones": np.eye(3),
    "no long": np.array([[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]]),
    "no middle": np.array([[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]]),
}  # fmt: skip


def _lab(colour: str, eye: np.ndarray) -> np.ndarray:
    rgb = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ np.clip(eye @ linear, 0, 1)  # fmt: skip
    f = np.cbrt(xyz / np.array([0.9505, 1.0, 1.089]))
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("eye", list(_EYES))
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_beside_each_other_differ_for_every_eye(eye: str, theme: str) -> None:
    series = [getattr(one, theme) for name, one in plots.COLOURS.items() if name[1:].isdigit()]
    ends = [getattr(plots.COLOURS[name], theme) for name in ("blue", "orange")]
    for colours in (series, ends):
        seen = [_lab(colour, _EYES[eye]) for colour in colours]
        for index, one in enumerate(seen):
            for other in seen[:index]:
                assert np.linalg.norm(one - other) > 12, (colours, index)


def test_what_cannot_be_drawn_leaves_standard_output_empty(llmcost: Run, tmp_path: Path) -> None:
    for arguments, code, said in (
        (["compare", "gpt-4", "gpt-3", "--plot", "x.bmp"], 2, "the ending must be one of"),
        (["compare", "gpt-4", "gpt-3", "--plot", "x.svg", "--draw", "memori"], 2, 'did you mean "memory"'),
        (["compare", "gpt-4", "gpt-3", "--draw", "cost"], 2, "give both"),
        (["compare", "gpt-4", "gpt-3", "--plot", "x.svg", "--draw", "step"], 1, "give [parallelism]"),
        (["estimate", "deepseek-v3", "--set", "cost.method=amortized", "--plot", "x.svg"], 1, "no total is known"),
        (["estimate", "gpt-4", "--plot", "x.gif"], 2, "svg, png, pdf"),
        (["sweep", "deepseek-v3", "--axis", "cost.method=amortized,purchase", "--plot", "x.svg"], 1, "known in no cell"),
    ):  # fmt: skip
        done = llmcost(*arguments)
        assert (done.returncode, done.stdout) == (code, ""), arguments
        assert said in done.stderr, arguments
        assert not list(tmp_path.glob("x.*"))


def test_a_kind_that_is_none_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match="tornado"):
        charts.check_kind("tornados", ("tornado",))


def test_a_total_is_one_of_cost_wherever_no_heading_says_so() -> None:
    assert result_words("cost_total_usd") == "Total cost"
    assert result_words("total_tco2e") == "Total carbon"
    assert result_words("inference_cost_usd") == "Service cost"
