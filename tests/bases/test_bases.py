"""The shipped bases are there, load, say how they were made, and can be made again."""

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from autotelic.bases.making import make
from autotelic.bases.specs import BASES, BaseSpec, find_spec, shipped
from autotelic.errors import SettingError
from autotelic.policies.checkpoint import load_model


def test_every_spec_is_shipped_and_nothing_else_is() -> None:
    assert sorted(shipped()) == sorted(BASES)


@pytest.mark.parametrize("name", list(BASES))
def test_a_shipped_base_is_what_its_spec_says(name: str) -> None:
    folder = shipped()[name]
    assert BaseSpec(**json.loads((folder / "base.json").read_text())) == BASES[name]
    model = load_model(folder)
    assert 50_000 < sum(p.numel() for p in model.parameters()) < 1_000_000
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.chat_template
    tokens = torch.tensor([tokenizer.encode("1+2", add_special_tokens=False)])
    theirs = AutoModelForCausalLM.from_pretrained(folder)(tokens).logits
    assert torch.allclose(model.head(model.hidden(tokens)), theirs, atol=1e-4)


def test_the_learning_rate_of_a_base_stays_and_then_falls() -> None:
    spec = find_spec("addition-4").model_copy(update={"steps": 100, "stable": 0.5, "final": 0.1})
    assert [round(spec.rate(step), 3) for step in (0, 50, 75, 100)] == [1.0, 1.0, 0.55, 0.1]


def test_making_a_base_is_repeatable(tmp_path: Path) -> None:
    spec = find_spec("chain-medium").model_copy(update={"steps": 4, "chunk": 2, "batch_size": 8})
    for name in ("a", "b"):
        make(spec, tmp_path / name)
    a, b = ((tmp_path / name / "model.safetensors").read_bytes() for name in "ab")
    assert a == b


def test_an_unknown_base_names_the_nearest() -> None:
    with pytest.raises(SettingError, match="did you mean 'addition-4'"):
        find_spec("additon-4")
