"""Low-rank adapters against PEFT."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel, MistralConfig, MistralForCausalLM

from autotelic.engines.batching import Batcher
from autotelic.engines.torch_engine import TorchEngine
from autotelic.errors import DataError, SettingError
from autotelic.learning.examples import written
from autotelic.learning.learner import Learner, Optimizer
from autotelic.learning.objectives import NLL
from autotelic.networks.lora import LoRA, adapters, inject, save_adapter
from autotelic.networks.model import LanguageModel
from autotelic.policies.checkpoint import save_model
from autotelic.policies.policy import Policy
from autotelic.policies.tokenizer import Tokenizer

SETTINGS = LoRA(rank=3, alpha=12.0, targets=("q_proj", "v_proj", "down_proj"))
ROWS = torch.randint(0, 40, (2, 12), generator=torch.Generator().manual_seed(3))


def stir(model: torch.nn.Module) -> None:
    """Random adapter weights, so that the adapter does something."""
    generator = torch.Generator().manual_seed(4)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            parameter.data.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)


def logits(policy: Policy) -> Tensor:
    with torch.no_grad():
        return policy.model.head(policy.model.hidden(ROWS))


def load(folder: Path, lora: LoRA | None = None) -> Policy:
    return Policy.load("solver", folder, Batcher(TorchEngine()), lora=lora)


@pytest.fixture
def base(tiny: Callable[..., LanguageModel], tokenizer: Tokenizer, tmp_path: Path) -> Path:
    """A qwen2 model folder: its projections have biases."""
    save_model(tiny("qwen2"), tokenizer, tmp_path / "base")
    return tmp_path / "base"


def mistral(tokenizer: Tokenizer, folder: Path) -> Path:
    """A model folder that only transformers runs."""
    torch.manual_seed(0)
    config = MistralConfig(
        vocab_size=len(tokenizer.inner), hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        max_position_embeddings=96,
    )  # fmt: skip
    MistralForCausalLM(config).save_pretrained(folder)
    tokenizer.save(folder)
    return folder


def test_a_new_adapter_changes_nothing_and_only_it_is_trained(base: Path) -> None:
    plain, adapted = load(base), load(base, SETTINGS)
    assert torch.equal(logits(plain), logits(adapted))
    assert len(adapters(adapted.model)) == 2 * 3
    before = {name: value.clone() for name, value in adapted.model.state_dict().items()}
    learner = Learner(adapted, Optimizer(learning_rate=0.1), 0)
    learner.learn([written("a", [5, 6], [7, 8, 9])], NLL())
    changed = {name for name, value in adapted.model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed
    assert all(name.endswith("lora_B") for name in changed)  # the gradient of A is 0 while B is
    assert not torch.equal(logits(plain), logits(adapted))
    assert adapted.snapshot().keys() == {f"{name}.{part}" for name in adapters(adapted.model) for part in ("lora_A", "lora_B")}


@pytest.mark.parametrize("kind", ["decoder", "transformers"])
def test_peft_loads_our_adapter_and_the_merged_model_is_equal(kind: str, base: Path, tokenizer: Tokenizer, tmp_path: Path) -> None:
    source = base if kind == "decoder" else mistral(tokenizer, tmp_path / "mistral")
    policy = load(source, SETTINGS)
    stir(policy.model)
    policy.save(tmp_path / "out")
    ours = logits(policy)
    assert (ours - logits(load(source))).abs().max() > 0.05
    with torch.no_grad():
        theirs = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(source), tmp_path / "out" / "adapter")
        torch.testing.assert_close(theirs(ROWS).logits, ours, atol=2e-5, rtol=1e-4)
        merged = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
        torch.testing.assert_close(merged(ROWS).logits, ours, atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(logits(load(tmp_path / "out")), ours, atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(logits(load(tmp_path / "out" / "adapter")), ours, atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", ["decoder", "transformers"])
def test_we_load_an_adapter_that_peft_made(kind: str, base: Path, tokenizer: Tokenizer, tmp_path: Path) -> None:
    source = base if kind == "decoder" else mistral(tokenizer, tmp_path / "mistral")
    config = LoraConfig(r=4, lora_alpha=6, target_modules=["k_proj", "o_proj", "up_proj"], task_type="CAUSAL_LM")
    theirs = get_peft_model(AutoModelForCausalLM.from_pretrained(source), config).eval()
    stir(theirs)
    theirs.save_pretrained(str(tmp_path / "adapter"))
    policy = load(tmp_path / "adapter")
    assert policy.lora == LoRA(rank=4, alpha=6.0, targets=("k_proj", "o_proj", "up_proj"))
    with torch.no_grad():
        torch.testing.assert_close(logits(policy), theirs(ROWS).logits, atol=2e-5, rtol=1e-4)


def test_an_adapter_keeps_its_shape(base: Path, tmp_path: Path) -> None:
    load(base, SETTINGS).save(tmp_path / "out")
    with pytest.raises(SettingError, match=r"lora\.alpha, lora\.rank: .*adapter is an adapter already"):
        load(tmp_path / "out" / "adapter", LoRA(rank=8, alpha=16.0))
    with pytest.raises(SettingError, match=r"^lora: "):
        load(tmp_path / "out" / "adapter", LoRA())
    assert load(tmp_path / "out", LoRA(rank=8)).lora == LoRA(rank=8)  # merged, so a model like any other


def test_snapshots_of_an_adapter_go_back_and_forth(base: Path) -> None:
    policy = load(base, SETTINGS)
    start = policy.snapshot()
    before = logits(policy)
    stir(policy.model)
    assert not torch.equal(logits(policy), before)
    policy.restore(start)
    assert torch.equal(logits(policy), before)


def test_targets_that_cannot_have_an_adapter_are_errors(tiny: Callable[..., LanguageModel]) -> None:
    with pytest.raises(SettingError, match=r"lora\.targets: no linear layer is named q_prj"):
        inject(tiny(), LoRA(targets=("q_prj",)))
    with pytest.raises(SettingError, match="lm_head shares its weight with the embedding"):
        inject(tiny("llama", tied=True), LoRA(targets=("lm_head",)))


def test_an_adapter_on_an_untied_head_is_merged(tiny: Callable[..., LanguageModel], tokenizer: Tokenizer, tmp_path: Path) -> None:
    save_model(tiny("llama", tied=False), tokenizer, tmp_path / "base")
    policy = load(tmp_path / "base", LoRA(rank=2, targets=("lm_head",)))
    stir(policy.model)
    policy.save(tmp_path / "out")
    torch.testing.assert_close(logits(load(tmp_path / "out")), logits(policy), atol=2e-5, rtol=1e-4)


PEFT_KINDS: dict[str, dict[str, Any]] = {
    "all-linear": {"target_modules": "all-linear"},
    "all-linear but some": {"target_modules": "all-linear", "exclude_modules": ["q_proj"]},
    "a regular expression": {"target_modules": r"model\.layers\.[01]\.self_attn\.(q|v)_proj"},
    "whole names": {"target_modules": ["layers.1.mlp.up_proj", "model.layers.0.self_attn.o_proj"]},
    "one layer": {"target_modules": ["k_proj"], "layers_to_transform": [1]},
    "ranks and alphas by layer": {
        "target_modules": ["q_proj", "v_proj", "up_proj"],
        "rank_pattern": {"q_proj": 2, "layers.1.mlp.up_proj": 5},
        "alpha_pattern": {r"layers\.\d+\.self_attn\.v_proj": 3, "up_proj": 9},
    },
    "rslora": {"target_modules": ["q_proj", "down_proj"], "use_rslora": True, "rank_pattern": {"q_proj": 2}},
    "gaussian": {"target_modules": ["q_proj"], "init_lora_weights": "gaussian"},
    "orthogonal": {"target_modules": ["q_proj"], "init_lora_weights": "orthogonal"},
    "not begun": {"target_modules": ["q_proj"], "init_lora_weights": False},
}


@pytest.mark.parametrize("kind", PEFT_KINDS)
@pytest.mark.parametrize("source", ["decoder", "transformers"])
def test_whatever_plain_adapter_peft_writes_computes_the_same_here(source: str, kind: str, base: Path, tokenizer: Tokenizer, tmp_path: Path) -> None:
    folder = base if source == "decoder" else mistral(tokenizer, tmp_path / "mistral")
    options = {"r": 4, "lora_alpha": 6, "task_type": "CAUSAL_LM", **PEFT_KINDS[kind]}
    theirs = get_peft_model(AutoModelForCausalLM.from_pretrained(folder), LoraConfig(**options)).eval()
    if kind != "orthogonal":
        stir(theirs)
    theirs.save_pretrained(str(tmp_path / "adapter"))
    policy = load(tmp_path / "adapter")
    with torch.no_grad():
        want = theirs(ROWS).logits
        torch.testing.assert_close(logits(policy), want, atol=2e-5, rtol=1e-4)
        policy.save(tmp_path / "out")
        again = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(folder), tmp_path / "out" / "adapter")
        torch.testing.assert_close(again(ROWS).logits, want, atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(logits(load(tmp_path / "out" / "adapter")), want, atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(logits(load(tmp_path / "out")), want, atol=1e-4, rtol=1e-4)


def gpt2(tokenizer: Tokenizer, folder: Path) -> Path:
    """A model folder whose linear layers have their weights the other way round."""
    torch.manual_seed(0)
    GPT2LMHeadModel(GPT2Config(vocab_size=len(tokenizer.inner), n_embd=32, n_layer=2, n_head=4, n_positions=96)).save_pretrained(folder)
    tokenizer.save(folder)
    return folder


@pytest.mark.parametrize("targets", [None, "all-linear"])
def test_peft_adapters_of_gpt2_are_run_and_merged(targets: str | None, tokenizer: Tokenizer, tmp_path: Path) -> None:
    folder = gpt2(tokenizer, tmp_path / "gpt2")
    config = LoraConfig(r=3, lora_alpha=7, target_modules=targets, fan_in_fan_out=True, task_type="CAUSAL_LM")
    theirs = get_peft_model(AutoModelForCausalLM.from_pretrained(folder), config).eval()
    stir(theirs)
    theirs.save_pretrained(str(tmp_path / "adapter"))
    policy = load(tmp_path / "adapter")
    assert len(adapters(policy.model)) == (2 if targets is None else 8)
    with torch.no_grad():
        torch.testing.assert_close(logits(policy), theirs(ROWS).logits, atol=2e-5, rtol=1e-4)
    policy.save(tmp_path / "out")
    torch.testing.assert_close(logits(load(tmp_path / "out")), logits(policy), atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(logits(load(tmp_path / "out" / "adapter")), logits(policy), atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", ["pissa", "pissa_niter_2", "olora"])
def test_adapters_that_change_their_base_are_refused(kind: str, base: Path, tmp_path: Path) -> None:
    config = LoraConfig(r=4, target_modules=["q_proj"], init_lora_weights=kind, task_type="CAUSAL_LM")
    get_peft_model(AutoModelForCausalLM.from_pretrained(base), config).save_pretrained(str(tmp_path / "adapter"))
    with pytest.raises(DataError, match=rf"adapter_config\.json: init_lora_weights = '{kind}' changes the base"):
        load(tmp_path / "adapter")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"use_dora": True}, "use_dora = True: only plain LoRA"),
        ({"bias": "lora_only"}, "bias = 'lora_only'"),
        ({"modules_to_save": ["lm_head"]}, r"modules_to_save = \['lm_head'\]"),
        ({"lora_bias": True}, "lora_bias = True"),
        ({"trainable_token_indices": [1, 2]}, "trainable_token_indices"),
        ({"target_modules": ["embed_tokens"]}, "embed_tokens"),
    ],
)
def test_adapters_that_peft_writes_and_we_do_not_run_are_refused_by_name(options: dict[str, Any], message: str, base: Path, tmp_path: Path) -> None:
    config = LoraConfig(**{"r": 4, "target_modules": ["q_proj"], "task_type": "CAUSAL_LM", **options})
    get_peft_model(AutoModelForCausalLM.from_pretrained(base), config).save_pretrained(str(tmp_path / "adapter"))
    with pytest.raises(DataError, match=message):
        load(tmp_path / "adapter")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"use_qalora": True}, "use_qalora = True: only plain LoRA"),
        ({"something_new": {"a": 1}}, "something_new = {'a': 1}: only plain LoRA"),
        ({"peft_type": "IA3"}, "only plain LoRA"),
        ({"target_modules": None}, "target_modules is None; only names of layers are supported"),
        ({"r": 5}, "lora_A.weight is missing or has another shape"),
        ({"r": 10**12}, "r = 1000000000000: input should be at most 1000000000"),
        ({"rank_pattern": {"q_proj": 0}}, r"rank_pattern = 0: .*greater than or equal to 1"),
        ({"alpha_pattern": {"(a+)+": 2.0}}, "could take for ever to match"),
        ({"alpha_pattern": {"q_proj(": 2.0}}, "is no regular expression"),
        ({"lora_alpha": "much"}, "lora_alpha = 'much'"),
        ({"target_modules": ["q_proj", "v_proj"]}, "down_proj.lora_A.weight is not part of a plain LoRA adapter"),
        ({"target_modules": ["q_proj", "v_proj", "down_proj", "up_proj"]}, "up_proj.lora_A.weight is missing"),
        ({"base_model_name_or_path": None}, "no base_model_name_or_path"),
    ],
)
def test_adapters_we_cannot_run_as_they_are_meant_are_refused(changes: dict[str, object], message: str, base: Path, tmp_path: Path) -> None:
    policy = load(base, SETTINGS)
    save_adapter(policy.model, SETTINGS, str(base), tmp_path / "adapter")
    config = tmp_path / "adapter" / "adapter_config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), **changes}))
    with pytest.raises(DataError, match=message):
        load(tmp_path / "adapter")


def test_an_adapter_finds_its_base_from_its_own_folder_and_from_everywhere(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = load(base, SETTINGS)
    stir(policy.model)
    save_adapter(policy.model, SETTINGS, "../base", tmp_path / "adapter")
    monkeypatch.chdir("/")
    assert torch.equal(logits(load(tmp_path / "adapter")), logits(policy))
    monkeypatch.chdir(tmp_path)
    from_here = load(Path("base"), SETTINGS)
    assert from_here.source == str(base)
    from_here.save(Path("out"))
    monkeypatch.chdir("/")
    assert json.loads((tmp_path / "out/adapter/adapter_config.json").read_text())["base_model_name_or_path"] == str(base)
    assert load(tmp_path / "out" / "adapter").source == str(base)
    load(tmp_path / "adapter").save(tmp_path / "again")
    assert load(tmp_path / "again" / "adapter").source == str(base)


def test_a_base_that_is_not_there_is_an_error_of_the_adapter(base: Path, tmp_path: Path) -> None:
    policy = load(base, SETTINGS)
    for name, message in (("../lost", "no such model folder"), (str(tmp_path / "adapter"), "an adapter")):
        save_adapter(policy.model, SETTINGS, name, tmp_path / "adapter")
        with pytest.raises(DataError, match=rf"adapter.*{message}"):
            load(tmp_path / "adapter")


def test_an_adapter_brings_the_tokenizer_it_was_trained_with(base: Path, tokenizer: Tokenizer, tmp_path: Path) -> None:
    policy = load(base, SETTINGS)
    policy.save(tmp_path / "out")
    other = Tokenizer.load(base).inner
    other.chat_template = "{% for m in messages %}{{ m.content }};{% endfor %}"
    other.save_pretrained(tmp_path / "out" / "adapter")
    assert load(tmp_path / "out" / "adapter").tokenizer.render([{"role": "user", "content": "1+1"}]) == "1+1;"


def test_a_missing_or_broken_adapter_file_is_an_error(base: Path, tmp_path: Path) -> None:
    policy = load(base, SETTINGS)
    save_adapter(policy.model, SETTINGS, str(base), tmp_path)
    weights = tmp_path / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])
    with pytest.raises(DataError, match=r"adapter_model\.safetensors: cannot be read"):
        load(tmp_path)
    weights.unlink()
    with pytest.raises(DataError, match=r"adapter_model\.safetensors: cannot be read"):
        load(tmp_path)
