"""Kernels: measured points, and what must hold of any time."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcost.catalog import load_catalog
from llmcost.catalog.load import builtin
from llmcost.engine.kernels import attention, collectives, elementwise, experts, products

KERNELS = builtin("kernels")
CATALOG = load_catalog()
#: What an entry holds beside its constants.
NOTES = ("source", "url", "date", "confidence", "points", "measured_on")
LEFT = ("median_error", "p90_error", "left_out_median", "left_out_p90")
#: Lowest and highest that physics allows, by the end of a constant's name.
BOUNDS = {
    "efficiency": (0.1, 1.0),
    "efficiency_ratio": (0.3, 1.3),
    "_share": (0.1, 1.0),
    "share": (0.1, 1.0),
    "_s": (1e-7, 2e-4),
    "hop_s": (1e-8, 1e-4),
    "_bytes": (0.1, 40.0),
    "wave_fill": (0.0, 2.0),
    "depth_half": (0.0, 2000.0),
    "seq_half": (0.0, 3000.0),
    "pipeline": (0.0, 2.0),
    "power_exponent": (1.0, 3.0),
    "byte_pj": (20.0, 60.0),
}
#: Products' constants that the catalog does not hold by kind.
SHARPNESS = 4.0
WIDTH = {"bf16": 2.0, "fp8": 1.0, "fp8-block": 1 + 4 / 128, "nvfp4": 0.5 + 1 / 16}
PEAK = {"bf16": "bf16", "fp8": "fp8", "fp8-block": "fp8", "nvfp4": "fp4"}


def entry(device: str, kind: str) -> dict[str, Any]:
    """The entry of a device, or of its family."""
    family = CATALOG.entry("accelerators", device)["family"]
    return KERNELS.get(f"{device}-{kind}") or KERNELS[f"{family}-{kind}"]


def constants(values: dict[str, Any]) -> dict[str, float]:
    return {k: v for k, v in values.items() if k not in (*NOTES, *LEFT)}


def known(device: str, precision: str) -> dict[str, float]:
    facts = CATALOG.entry("accelerators", device)
    return {
        "peak_flops": facts[f"{PEAK[precision]}_tflops"] * 1e12,
        "memory_bytes_s": facts["memory_tb_s"] * 1e12,
        "processors": entry(device, "processors")["processors"],
    }


def product(device: str, precision: str) -> dict[str, float]:
    found = constants(entry(device, f"products-{precision}"))
    return {
        **known(device, precision),
        **found,
        "input_bytes": WIDTH[precision],
        "sharpness": SHARPNESS,
    }


def attend(device: str, precision: str) -> dict[str, float]:
    rules = constants(KERNELS["general-attention"])
    del rules["backward_rate"]
    return {
        **known(device, precision),
        **rules,
        **constants(entry(device, f"attention-{precision}")),
    }


def mixture(device: str, precision: str) -> dict[str, float]:
    dense, own = product(device, precision), constants(entry(device, f"experts-{precision}"))
    dense["efficiency"] *= own.pop("efficiency_ratio")
    return {"cast_bytes": 0.0, **dense, **own}


def link(device: str) -> float:
    return float(CATALOG.entry("accelerators", device)["scale_up_gb_s_each_way"]) * 1e9


def test_entries_say_where_they_come_from_and_keep_to_physics() -> None:
    for name, values in KERNELS.items():
        assert values["source"], name
        assert values["url"].startswith("https://"), name
        assert values["confidence"] in ("high", "medium", "low"), name
        assert values["date"], name
        for key, value in constants(values).items():
            ends = [end for end in BOUNDS if key.endswith(end)]
            if ends:
                low, high = BOUNDS[max(ends, key=len)]
                assert low <= value <= high, (name, key, value)
        if "points" in values:
            assert 0 < values["median_error"] <= values["p90_error"] < 0.6, name


def test_every_family_and_precision_leads_to_constants() -> None:
    for device in CATALOG.kind("accelerators").values():
        family = device["family"]
        for kind in ("products-bf16", "attention-bf16", "power", "processors", "all-reduce"):
            assert KERNELS.get(f"{family}-{kind}") or KERNELS[f"general-{kind}"]
    for kind in ("network", "network-all-to-all", "routing", "elementwise", "experts-fp8"):
        assert KERNELS[f"general-{kind}"]


def _measured() -> dict[tuple[str, str, str], list[list[float]]]:
    found: dict[tuple[str, str, str], list[list[float]]] = defaultdict(list)
    with (Path(__file__).parent / "measured.csv").open() as stream:
        for row in csv.reader(line for line in stream if not line.startswith("#")):
            found[row[0], row[1], row[2]].append([float(x) for x in row[3:]])
    return found


MEASURED = _measured()


@pytest.mark.parametrize("key", list(MEASURED), ids="-".join)
def test_measured_points_come_out_within_the_stated_error(key: tuple[str, str, str]) -> None:
    kind, device, precision = key
    *shape, seconds = np.array(MEASURED[key]).T
    if kind == "products":
        stated = entry(device, f"products-{precision}")
        times = products.product_s(*shape, **product(device, precision))
    elif kind == "attention":
        stated = entry(device, f"attention-{precision}")
        times = attention.attention_forward_s(*shape, **attend(device, precision))
    elif kind == "experts":
        stated = entry(device, f"experts-{precision}")
        times = experts.expert_products_s(*shape, imbalance=1.0, **mixture(device, precision))
    else:
        stated = entry(device, kind.replace("_", "-"))
        group, size = shape
        times = collectives.domain_collective_s(
            kind, size, group, link(device), **constants(stated)
        )
    wrong = np.sort(np.abs(times / seconds - 1))
    assert wrong[len(wrong) // 2] <= stated["p90_error"]
    assert wrong[int(0.75 * len(wrong)) - 1] <= 1.5 * stated["p90_error"]


@pytest.mark.parametrize(
    "device", ["a100-sxm-80gb", "h100-sxm", "h200-sxm", "b200-sxm", "gb200-nvl72", "b300-sxm"]
)
@pytest.mark.parametrize("precision", ["bf16", "fp8"])
def test_no_sustained_rate_exceeds_the_published_ceiling(device: str, precision: str) -> None:
    facts = CATALOG.entry("accelerators", device)
    ceiling = facts.get(f"{precision}_matmul_tflops")
    if ceiling is None:
        pytest.skip("no ceiling published")
    rules = KERNELS["general-power"]
    for side in (2048.0, 8192.0, 32768.0):
        rate = (
            2 * side**3 / float(products.product_s(side, side, side, **product(device, precision)))
        )
        energy = entry(device, "power").get(f"flop_pj_{precision}")
        energy = energy or KERNELS[f"{facts['family']}-power"][f"flop_pj_{precision}"]
        demand = products.power_demand_w(
            rate, 0.0, rules["idle_share"] * facts["tdp_w"], energy, rules["byte_pj"]
        )
        share = products.sustained_share(
            demand, facts["tdp_w"], rules["power_exponent"], rules["lowest_share"]
        )
        assert rate * float(share) <= 1.01 * ceiling * 1e12


def test_the_clock_of_h200_falls_as_measured_at_its_power_limit() -> None:
    """673 TFLOP/s at 690 W where a burst reaches 784 (medians over 1,856 shapes)."""
    rules, energy = KERNELS["general-power"], KERNELS["hopper-power"]["flop_pj_bf16"]
    demand = products.power_demand_w(
        784e12, 0.63e12, rules["idle_share"] * 700, energy, rules["byte_pj"]
    )
    share = products.sustained_share(demand, 700.0, rules["power_exponent"], rules["lowest_share"])
    assert 784 * float(share) == pytest.approx(673, rel=0.03)
    assert float(products.sustained_share(demand, 2 * demand, 2.0, 0.5)) == 1


@pytest.mark.parametrize(
    ("precision", "measured"), [("bf16", 0.845), ("fp8", 0.809)], ids=["bf16", "fp8"]
)
def test_gb300_makes_more_of_its_watts_than_gb200_in_long_products(
    precision: str, measured: float
) -> None:
    """Medians of the times of products that take 10 ms and more on GB200 (73 and 35 shapes)."""
    side, rules = 24576.0, KERNELS["general-power"]

    def seconds(device: str) -> float:
        facts = CATALOG.entry("accelerators", device)
        limit = facts["tdp_w"]
        burst = float(products.product_s(side, side, side, **product(device, precision)))
        power = KERNELS["blackwell-power"] | entry(device, "power")
        rate, traffic = 2 * side**3 / burst, 6 * side**2 / burst
        demand = products.power_demand_w(
            rate,
            traffic,
            rules["idle_share"] * limit,
            power[f"flop_pj_{precision}"],
            rules["byte_pj"],
        )
        return burst / float(
            products.sustained_share(demand, limit, rules["power_exponent"], rules["lowest_share"])
        )

    assert seconds("gb300-nvl72") / seconds("gb200-nvl72") == pytest.approx(measured, rel=0.03)


SIZES = st.floats(1, 1e5)
GROWTH = st.floats(1.0, 10.0)
CASES = [("h100-sxm", "bf16"), ("b200-sxm", "fp8-block"), ("gb200-nvl72", "nvfp4")]


def _never_falls(
    time: Callable[..., Any], given_: dict[str, float], key: str, factor: float
) -> None:
    """More of a key takes no less time, and a little more takes little more."""
    before = float(time(**given_))
    assert before > 0
    assert float(time(**{**given_, key: given_[key] * factor})) >= before * (1 - 1e-12)
    near = float(time(**{**given_, key: given_[key] * (1 + 1e-7)}))
    assert near == pytest.approx(before, rel=1e-4)


def _never_rises(
    time: Callable[..., Any], given_: dict[str, float], key: str, factor: float
) -> None:
    before = float(time(**given_))
    assert float(time(**{**given_, key: given_[key] * factor})) <= before * (1 + 1e-12)


@pytest.mark.parametrize(("device", "precision"), CASES)
@given(m=SIZES, n=SIZES, k=SIZES, factor=GROWTH)
def test_products_rise_with_size_and_fall_with_rates(
    device: str, precision: str, m: float, n: float, k: float, factor: float
) -> None:
    case = {"m": m, "n": n, "k": k, **product(device, precision)}
    for key in ("m", "n", "k"):
        _never_falls(products.product_s, case, key, factor)
    for key in ("peak_flops", "memory_bytes_s", "efficiency"):
        _never_rises(products.product_s, case, key, factor)
    assert 2 * m * n * k / float(products.product_s(**case)) <= case["peak_flops"]


@given(batch=SIZES, seq=SIZES, heads=st.floats(1, 256), window=SIZES, factor=GROWTH)
def test_attention_rises_with_size_and_falls_with_rates(
    batch: float, seq: float, heads: float, window: float, factor: float
) -> None:
    case = {"batch": batch, "seq": seq, "heads": heads, "kv_heads": 8.0, "head_dim": 128.0}
    case |= {"window": window, **attend("h100-sxm", "bf16")}
    for key in ("batch", "seq", "heads", "kv_heads", "head_dim", "window"):
        _never_falls(attention.attention_forward_s, case, key, factor)
    for key in ("peak_flops", "memory_bytes_s"):
        _never_rises(attention.attention_forward_s, case, key, factor)
    forward = attention.attention_forward_s(**case)
    assert float(attention.attention_backward_s(forward, 0.87, case["launch_s"])) >= forward


def test_attention_backward_reaches_the_published_rate() -> None:
    """FlashAttention-3 on H100, heads of 128, 16k tokens: 561 TFLOP/s, not causal."""
    case = {"batch": 1.0, "seq": 16384.0, "heads": 16.0, "kv_heads": 16.0, "head_dim": 128.0}
    case |= attend("h100-sxm", "bf16") | {"causal": 0.0}
    forward = float(attention.attention_forward_s(**case))
    rate = KERNELS["general-attention"]["backward_rate"]
    backward = float(attention.attention_backward_s(forward, rate, case["launch_s"]))
    work = 2.5 * 4 * 16384.0**2 * 16 * 128
    assert work / backward / 1e12 == pytest.approx(561, rel=0.12)


@given(tokens=SIZES, ep=st.floats(1, 128), imbalance=st.floats(1, 4), factor=GROWTH)
def test_experts_rise_with_tokens_and_imbalance(
    tokens: float, ep: float, imbalance: float, factor: float
) -> None:
    case = {"tokens": tokens, "hidden": 7168.0, "inter": 2048.0, "topk": 8.0, "experts": 256.0}
    case |= {"ep": ep, "imbalance": imbalance, **mixture("h100-sxm", "bf16")}
    for key in ("tokens", "hidden", "inter", "topk", "imbalance"):
        _never_falls(experts.expert_products_s, case, key, factor)
    for key in ("ep", "peak_flops", "memory_bytes_s"):
        _never_rises(experts.expert_products_s, case, key, factor)
    assert float(experts.expert_imbalance(ep, 0.2)) >= 1
    assert float(experts.expert_imbalance(ep, 0.0)) == 1


@pytest.mark.parametrize("kind", list(collectives.PASSES))
@given(size=st.floats(1, 1e11), group=st.floats(2, 576), factor=GROWTH)
def test_collectives_in_a_domain(kind: str, size: float, group: float, factor: float) -> None:
    found = constants(KERNELS[f"blackwell-{kind.replace('_', '-')}"])
    case = {"size": size, "group": group, "domain_bytes_s": 9e11, **found}

    def time(**values: float) -> Any:
        return collectives.domain_collective_s(kind, **values)

    for key in ("size", "group"):
        _never_falls(time, case, key, factor)
    _never_rises(time, case, "domain_bytes_s", factor)
    assert float(time(**{**case, "group": 1.0})) == 0


@pytest.mark.parametrize("kind", ["all_reduce", "all_gather", "reduce_scatter"])
@given(size=st.floats(1, 1e12), nodes=st.floats(2, 4096), each=st.floats(1, 8), factor=GROWTH)
def test_collectives_across_nodes(
    kind: str, size: float, nodes: float, each: float, factor: float
) -> None:
    case = {"size": size, "nodes": nodes, "per_node": each, "nic_bytes_s": 5e10, "sharing": 1.0}
    case |= constants(KERNELS["general-network"])

    def time(**values: float) -> Any:
        return collectives.network_collective_s(kind, **values)

    for key in ("size", "nodes", "sharing"):
        _never_falls(time, case, key, factor)
    _never_rises(time, case, "nic_bytes_s", factor)
    assert float(time(**{**case, "nodes": 1.0})) == 0


@pytest.mark.parametrize("kind", list(collectives.PASSES))
@given(size=st.floats(1, 1e11), group=st.integers(1, 4096), factor=GROWTH)
def test_collectives_of_any_group(kind: str, size: float, group: int, factor: float) -> None:
    across = "network-all-to-all" if kind == "all_to_all" else "network"
    case = {"size": size, "group": float(group), "per_node": 8.0, "domain_bytes_s": 4.5e11}
    case |= {"nic_bytes_s": 5e10}
    held = constants(KERNELS[f"hopper-{kind.replace('_', '-')}"])

    def time(**values: float) -> Any:
        network = constants(KERNELS[f"general-{across}"])
        return collectives.collective_s(kind, domain=held, network=network, **values)

    if group == 1:
        assert float(time(**case)) == 0
        return
    _never_falls(time, case, "size", factor)
    for key in ("domain_bytes_s", "nic_bytes_s"):
        _never_rises(time, case, key, factor)
    alone = collectives.domain_collective_s(kind, size, float(group), 4.5e11, **held)
    assert group > 8 or float(time(**case)) == float(alone)


def test_the_large_cluster_comes_out() -> None:
    """coreweave/nccl-tests cb86553: 64 H100 reduce 1 GiB at 365.9 GB/s of 400 a node."""
    time = collectives.collective_s(
        "all_reduce",
        2.0**30,
        64.0,
        8.0,
        4.5e11,
        5e10,
        domain=constants(KERNELS["hopper-all-reduce"]),
        network=constants(KERNELS["general-network"]),
    )
    assert 2 * (63 / 64) * 2.0**30 / float(time) / 1e9 == pytest.approx(365.9, rel=0.1)


@given(tokens=st.floats(1, 1e6), nodes=st.floats(2, 64), topk=st.floats(1, 16), factor=GROWTH)
def test_exchanges_of_experts(tokens: float, nodes: float, topk: float, factor: float) -> None:
    case = {"tokens": tokens, "hidden": 7168.0, "width": 2.0, "topk": topk, "nodes": nodes}
    case |= {"per_node": 8.0, "domain_bytes_s": 4.5e11, "nic_bytes_s": 5e10, "sharing": 1.0}
    case |= constants(KERNELS["h100-sxm-combine"])
    for key in ("tokens", "hidden", "topk", "nodes", "sharing"):
        _never_falls(collectives.expert_exchange_s, case, key, factor)
    for key in ("domain_bytes_s", "nic_bytes_s"):
        _never_rises(collectives.expert_exchange_s, case, key, factor)
    plain = {"size": tokens, "nodes": nodes, "per_node": 8.0, "nic_bytes_s": 5e10}
    plain |= constants(KERNELS["general-network-all-to-all"])
    for key in ("size", "nodes"):
        _never_falls(collectives.network_all_to_all_s, plain, key, factor)
    _never_rises(collectives.network_all_to_all_s, plain, "nic_bytes_s", factor)


@pytest.mark.parametrize(("nodes", "published"), [(4.0, 58.0), (8.0, 51.0)])
def test_a_dispatch_keeps_the_network_as_busy_as_published(nodes: float, published: float) -> None:
    """DeepEP on H800 with 400 Gbit/s: 58 and 51 GB/s by its own count, tokens of a node once."""
    case = {"tokens": 4096.0, "hidden": 7168.0, "width": 1.0, "topk": 8.0, "nodes": nodes}
    case |= {"per_node": 8.0, "domain_bytes_s": 2e11, "nic_bytes_s": 5e10}
    case |= constants(KERNELS["h100-sxm-dispatch"])
    sent = 4096 * 7168 * float(collectives.distinct_places(nodes, 4.0))
    rate = sent / float(collectives.expert_exchange_s(**{**case, "topk": 4.0})) / 1e9
    assert rate == pytest.approx(published, rel=0.15)


def test_kernels_broadcast_like_their_elements() -> None:
    m, n = np.array([128.0, 4096.0])[:, None], np.array([1024.0, 8192.0, 20000.0])
    whole = products.product_s(m, n, 4096.0, **product("h100-sxm", "bf16"))
    assert whole.shape == (2, 3)
    for i, j in np.ndindex(2, 3):
        one = products.product_s(m[i, 0], n[j], 4096.0, **product("h100-sxm", "bf16"))
        assert float(one) == pytest.approx(float(whole[i, j]), rel=1e-14)
    assert float(elementwise.elementwise_s(2e9, 2e12, 0.5, 1e-6)) == pytest.approx(2.001e-3)
