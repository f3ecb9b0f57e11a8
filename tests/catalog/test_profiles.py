"""A user's own profile of software is refused where it says what cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmcost.catalog import load_catalog
from llmcost.catalog.load import PROFILE
from llmcost.catalog.profiles import problems
from llmcost.errors import InputError

NAMED = (
    "pytorch-eager", "pytorch-compile", "fsdp1-2023", "megatron-2021", "megatron-core", "megascale",
    "nemo-mlperf", "maxtext", "llm-c",
)  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("product_qualty = 0.9", 'product_qualty: unknown field; did you mean "product_quality"?'),
        ('elementwise_passes = "many"', "elementwise_passes: 'many' is not a number"),
        ("tensor_overlap = 7.0", "tensor_overlap: 7.0 is a share, from 0 to 1"),
        ("hopper_attention_quality = 40", "hopper_attention_quality: 40 is a share, from 0 to 1"),
        ("product_quality = 0", "product_quality: 0 is a share of a rate, above 0"),
        ("elementwise_passes = 0.2", "elementwise_passes: 0.2 is below 1"),
        ("kernel_launch_s = 5", "kernel_launch_s: 5 is above 0.01 s"),
        ("data_overlap = -1", "data_overlap: '-1' is not a number"),
    ],
)
def test_what_a_profile_cannot_say(tmp_path: Path, lines: str, said: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f'[software.mine]\nbase = "megatron-core"\nsource = "me"\n{lines}\n')
    with pytest.raises(InputError) as error:
        load_catalog([path])
    assert [p for p in error.value.problems if p.startswith(f"{path}: [software.mine] {said}")]


def test_a_base_is_another_profile(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        '[software.a]\nbase = "b"\nsource = "me"\n[software.b]\nbase = "a"\nsource = "me"\n'
        '[software.c]\nbase = "megatron-cor"\nsource = "me"\n[software.d]\nbase = "c"\nsource = "me"\n'
    )
    with pytest.raises(InputError) as error:
        load_catalog([path])
    own = "a profile cannot be its own base"
    assert error.value.problems == [
        f"{path}: [software.a] base: {own} (a → b → a)",
        f"{path}: [software.b] base: {own} (b → a → b)",
        f"{path}: [software.c] base: 'megatron-cor' is no profile of software; did you mean \"megatron-core\"?",
    ]


def test_a_base_may_be_spelt_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[software.mine]\nbase = "Megatron Core"\nsource = "me"\n')
    assert load_catalog([path]).own("software")["mine"]["base"] == "Megatron Core"


def test_the_catalog_s_own_profiles_are_within_the_ranges() -> None:
    profiles = load_catalog().kind("software")
    assert set(NAMED) <= set(profiles)
    assert not [p for name, entry in profiles.items() for p in problems(name, entry, PROFILE)]
