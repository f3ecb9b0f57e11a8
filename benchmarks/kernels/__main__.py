"""``python -m benchmarks.kernels RAW_FOLDER [--write]``: fit, print the errors, write the catalog.

It needs scipy, which nothing else does: ``pip install scipy``. The folder holds the measured
kernels as CSV; see benchmarks/kernels/raw.py for the columns.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.kernels import attention, boards, collectives, elementwise, experts, products, spots
from benchmarks.kernels.raw import PROCESSORS, Fit, device, errors
from benchmarks.kernels.write import Entry, fitted, stated, write
from llmcost.catalog import load_catalog
from llmcost.engine.kernels.products import power_demand_w, product_s, sustained_share

AICONFIGURATOR = (
    "ai-dynamo/aiconfigurator 095f58a5, systems/data",
    "https://github.com/ai-dynamo/aiconfigurator",
)
CEILING = (
    "maximum achievable matmul table, ml-engineering (S. Bekman)",
    "https://github.com/stas00/ml-engineering",
)
HYBRID = (
    "deepseek-ai/DeepEP 41cad94, docs/README_Hybrid-EP.md",
    "https://github.com/deepseek-ai/DeepEP",
)
NETWORK = (
    "NCCL 2.27.5's model in meta-pytorch/autoparallel a54c252; aliyun/SimAI cef83f9d; coreweave/nccl-tests cb86553",
    "https://github.com/aliyun/SimAI",
)


def show(name: str, fit: Fit, more: str = "") -> None:
    """Print a line on a fit."""
    values = "  ".join(f"{k} {v:g}" for k, v in fit.constants.items())
    print(
        f"{name:42} {100 * fit.median:5.1f} %  {100 * fit.p90:5.1f} %  {fit.points:6d}  {more}{values}"
    )


def dense(
    folder: Path, entries: list[Entry]
) -> tuple[dict[str, experts.Dense], list[products.Points], list[Any]]:
    """Dense products; constants by precision and device, the bursts, and the pairs for power."""
    bursts, pairs = products.read(folder)
    by_precision: dict[str, experts.Dense] = {}
    pooled: dict[str, list[dict[str, float]]] = {}
    shapes: dict[tuple[str, str], dict[str, float]] = {}
    for (family, precision), group in products.by_family(bursts).items():
        fit = products.fit_products(group)
        left = []
        for p in group:
            own = products.fit_products([p])
            by_precision.setdefault(precision, {})[p.name] = own.constants
            more = ""
            if len(group) > 1:
                others = products.fit_products([q for q in group if q is not p])
                left.append(products.apply(others.constants, p))
                more = "left out {:.1f} / {:.1f} %  ".format(*(100 * x for x in left[-1]))
            show(f"{p.name}-products-{precision}", own, more)
            if len(group) > 1:
                entries.append(
                    fitted(
                        f"{p.name}-products-{precision}",
                        own,
                        AICONFIGURATOR,
                        "high",
                        devices=[p.name],
                    )
                )
        transfer = {}
        if left:
            worst = np.max(left, axis=0)
            transfer = {"left_out_median": worst[0], "left_out_p90": worst[1]}
        show(f"{family}-products-{precision}", fit)
        entries.append(
            fitted(
                f"{family}-products-{precision}",
                fit,
                AICONFIGURATOR,
                "medium",
                transfer,
                [p.name for p in group],
            )
        )
        shapes[family, precision] = fit.constants
        pooled.setdefault(precision, []).append(fit.constants)
    for precision, held in pooled.items():
        middle = {k: float(np.median([c[k] for c in held])) for k in held[0]}
        entries.append(
            stated(
                f"general-products-{precision}",
                middle,
                "median of the families here",
                AICONFIGURATOR[1],
                "low",
            )
        )
    middle = {k: float(np.median([c[k] for c in pooled["bf16"]])) for k in pooled["bf16"][0]}
    for name, entry in load_catalog().kind("accelerators").items():
        if name not in PROCESSORS and "bf16_matmul_tflops" in entry:
            share = {"efficiency": entry["bf16_matmul_tflops"] / entry["bf16_tflops"]}
            shape = shapes.get((str(entry["family"]), "bf16"), middle)
            entries.append(stated(f"{name}-products-bf16", shape | share, *CEILING, "low"))
    entries += boards.entries({family: c for (family, form), c in shapes.items() if form == "bf16"})
    return by_precision, bursts, pairs


def power(
    bursts: list[products.Points],
    pairs: list[Any],
    dense: dict[str, experts.Dense],
    entries: list[Entry],
) -> None:
    """Energy of an operation by family and precision, and the clock that a limit sustains."""
    exponent, shapes = products.power_exponent(pairs)
    print(
        f"order of power in clock {exponent:.2f} ({shapes} shapes on B200 and GB200, both at the limit)"
    )
    energies: dict[tuple[str, str], list[float]] = {}
    held = products.sustained(pairs)
    for item in held:
        key = (
            device(item["name"])["family"],
            item["precision"].split("-")[0].replace("nvfp4", "fp4"),
        )
        energies.setdefault(key, []).append(products.flop_energy_pj(item, exponent))
    table = {key: float(np.mean(v)) for key, v in energies.items()}
    table["ampere", "bf16"] = products.ampere_energy_pj(dense["bf16"]["a100-sxm-80gb"], exponent)
    own: dict[str, dict[str, float]] = {}
    for item in held:
        label = f"flop_pj_{item['precision'].replace('-', '_').replace('nvfp4', 'fp4')}"
        own.setdefault(item["name"], {})[label] = products.flop_energy_pj(item, exponent)
    for item in held:
        limit = device(item["name"])["tdp_w"]
        key = (
            device(item["name"])["family"],
            item["precision"].split("-")[0].replace("nvfp4", "fp4"),
        )
        demand = power_demand_w(
            item["rate"], item["traffic"], products.IDLE_SHARE * limit, table[key], products.BYTE_PJ
        )
        share = float(sustained_share(demand, limit, exponent, products.LOWEST_SHARE))
        print(
            f"{item['name'] + ' ' + item['precision']:30} sustains {item['share']:.3f}"
            f" (80 %: {item['low']:.2f} to {item['high']:.2f}, {item['points']} shapes), model {share:.3f},"
            f" demand {float(demand):.0f} of {limit:.0f} W, {item['steady'] / 1e12:.0f} TFLOP/s"
        )
    for name, precision, pair in pairs:
        energy = own[name][f"flop_pj_{precision.replace('-', '_').replace('nvfp4', 'fp4')}"]
        found = products.check_sustained(
            name, precision, pair, dense[precision][name], energy, exponent
        )
        print(
            f"{name + ' ' + precision:30} at the limit, predicted over measured: burst {found[0]:.2f},"
            f" sustained {found[1]:.2f}, median error {found[2]:.3f} ({found[3]} shapes)"
        )
    # By family where watts were metered: chips of a family are one design, and what two of them draw differs by the samples.
    for family in sorted({f for f, _ in table}):
        values = {f"flop_pj_{p}": v for (f, p), v in table.items() if f == family}
        members = sorted(
            {item["name"] for item in held if device(item["name"])["family"] == family}
        )
        members = members or ["a100-sxm-80gb"]  # by the watts of its idle and full clock
        power_entry = stated(f"{family}-power", values, *AICONFIGURATOR, "medium", members)
        entries.append(power_entry)
    for name, values in products.sibling_energies_pj(bursts, dense, table, exponent).items():
        source = f"{AICONFIGURATOR[0]}; from long products beside those of {products.SIBLINGS[name]}: no watts of it were metered"
        entries.append(stated(f"{name}-power", values, source, AICONFIGURATOR[1], "low", [name]))
    general = {f"flop_pj_{p}": v for (f, p), v in table.items() if f == "hopper"}
    general |= {
        "power_exponent": exponent,
        "idle_share": products.IDLE_SHARE,
        "byte_pj": products.BYTE_PJ,
        "lowest_share": products.LOWEST_SHARE,
    }
    source = (
        f"{AICONFIGURATOR[0]}; idle share, energy of a byte (HBM3) and lowest clock: general"
        " knowledge, no source read"
    )
    entries.append(stated("general-power", general, source, AICONFIGURATOR[1], "low", [name]))
    ceilings(dense, table, exponent)


def ceilings(dense: dict[str, experts.Dense], table: Any, exponent: float) -> None:
    """Large products at the sustained clock, against the published ceilings."""
    side = 16384.0
    for precision in ("bf16", "fp8"):
        for name, constants in dense[precision].items():
            entry, (known, peak) = device(name), products.arguments(name, precision)
            published = entry.get(f"{precision}_matmul_tflops")
            pj = table.get((entry["family"], precision))
            if published and pj:
                burst = 2 * side**3 / float(product_s(side, side, side, **known, **constants))
                traffic = burst / side * 3
                demand = power_demand_w(
                    burst, traffic, products.IDLE_SHARE * entry["tdp_w"], pj, products.BYTE_PJ
                )
                share = float(
                    sustained_share(demand, entry["tdp_w"], exponent, products.LOWEST_SHARE)
                )
                print(
                    f"{name + ' ' + precision:26} burst {burst / 1e12:6.0f} sustained"
                    f" {burst * share / 1e12:6.0f} published ceiling {published:6.0f} peak {peak / 1e12:.0f} TFLOP/s"
                )


def mixtures(folder: Path, dense: dict[str, experts.Dense], entries: list[Entry]) -> None:
    """Experts' products, and what an uneven router costs."""
    tables = experts.read(folder)
    groups = experts.groups(tables)
    for precision in ("bf16", "fp8", "fp8-block"):
        fit = experts.fit_experts(groups["hopper", precision], dense[precision])
        show(f"hopper-experts-{precision}", fit)
        members = [name for name, _, _ in groups["hopper", precision]]
        entries.append(
            fitted(f"hopper-experts-{precision}", fit, AICONFIGURATOR, "medium", devices=members)
        )
        general = stated(f"general-experts-{precision}", fit.constants, *AICONFIGURATOR, "low")
        entries.append(general)
        for name, _, t in groups["blackwell", precision]:
            times = experts.model([(name, precision, t)], dense[precision], fit.constants)
            slower = np.median(t[:, 6] / times)
            print(f"    {name}: a server's kernels take {slower:.2f} times as long (not fitted)")
    values = {}
    for label, item in experts.skews(tables).items():
        print(
            f"{label} {item['value']:.3f} (80 %: {item['low']:.2f} to {item['high']:.2f}), {item['points']:.0f} pairs"
        )
        values |= {label: item["value"], f"{label}_low": item["low"], f"{label}_high": item["high"]}
    entries.append(stated("general-routing", values, *AICONFIGURATOR, "medium"))


