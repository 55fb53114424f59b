"""Model folders that are not what they seem: pipes and devices in place of files, sizes that the weights have not, weights beyond the memory."""

import json
import os
import socket
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from subwords import subwords, write_model
from transformers import GPT2Config, GPT2LMHeadModel, MistralConfig, MistralForCausalLM

from autotelic.errors import DataError
from autotelic.policies.checkpoint import load_model
from autotelic.policies.folder import resolve
from autotelic.policies.sizes import check_memory, free_memory
from autotelic.policies.tokenizer import Tokenizer


@pytest.fixture
def llama(tmp_path: Path) -> Path:
    write_model(tmp_path / "m", subwords(), {}, tie_word_embeddings=False)
    return tmp_path / "m"


def change(folder: Path, **changes: Any) -> None:
    """Other values in config.json; None takes a key away."""
    raw = json.loads((folder / "config.json").read_text()) | changes
    (folder / "config.json").write_text(json.dumps({key: value for key, value in raw.items() if value is not None}))


FILES = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json"]


@pytest.mark.parametrize("name", [*FILES, "special_tokens_map.json", "model.safetensors.index.json", "adapter_config.json", "vocab.txt"])
@pytest.mark.parametrize("kind", ["pipe", "device", "socket"])
def test_what_is_no_regular_file_is_refused_and_not_waited_for(name: str, kind: str, llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = llama / name
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        with socket.socket(socket.AF_UNIX) as made:
            monkeypatch.chdir(llama)  # a socket's whole path may be too long for it
            made.bind(name)
    for load in (load_model, Tokenizer.load):
        with pytest.raises(DataError, match=rf"{name}: not a regular file"):
            load(llama)


def test_a_pipe_is_no_model_and_others_are_none_of_our_business(llama: Path) -> None:
    os.mkfifo(llama / "talk.fifo")
    assert load_model(llama).vocab_size == len(subwords())
    for name in ("talk.fifo", "model.gguf"):
        if not (llama / name).exists():
            os.mkfifo(llama / name)
        with pytest.raises(DataError, match=f"{name}: not a regular file"):
            resolve(llama / name)
    with pytest.raises(DataError, match=r"config\.json: no such model folder; a file is a model only as GGUF"):
        resolve(llama / "config.json")


def test_a_config_of_a_terabyte_is_not_read(llama: Path) -> None:
    with (llama / "config.json").open("ab") as file:
        file.truncate(1 << 40)  # a hole: it takes no room on the disk
    with pytest.raises(DataError, match=r"config\.json: 1099511627776 bytes are too many"):
        load_model(llama)


def cached(hub: Path, name: str, *files: str) -> Path:
    """A repository as the cache of the hub has it once some of its files were fetched."""
    folder = hub / f"models--{name.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("a" * 40)
    (folder / "snapshots" / ("a" * 40)).mkdir(parents=True)
    for file in files:
        (folder / "snapshots" / ("a" * 40) / file).write_bytes(b"GGUF")
    return folder / "snapshots" / ("a" * 40)


def test_gguf_files_of_the_hub_are_named_or_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    one, two = cached(tmp_path, "some/one", "a.gguf", "README.md"), cached(tmp_path, "some/two", "a.gguf", "b.gguf")
    assert resolve("some/one") == resolve("some/one/a.gguf") == one / "a.gguf"
    assert resolve("some/two/b.gguf") == two / "b.gguf"
    with pytest.raises(DataError, match=r"holds 2 GGUF files; name one"):
        resolve("some/two")
    for name in ("some/one/c.gguf", "some/none", "some/one/a.txt", "some/one/more/a.gguf"):
        with pytest.raises(DataError, match=f"^{name}: "):
            resolve(name)


def test_a_chat_model_in_the_cache_of_the_hub_is_trained_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `--model owner/name` does once it is fetched: the code is the real one, and no network is asked."""
    from huggingface_hub import constants

    from autotelic.runs import loop
    from autotelic.runs.progress import Progress

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    write_model(cached(tmp_path / "hub", "some/chat"), subwords(), {}, max_position_embeddings=1024)
    run = {"recipe": "gold", "model": "some/chat", "tasks": "word-problems", "rounds": 1, "tasks_per_round": 2, "group_size": 2, "probe_size": 2}
    small = {"probe_samples": 0, "pool_size": 8, "sampling": {"max_tokens": 4}, "gate": {"mode": "off"}, "out": str(tmp_path / "run")}
    loop.start({**run, **small}, Progress(quiet=True))
    assert load_model(tmp_path / "run" / "model").vocab_size == len(subwords())


def test_what_the_hub_would_have_to_send_offline_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    said = r"\(HF_HUB_OFFLINE is set, and it is not in the cache; without a network, name a folder or a GGUF file, .*`hf download some/none` was called\)"
    for name in ("some/none", "some/none/a.gguf"):
        with pytest.raises(DataError, match=rf"^{name}: neither a folder nor a model that could be fetched from the hub {said}"):
            resolve(name)


def test_links_to_regular_files_are_read(llama: Path, tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    for path in llama.iterdir():
        (tmp_path / "links" / path.name).symlink_to(path)
    assert load_model(tmp_path / "links").vocab_size == len(subwords())


SIZES = ["hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim", "vocab_size"]


@pytest.mark.parametrize("key", [*SIZES, "max_position_embeddings"])
@pytest.mark.parametrize("value", [-1, 0, "32", 32.0, True, [4], 1 << 40, 10**30])
def test_absurd_sizes_are_errors_of_their_key(key: str, value: object, llama: Path) -> None:
    change(llama, **{key: value})
    with pytest.raises(DataError, match=rf"config\.json: {key} = "):
        load_model(llama)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_size": 1 << 20}, r"hidden_size = 1048576, and no tensor of the weights has a side of more than \d+"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers = 1000000000, and the weights have 2 layers"),
        ({"num_hidden_layers": 1}, "num_hidden_layers = 1, and the weights have 2 layers"),
        ({"max_position_embeddings": 10**12}, "max_position_embeddings = 1000000000000: at most 16777216"),
        ({"vocab_size": 300}, r"vocab_size = 300, but model.embed_tokens.weight has \d+ rows"),
        ({"hidden_size": 64}, "hidden_size = 64, but model.embed_tokens.weight has 32 columns"),
        ({"intermediate_size": 32}, "intermediate_size = 32, but model.layers.0.mlp.gate_proj.weight has 64 rows"),
        ({"num_attention_heads": 3}, "num_key_value_heads = 2 does not divide num_attention_heads = 3"),
        ({"num_attention_heads": 6, "head_dim": None}, "num_attention_heads = 6 does not divide hidden_size = 32"),
        ({"num_attention_heads": 2}, "num_attention_heads x head_dim = 16, but model.layers.0.self_attn.q_proj.weight has 32 rows"),
        ({"num_key_value_heads": 4}, "num_key_value_heads x head_dim = 32, but model.layers.0.self_attn.k_proj.weight has 16 rows"),
        ({"head_dim": 7}, "head_dim = 7: must be even"),
        ({"rms_norm_eps": "small"}, "rms_norm_eps = 'small': must be a number above 0"),
        ({"rms_norm_eps": -1.0}, "rms_norm_eps = -1.0"),
        ({"rope_parameters": {"rope_type": "default", "rope_theta": -5}}, "rope_theta = -5.0"),
        ({"rope_parameters": {"rope_type": "default", "rope_theta": "x"}}, "config.json: could not convert"),
        ({"rope_parameters": ["x"]}, "config.json: "),
        ({"hidden_size": None}, "no 'hidden_size'"),
        ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, r"quantization_config: the weights are quantized \(gptq\)"),
        ({"attention_bias": True}, "do not fit config.json: model.layers.0.self_attn.k_proj.bias is missing"),
    ],
)
def test_configs_that_do_not_fit_their_weights_are_errors(changes: dict[str, Any], message: str, llama: Path) -> None:
    change(llama, **changes)
    with pytest.raises(DataError, match=message):
        load_model(llama)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_layer": 10**9}, "n_layer = 1000000000, and the weights have 2 layers"),
        ({"n_embd": 1 << 30}, "n_embd = 1073741824, and no tensor"),
        ({"n_positions": 10**12}, "n_positions = 1000000000000: at most"),
        ({"n_positions": 1 << 23}, r"size mismatch for transformer.wpe.weight: \[48, 32\] in the file, \[8388608, 32\] by the config"),
        ({"vocab_size": 10**8}, "vocab_size = 100000000, and no tensor"),
        ({"vocab_size": 60}, "size mismatch for transformer.wte.weight"),
        ({"n_head": -2}, "n_head = -2: must be a whole number of at least 1"),
        ({"n_head": 5}, "transformers cannot load this model: .*divisible by num_heads"),
        ({"n_inner": "wide"}, "n_inner = 'wide'"),
        ({"activation_function": "shout"}, "transformers cannot load this model"),
    ],
)
def test_configs_that_only_transformers_reads_are_checked_too(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    GPT2LMHeadModel(GPT2Config(vocab_size=90, n_embd=32, n_layer=2, n_head=4, n_positions=48)).save_pretrained(tmp_path)
    change(tmp_path, **changes)
    with pytest.raises(DataError, match=message):
        load_model(tmp_path)


def test_numbers_and_brackets_without_end_are_no_json(llama: Path) -> None:
    for text in ('{"hidden_size": 1' + "0" * 5000 + "}", "[" * 100_000):
        (llama / "config.json").write_text(text)
        with pytest.raises(DataError, match=r"config\.json: not valid JSON"):
            load_model(llama)


@pytest.mark.parametrize("text", ['{"weight_map": ["a"]}', '{"weight_map": {}}', "{}"])
def test_an_index_without_a_map_is_an_error(text: str, llama: Path) -> None:
    (llama / "model.safetensors").unlink()
    (llama / "model.safetensors.index.json").write_text(text)
    with pytest.raises(DataError, match=r"model\.safetensors\.index\.json: weight_map: expected an object"):
        load_model(llama)


def test_a_header_that_promises_too_much_is_an_error(llama: Path) -> None:
    path = llama / "model.safetensors"
    for header in (
        struct.pack("<Q", 1 << 60),
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 66) + b'{"a":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4]}}',
    ):
        path.write_bytes(header)
        with pytest.raises(DataError, match=r"model\.safetensors: cannot be read as safetensors"):
            load_model(llama)


def test_weights_in_whole_numbers_are_refused(llama: Path) -> None:
    state = load_file(llama / "model.safetensors")
    save_file({**state, "model.norm.weight": torch.ones(32, dtype=torch.int8)}, llama / "model.safetensors")
    with pytest.raises(DataError, match=r"model\.norm\.weight is I8; weights must be one of F64, F32, F16, BF16"):
        load_model(llama)


def test_weights_beyond_the_memory_are_told_with_the_number_before_they_are_read(llama: Path) -> None:
    weights = 500_000_000_000
    header = json.dumps({"model.embed_tokens.weight": {"dtype": "F16", "shape": [weights], "data_offsets": [0, 2 * weights]}}).encode()
    with (llama / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(8 + len(header) + 2 * weights)  # a hole: it takes no room on the disk
    change(llama, model_type="mistral")
    with pytest.raises(DataError, match=r"m: its 500,000,000,000 weights need 2000\.0 GB in fp32, and [\d.]+ GB of memory are free"):
        load_model(llama)


def test_memory_is_counted_in_bytes_of_fp32() -> None:
    check_memory(Path("m"), 250, 1000)
    check_memory(Path("m"), 10**15, None)
    with pytest.raises(DataError, match=r"m: its 2,500,000,000 weights need 10\.0 GB in fp32, and 9\.9 GB of memory are free"):
        check_memory(Path("m"), 2_500_000_000, 9_900_000_000)
    free = free_memory()
    assert free is None or 10**8 < free < 10**15


def two_heads(folder: Path, same: bool = False) -> None:
    """A head of its own in the file, whatever the config says."""
    state = load_file(folder / "model.safetensors")
    state["lm_head.weight"] = state["model.embed_tokens.weight"].clone() if same else state["model.embed_tokens.weight"] * 0.5 + 0.01
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})


def logits_of(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return model.head(model.hidden(torch.arange(6)[None]))


@pytest.mark.parametrize("family", ["llama", "mistral"])
def test_a_head_of_its_own_is_kept_as_transformers_keeps_it(family: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from transformers import AutoModelForCausalLM

    from autotelic.policies.checkpoint import save_model

    folder = tmp_path / "m"
    write_model(folder, subwords())
    if family == "mistral":
        torch.manual_seed(0)
        shape = {"vocab_size": len(subwords()), "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
        MistralForCausalLM(MistralConfig(**shape, num_key_value_heads=2, max_position_embeddings=64, tie_word_embeddings=True)).save_pretrained(
            folder
        )
    two_heads(folder)
    theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)(torch.arange(6)[None]).logits
    ours = load_model(folder)
    torch.testing.assert_close(logits_of(ours), theirs, atol=1e-6, rtol=0)
    if family == "llama":
        assert "tie_word_embeddings is true, but lm_head.weight differs" in capsys.readouterr().err
    save_model(ours, Tokenizer.load(folder), tmp_path / "out")
    assert json.loads((tmp_path / "out" / "config.json").read_text())["tie_word_embeddings"] is False
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype=torch.float32)(torch.arange(6)[None]).logits
    torch.testing.assert_close(again, theirs, atol=1e-6, rtol=0)
    torch.testing.assert_close(logits_of(load_model(tmp_path / "out")), theirs, atol=1e-6, rtol=0)


def test_two_equal_tensors_and_either_alone_are_one(tmp_path: Path) -> None:
    write_model(tmp_path, subwords())
    plain = logits_of(load_model(tmp_path))
    two_heads(tmp_path, same=True)
    model = load_model(tmp_path)
    assert torch.equal(logits_of(model), plain)
    assert model.get_parameter("lm_head.weight") is model.get_parameter("model.embed_tokens.weight")
    state = load_file(tmp_path / "model.safetensors")
    del state["model.embed_tokens.weight"]
    save_file(state, tmp_path / "model.safetensors", metadata={"format": "pt"})
    assert torch.equal(logits_of(load_model(tmp_path)), plain)


@pytest.mark.parametrize("family", ["llama", "mistral"])
def test_an_untied_head_that_is_missing_is_an_error(family: str, llama: Path) -> None:
    state = load_file(llama / "model.safetensors")
    del state["lm_head.weight"]
    save_file(state, llama / "model.safetensors", metadata={"format": "pt"})
    change(llama, model_type=family)
    with pytest.raises(DataError, match=r"the weights do not fit .*: lm_head\.weight is missing"):
        load_model(llama)
