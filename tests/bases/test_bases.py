"""The shipped bases are there, load, say how they were made, and can be made again; the wheels hold those that they should."""

import tomllib
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from autotelic.bases.making import make
from autotelic.bases.places import GROUP, shipped, spec_in
from autotelic.bases.records import folder_bytes, records, weights_digest
from autotelic.bases.specs import BASES, find_spec
from autotelic.errors import SettingError
from autotelic.policies.checkpoint import load_model

ROOT = Path(__file__).resolve().parents[2]


def test_every_spec_is_shipped_and_nothing_else_is() -> None:
    assert sorted(shipped()) == sorted(BASES)


@pytest.mark.parametrize("name", list(BASES))
def test_a_shipped_base_is_what_its_spec_says(name: str) -> None:
    folder = shipped()[name]
    assert spec_in(folder) == BASES[name]
    model = load_model(folder)
    assert 50_000 < sum(p.numel() for p in model.parameters()) < 1_000_000
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.chat_template
    tokens = torch.tensor([tokenizer.encode("1+2", add_special_tokens=False)])
    theirs = AutoModelForCausalLM.from_pretrained(folder)(tokens).logits
    assert torch.allclose(model.head(model.hidden(tokens)), theirs, atol=1e-4)


@pytest.mark.parametrize("name", list(BASES))
def test_what_is_recorded_of_a_base_is_so(name: str) -> None:
    record = records()[name]
    assert (record.weights, record.bytes) == (weights_digest(shipped()[name]), folder_bytes(shipped()[name])) and 1 <= record.seconds < 1000


def test_the_wheel_holds_a_few_bases_and_the_data_package_all() -> None:
    excluded = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]["exclude"]
    place = "src/autotelic/bases/shipped/"
    kept = [pattern.removeprefix(f"!{place}") for pattern in excluded if pattern.startswith("!")]
    assert f"{place}*" in excluded
    assert {"addition-4", "chain-medium"} <= set(kept) < set(BASES)
    assert sum(records()[name].bytes for name in kept) < 3_000_000
    package = tomllib.loads((ROOT / "packaging" / "bases" / "pyproject.toml").read_text())
    assert package["project"]["entry-points"][GROUP] == dict.fromkeys(BASES, "autotelic_bases")
    assert package["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"][f"../../{place.rstrip('/')}"] == "autotelic_bases"


def test_the_learning_rate_of_a_base_stays_and_then_falls() -> None:
    spec = find_spec("addition-4").model_copy(update={"steps": 100, "stable": 0.5, "final": 0.1})
    assert [round(spec.rate(step), 3) for step in (0, 50, 75, 100)] == [1.0, 1.0, 0.55, 0.1]


def test_making_a_base_is_repeatable(tmp_path: Path) -> None:
    spec = find_spec("chain-medium").model_copy(update={"steps": 4, "chunk": 2, "batch_size": 8})
    for name in ("a", "b"):
        make(spec, tmp_path / name)
    a, b = ((tmp_path / name / "model.safetensors").read_bytes() for name in "ab")
    assert a == b


def test_making_a_base_leaves_the_threads_and_the_random_numbers_of_torch_as_they_were(tmp_path: Path) -> None:
    spec = find_spec("chain-medium").model_copy(update={"steps": 1, "batch_size": 2})
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    torch.set_num_threads(2)
    try:
        make(spec, tmp_path / "two")
        assert torch.get_num_threads() == 2 and torch.equal(torch.rand(3), expected)
    finally:
        torch.set_num_threads(1)


def test_an_unknown_base_names_the_nearest() -> None:
    with pytest.raises(SettingError, match="did you mean 'addition-4'"):
        find_spec("additon-4")