def attentions(folder: Path, entries: list[Entry]) -> None:
    """Attention, forward; the rules for backward and for other widths of a head."""
    pooled: dict[str, list[dict[str, float]]] = {}
    for (family, precision), group in attention.groups(attention.read(folder)).items():
        for item in group if len(group) > 1 else ():
            own = attention.fit_attention([item])
            show(f"{item[0]}-attention-{precision}", own)
            name = f"{item[0]}-attention-{precision}"
            entries.append(fitted(name, own, AICONFIGURATOR, "high", devices=[item[0]]))
        fit = attention.fit_attention(group)
        left = {}
        if len(group) > 1:
            worst = []
            for item in group:
                rest = attention.fit_attention([i for i in group if i is not item]).constants
                worst.append(errors(attention.model(rest, [item]), item[2][:, 5]))
            high = np.max(worst, axis=0)
            left = {"left_out_median": high[0], "left_out_p90": high[1]}
        more = ""
        if left:
            more = "left out {:.1f} / {:.1f} %  ".format(*(100 * x for x in left.values()))
        show(f"{family}-attention-{precision}", fit, more)
        pooled.setdefault(precision, []).append(fit.constants)
        entries.append(
            fitted(
                f"{family}-attention-{precision}",
                fit,
                AICONFIGURATOR,
                "medium",
                left,
                [item[0] for item in group],
            )
        )
    for precision, held in pooled.items():
        middle = {k: float(np.median([c[k] for c in held])) for k in held[0]}
        name = f"general-attention-{precision}"
        entries.append(
            stated(name, middle, "median of the families here", AICONFIGURATOR[1], "low")
        )
    rules = {
        "backward_rate": attention.BACKWARD_RATE,
        "dim_half": attention.DIM_HALF,
        "memory_share": attention.MEMORY_SHARE,
    }
    source = "FlashAttention-2 and 3, forward and backward TFLOP/s by width of a head"
    entries.append(
        stated("general-attention", rules, source, "https://arxiv.org/abs/2407.08608", "medium")
    )


