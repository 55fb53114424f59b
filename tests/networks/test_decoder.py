"""The decoder against transformers, and its files."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM

from autotelic.errors import DataError
from autotelic.networks.decoder import Decoder, DecoderConfig
from autotelic.policies.checkpoint import load_model, save_model
from autotelic.policies.weights import read_weights

SHAPE = {
    "vocab_size": 61,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
}
MODELS = {"llama": (LlamaConfig, LlamaForCausalLM), "qwen2": (Qwen2Config, Qwen2ForCausalLM), "qwen3": (Qwen3Config, Qwen3ForCausalLM)}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", {"num_key_value_heads": 4}),
    "llama gqa tied": ("llama", {"num_key_value_heads": 2, "tie_word_embeddings": True}),
    "llama biases, own head_dim, theta": (
        "llama",
        {"num_key_value_heads": 1, "head_dim": 16, "attention_bias": True, "mlp_bias": True, "rope_theta": 500.0},
    ),
    "qwen2": ("qwen2", {"num_key_value_heads": 2}),
    "qwen2 tied, eps": ("qwen2", {"num_key_value_heads": 4, "tie_word_embeddings": True, "rms_norm_eps": 1e-3}),
    "qwen3": ("qwen3", {"num_key_value_heads": 2, "head_dim": 16}),
    "qwen3 biases, tied": ("qwen3", {"num_key_value_heads": 4, "head_dim": 8, "attention_bias": True, "tie_word_embeddings": True}),
    "qwen3 head_dim left to its default": ("qwen3", {"num_key_value_heads": 2}),
}


def reference(case: str) -> Any:
    """A transformers model with random weights, biases and norms included."""
    family, changes = CASES[case]
    config_class, model_class = MODELS[family]
    if "rope_theta" in changes:
        changes = {**changes, "rope_parameters": {"rope_type": "default", "rope_theta": changes["rope_theta"]}}
    torch.manual_seed(0)
    model = model_class(config_class(**SHAPE, **changes)).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.3 + (1.0 if "norm" in name else 0.0))
    return model


def tokens(rows: int = 3, length: int = 20) -> torch.Tensor:
    return torch.randint(0, SHAPE["vocab_size"], (rows, length), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("case", CASES)
@torch.no_grad()
def test_a_saved_transformers_model_loads_with_equal_logits(case: str, tmp_path: Path) -> None:
    theirs = reference(case)
    theirs.save_pretrained(tmp_path)
    ours = load_model(tmp_path)
    assert isinstance(ours, Decoder)
    logits = ours.head(ours.hidden(tokens()))
    assert logits.std() > 0.1
    torch.testing.assert_close(logits, theirs(tokens()).logits, atol=1e-5 * float(logits.abs().max()), rtol=0)


@pytest.mark.parametrize("case", CASES)
@torch.no_grad()
def test_what_is_saved_loads_in_transformers_with_equal_log_probs(case: str, tmp_path: Path, tokenizer: Any) -> None:
    reference(case).save_pretrained(tmp_path / "theirs")
    ours = load_model(tmp_path / "theirs")
    save_model(ours, tokenizer, tmp_path / "ours")
    back = AutoModelForCausalLM.from_pretrained(tmp_path / "ours")
    assert type(back) is MODELS[CASES[case][0]][1]
    assert back.dtype == torch.float32
    assert back.config.eos_token_id == tokenizer.end_id
    torch.testing.assert_close(back(tokens()).logits.log_softmax(-1), ours.head(ours.hidden(tokens())).log_softmax(-1), atol=1e-4, rtol=0)


@pytest.mark.parametrize("case", CASES)
def test_config_survives_both_ways(case: str, tmp_path: Path) -> None:
    reference(case).config.save_pretrained(tmp_path)
    raw = json.loads((tmp_path / "config.json").read_text())
    config = DecoderConfig.from_hf(raw)
    assert config is not None
    assert DecoderConfig.from_hf(config.to_hf()) == config
    assert config.rope_theta == CASES[case][1].get("rope_theta", 10000.0)
    old_style = {key: value for key, value in raw.items() if key != "rope_parameters"} | {"rope_theta": config.rope_theta}
    assert DecoderConfig.from_hf(old_style) == config
    if "head_dim" not in CASES[case][1]:
        assert DecoderConfig.from_hf({key: value for key, value in raw.items() if key != "head_dim"}) == config


@torch.no_grad()
def test_sharded_weights_load(tmp_path: Path) -> None:
    theirs = reference("qwen2")
    theirs.save_pretrained(tmp_path, max_shard_size="20KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    ours = load_model(tmp_path)
    torch.testing.assert_close(ours.head(ours.hidden(tokens())), theirs(tokens()).logits, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    "changes",
    [
        {"rope_scaling": {"rope_type": "llama3", "factor": 8.0}},
        {"rope_scaling": {"type": "linear", "factor": 2.0}},
        {"use_sliding_window": True},
        {"hidden_act": "gelu"},
        {"model_type": "gemma"},
    ],
)
def test_what_the_decoder_lacks_is_left_to_transformers(changes: dict[str, Any]) -> None:
    assert DecoderConfig.from_hf({**SHAPE, "model_type": "llama", **changes}) is None


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3"])
@torch.no_grad()
def test_prefill_and_decode_equal_reading_the_whole(family: str, tiny: Any) -> None:
    model = tiny(family)
    rows = torch.randint(0, model.vocab_size, (3, 16), generator=torch.Generator().manual_seed(2))
    lengths = torch.tensor([9, 4, 1])
    whole = model.hidden(rows)
    hidden, cache = model.prefill(rows[:, :9], lengths, 16)
    torch.testing.assert_close(hidden, whole[torch.arange(3), lengths - 1], atol=1e-5, rtol=1e-5)
    cache = cache.repeat(torch.tensor([2, 1, 1]))  # rows 0, 0, 1, 2
    owner, at = torch.tensor([0, 0, 1, 2]), torch.tensor([9, 9, 4, 1])
    for step in range(6):
        if step == 3:
            kept = torch.tensor([1, 2])
            cache, owner, at = cache.keep(kept), owner[kept], at[kept]
        hidden = model.decode(rows[owner, at], cache)
        torch.testing.assert_close(hidden, whole[owner, at], atol=1e-5, rtol=1e-5)
        at = at + 1


def test_initialize_is_keyed_and_leaves_norms_and_biases(tiny: Any) -> None:
    first, second, other = tiny("qwen2"), tiny("qwen2", 1), tiny("qwen2", 2)
    for model, seed in ((first, 5), (second, 5), (other, 6)):
        model.initialize(torch.Generator().manual_seed(seed))
    for (name, a), b in zip(first.named_parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)
        if a.dim() == 1:
            assert torch.equal(a, torch.zeros_like(a) if name.endswith("bias") else torch.ones_like(a))
    assert not torch.equal(first.model.embed_tokens.weight, other.model.embed_tokens.weight)


def folder_of(tmp_path: Path, case: str = "llama") -> Path:
    reference(case).save_pretrained(tmp_path)
    return tmp_path


def test_a_tied_model_stores_its_head_once(tmp_path: Path, tiny: Any, tokenizer: Any) -> None:
    save_model(tiny("llama", tied=True), tokenizer, tmp_path)
    assert "lm_head.weight" not in read_weights(tmp_path)


def test_errors_of_model_folders_name_file_and_key(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent: no such model folder"):
        load_model(tmp_path / "absent")
    with pytest.raises(DataError, match=r"no config\.json"):
        load_model(tmp_path)
    config = tmp_path / "config.json"
    config.write_text("{")
    with pytest.raises(DataError, match=r"config\.json: not valid JSON"):
        load_model(tmp_path)
    config.write_text("[]")
    with pytest.raises(DataError, match=r"config\.json: expected an object"):
        load_model(tmp_path)
    config.write_text('{"model_type": "llama"}')
    with pytest.raises(DataError, match=r"no weights \(model\.safetensors"):
        load_model(tmp_path)
    reference("llama").save_pretrained(tmp_path)
    config.write_text('{"model_type": "llama"}')
    with pytest.raises(DataError, match=r"config\.json: no 'num_attention_heads'"):
        load_model(tmp_path)


def test_weights_that_cannot_be_read_or_do_not_fit_are_errors(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    config = folder / "config.json"
    raw = json.loads(config.read_text())
    config.write_text(json.dumps({**raw, "intermediate_size": 64}))
    with pytest.raises(DataError, match=r"config\.json: intermediate_size = 64, and no tensor of the weights has a side of more than 61"):
        load_model(folder)
    config.write_text(json.dumps(raw))
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"model\.safetensors: cannot be read as safetensors"):
        load_model(folder)
    weights.rename(folder / "pytorch_model.bin")
    with pytest.raises(DataError, match=r"pytorch_model\.bin is a pickle"):
        load_model(folder)
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": "../other.safetensors"}}')
    with pytest.raises(DataError, match=r"shard '\.\./other\.safetensors' is not a file name"):
        load_model(folder)
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": "lost.safetensors"}}')
    with pytest.raises(DataError, match=r"lost\.safetensors"):
        load_model(folder)
