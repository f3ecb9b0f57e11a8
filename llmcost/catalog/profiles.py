"""What a profile of software may say: ranges of its constants, and a base that is another profile."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from llmcost.errors import nearest

#: Shares of a rate, a time or a memory.
_SHARES = (
    "product_quality", "expert_quality", "attention_quality", "fp8_quality", "tensor_overlap",
    "exchange_overlap", "data_overlap", "pipeline_overlap", "fused_exchange_overlap", "fragment_share", "expandable_share",
)  # fmt: skip
#: Most of a constant by its name, where 1 is not: element-wise work is done at least once.
_LEAST = {"elementwise_passes": 1.0, "saved_factor": 1.0}
#: A second is no kernel's launch.
_MOST = {"kernel_launch_s": 1e-2}


def problems(where: str, entry: Mapping[str, Any], fields: Iterable[str]) -> list[str]:
    """Constants of a profile, those for a family too, that are outside what they can be."""
    names = sorted(fields, key=len, reverse=True)
    found = []
    for key, value in entry.items():
        name = next((n for n in names if key == n or key.endswith(f"_{n}")), None)
        if name is None or isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if name in _SHARES and value > 1:
            found.append(f"{where} {key}: {value} is a share, from 0 to 1")
        if name.endswith("_quality") and value == 0:
            found.append(f"{where} {key}: {value} is a share of a rate, above 0")
        if value < _LEAST.get(name, value):
            found.append(f"{where} {key}: {value} is below {_LEAST[name]:g}")
        if value > _MOST.get(name, value):
            found.append(f"{where} {key}: {value} is above {_MOST[name]:g} s")
    return found


def base_problems(
    where: str, name: str, profiles: Mapping[str, Any], spelt: Callable[[str], str]
) -> list[str]:
    """A base that is no profile, or that leads back to the profile itself.

    Parameters
    ----------
    profiles : mapping of str to mapping
        All profiles, the user's own among them.
    spelt : callable
        A name without what spellings differ in.
    """
    names = {spelt(key): key for key in profiles}
    seen = [name]
    while True:
        entry = profiles[seen[-1]]
        base = entry.get("base") if isinstance(entry, dict) else None
        if not isinstance(base, str):
            return []
        base = names.get(spelt(base), base)
        if base not in profiles:
            if len(seen) > 1:  # told where it stands
                return []
            return [f"{where} base: {base!r} is no profile of software{nearest(base, profiles)}"]
        if base in seen:
            way = " → ".join([*seen, base])
            return [f"{where} base: a profile cannot be its own base ({way})"]
        seen.append(base)