def communication(folder: Path, entries: list[Entry]) -> None:
    """Collectives inside a domain and across nodes, exchange of experts."""
    pooled: dict[str, list[dict[str, float]]] = {}
    for (family, kind), group in collectives.domain_groups(folder).items():
        fit = collectives.fit_domain(kind, group)
        name = f"{family}-{kind.replace('_', '-')}"
        show(name, fit)
        for member, t in group:
            if t[0, 0] > 8:
                wrong = errors(collectives.domain_times(kind, member, t, fit.constants), t[:, 2])
                print(f"    of it {t[0, 0]:.0f} devices of {member}: {wrong[0]:.3f} {wrong[1]:.3f}")
        members = [member for member, _ in group]
        entries.append(fitted(name, fit, AICONFIGURATOR, "medium", devices=members))
        if family != "blackwell-workstation":
            pooled.setdefault(kind, []).append(fit.constants)
    for kind, held in pooled.items():
        middle = {k: float(np.median([c[k] for c in held])) for k in held[0]}
        name = f"general-{kind.replace('_', '-')}"
        entries.append(
            stated(name, middle, "median of the families here", AICONFIGURATOR[1], "low")
        )
    sends: list[dict[str, float]] = []
    for family, group in collectives.send_groups(folder).items():
        fit = collectives.fit_send(group)
        show(f"{family}-send", fit)
        members = [name for name, _ in group]
        entries.append(fitted(f"{family}-send", fit, AICONFIGURATOR, "low", devices=members))
        sends.append(fit.constants)
    middle = {k: float(np.median([c[k] for c in sends])) for k in sends[0]}
    entries.append(
        stated("general-send", middle, "median of the families here", AICONFIGURATOR[1], "low")
    )
    fit = collectives.fit_network(collectives.read_network(folder))
    show("general-network", fit)
    entries.append(fitted("general-network", fit, NETWORK, "medium"))
    shares = []
    measured: dict[str, list[str]] = {}
    pooled: dict[str, list[dict[str, float]]] = {}
    for (name, way), table in collectives.read_exchange(folder).items():
        fit = collectives.fit_exchange(name, way, table)
        show(f"{name}-{way}", fit)
        source = (f"{AICONFIGURATOR[0]} (DeepEP, normal kernels)", AICONFIGURATOR[1])
        entries.append(fitted(f"{name}-{way}", fit, source, "medium", devices=[name]))
        measured.setdefault(str(device(name)["family"]), []).append(name)
        shares += [v for k, v in fit.constants.items() if k == "nic_share"]
        for place in (str(device(name)["family"]), "general"):
            pooled.setdefault(f"{place}-{way}", []).append(fit.constants)
    share = {"nic_share": float(np.mean(shares))}
    for place, held in pooled.items():
        middle = {k: float(np.median([c[k] for c in held])) for k in ("domain_share", "base_s")}
        if place.startswith("general"):
            middle |= share
        entries.append(
            stated(
                place,
                middle,
                "median of the devices here",
                AICONFIGURATOR[1],
                "low",
                measured.get(place.partition("-")[0], ()),
            )
        )
    for way in ("dispatch", "combine"):
        fit = collectives.fit_hybrid(way)
        show(f"blackwell-hybrid-{way}", fit)
        entries.append(fitted(f"blackwell-hybrid-{way}", fit, HYBRID, "medium"))
    fit = collectives.fit_all_to_all(folder, share)
    show("general-network-all-to-all", fit)
    entries.append(fitted("general-network-all-to-all", fit, NETWORK, "low", share))


def passes(folder: Path, entries: list[Entry]) -> None:
    """Element-wise kernels."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for (name, operator), table in elementwise.tables(folder).items():
        fit = elementwise.fit_elementwise(name, table)
        show(f"{name}-elementwise-{operator}", fit)
        source = ("microsoft/vidur 7d47513", "https://github.com/microsoft/vidur")
        if operator in ("gelu", "layernorm"):
            source = (
                "PrincetonUniversity/LLMCompass 2e015fd",
                "https://github.com/PrincetonUniversity/LLMCompass",
            )
        entries.append(
            fitted(f"{name}-elementwise-{operator}", fit, source, "medium", devices=[name])
        )
        found[name, operator] = fit.constants
    best = {
        "memory_share": found["a100-sxm-80gb", "gelu"]["memory_share"],
        "launch_s": float(
            np.median([c["launch_s"] for (_, o), c in found.items() if o in elementwise.LLAMA])
        ),
    }
    source = (
        "one fused pass: GELU of LLMCompass, start of vidur's kernels",
        "https://github.com/PrincetonUniversity/LLMCompass",
    )
    entries.append(stated("general-elementwise", best, *source, "medium"))


def main() -> None:
    """Fit everything, print what is left, and write the catalog where asked."""
    if len(sys.argv) not in (2, 3) or sys.argv[2:] not in ([], ["--write"]):
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    entries: list[Entry] = []
    print(f"{'':42} median     90 %  points")
    constants, bursts, pairs = dense(folder, entries)
    power(bursts, pairs, constants, entries)
    mixtures(folder, constants, entries)
    attentions(folder, entries)
    passes(folder, entries)
    communication(folder, entries)
    if sys.argv[2:]:
        write(entries)
        spots.write(folder)


if __name__ == "__main__":
    main()
