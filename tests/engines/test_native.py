"""The native engine against the decoder's forward pass and against the torch engine."""

import platform
import signal
import stat
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from autotelic.engines.base import Completion, Request, Vocabulary
from autotelic.engines.batching import Batcher
from autotelic.engines.native import NativeEngine, available, supports
from autotelic.engines.native.library import library
from autotelic.engines.torch_engine import TorchEngine
from autotelic.errors import DataError, SettingError
from autotelic.networks.decoder import Decoder, DecoderConfig
from autotelic.networks.lora import LoRA, adapters, inject
from autotelic.networks.model import LanguageModel
from autotelic.networks.transformers_model import TransformersModel
from autotelic.streams import key
from autotelic.types import Sampling, StopReason

BASE = DecoderConfig("llama", vocab_size=19, hidden_size=32, intermediate_size=48, layers=2, heads=4, kv_heads=4, head_dim=8, context=128)
SHAPES = {
    "llama": BASE,
    "llama, all biases, untied": replace(BASE, qkv_bias=True, output_bias=True, mlp_bias=True, tied=False),
    "qwen2, grouped": replace(BASE, family="qwen2", qkv_bias=True, kv_heads=2),
    "qwen3, grouped, untied": replace(BASE, family="qwen3", qk_norm=True, kv_heads=1, tied=False, head_dim=32, vocab_size=1000),
    "odd sizes": replace(BASE, hidden_size=60, intermediate_size=53, heads=5, kv_heads=5, head_dim=12, vocab_size=19),
    "odd sizes, norms": replace(BASE, family="qwen3", qk_norm=True, hidden_size=60, intermediate_size=101, heads=3, head_dim=20, kv_heads=1),
    "narrow heads": replace(BASE, heads=2, kv_heads=1, head_dim=2, layers=1, vocab_size=33),
    "wide heads": replace(BASE, heads=2, kv_heads=1, head_dim=160, rope_theta=1e6),
}
NEVER = Vocabulary(frozenset(), 0, lambda ids: "".join(chr(97 + i % 26) for i in ids))
ENGINES = {"native": NativeEngine, "native, bf16": lambda: NativeEngine(2, "bf16"), "torch": TorchEngine}
TUNINGS = [None, *(["-march=x86-64"] if platform.machine() == "x86_64" else [])]
if "-march=x86-64" in TUNINGS and torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512"):
    TUNINGS.append("-march=x86-64-v3")


def network(config: DecoderConfig = BASE, seed: int = 0, std: float = 0.25) -> Decoder:
    """A random decoder whose biases and norms are random too."""
    model = Decoder(config)
    generator = torch.Generator().manual_seed(seed)
    model.initialize(generator, std=std)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.2)
    return model


def prompts(config: DecoderConfig, lengths: Sequence[int]) -> list[tuple[int, ...]]:
    return [tuple(key("prompt", i, j) % config.vocab_size for j in range(length)) for i, length in enumerate(lengths)]


def requests(config: DecoderConfig, sampling: Sampling, lengths: Sequence[int] = (1, 5, 16, 17, 33), samples: int = 3) -> list[Request]:
    rows = enumerate(prompts(config, lengths))
    return [Request(prompt, tuple(key("sample", i, j) for j in range(samples)), sampling) for i, prompt in rows]


def agree(first: list[list[Completion]], second: list[list[Completion]], tolerance: float = 1e-4) -> None:
    """The same tokens and reasons, and log-probabilities within `tolerance`."""
    assert [len(group) for group in first] == [len(group) for group in second]
    for left, right in ((a, b) for group, other in zip(first, second, strict=True) for a, b in zip(group, other, strict=True)):
        assert left.tokens == right.tokens
        assert left.stop is right.stop
        assert left.logprobs == pytest.approx(right.logprobs, abs=tolerance)


def both(model: LanguageModel, wanted: list[Request], vocabulary: Vocabulary = NEVER) -> list[list[Completion]]:
    """What the native engine returns, after a check that the torch engine returns the same."""
    made = NativeEngine().generate(model, wanted, vocabulary)
    agree(made, TorchEngine().generate(model, wanted, vocabulary))
    return made


@torch.no_grad()
def forward_logprobs(model: Decoder, prompt: Sequence[int], tokens: Sequence[int], scale: float) -> list[float]:
    """Log-probabilities of a continuation by the decoder's forward pass over the whole sequence."""
    logits = model.head(model.hidden(torch.tensor([[*prompt, *tokens]])))[0, len(prompt) - 1 : -1]
    return (logits / scale).log_softmax(-1).gather(1, torch.tensor(tokens)[:, None])[:, 0].tolist()


@pytest.mark.parametrize("tuning", TUNINGS)
@pytest.mark.parametrize("name", SHAPES)
def test_logprobs_equal_the_forward_pass(name: str, tuning: str | None) -> None:
    model = network(SHAPES[name])
    wanted = requests(model.config, Sampling(max_tokens=40, temperature=0.8))
    for request, group in zip(wanted, NativeEngine(tuning=tuning).generate(model, wanted, NEVER), strict=True):
        for completion in group:
            assert len(completion.tokens) == 40
            assert completion.logprobs == pytest.approx(forward_logprobs(model, request.prompt, completion.tokens, 0.8), abs=1e-4)


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(max_tokens=24),
        Sampling(max_tokens=24, temperature=0.0),
        Sampling(max_tokens=24, temperature=1.7, top_k=3),
        Sampling(max_tokens=24, top_p=0.6),
        Sampling(max_tokens=24, temperature=1.3, top_k=7, top_p=0.9),
    ],
)
def test_samples_equal_the_torch_engine(name: str, sampling: Sampling) -> None:
    model = network(SHAPES[name])
    made = both(model, requests(model.config, sampling), Vocabulary(frozenset({3, 7}), 0, str))
    assert len({tuple(completion.tokens) for group in made for completion in group}) > 3


@pytest.mark.parametrize("tuning", TUNINGS)
def test_bf16_is_close_and_samples_what_it_scores(tuning: str | None) -> None:
    for name in ("llama", "qwen3, grouped, untied", "odd sizes", "odd sizes, norms"):
        model = network(SHAPES[name], std=0.1)
        wanted = requests(model.config, Sampling(max_tokens=40))
        engine = NativeEngine(precision="bf16", tuning=tuning)
        made = engine.generate(model, wanted, NEVER)
        for request, group in zip(wanted, made, strict=True):
            for completion in group:
                assert completion.logprobs == pytest.approx(forward_logprobs(model, request.prompt, completion.tokens, 1.0), abs=0.1)
        forced = [Request(r.prompt, r.streams[:1], r.sampling, tuple(group[0].tokens)) for r, group in zip(wanted, made, strict=True)]
        assert [group[0].logprobs for group in made] == [group[0].logprobs for group in engine.generate(model, forced, NEVER)]


def test_filters_keep_what_they_should() -> None:
    model = network(std=0.4)
    prompt = prompts(BASE, [6])[0]
    with torch.no_grad():
        likeliest = model.head(model.hidden(torch.tensor([prompt])))[0, -1].softmax(-1).sort(descending=True)
    streams = tuple(key("filter", i) for i in range(400))
    for sampling, kept in ((Sampling(max_tokens=1, top_k=4), 4), (Sampling(max_tokens=1, top_p=0.5), int((likeliest[0].cumsum(0) < 0.5).sum()) + 1)):
        made = both(model, [Request(prompt, streams, sampling)])[0]
        assert {completion.tokens[0] for completion in made} == set(likeliest[1][:kept].tolist())


def test_stop_strings() -> None:
    model = network()
    wanted = requests(BASE, Sampling(max_tokens=60, stop=("ab", "qd", "g")), samples=8)
    made = both(model, wanted, replace(NEVER, end=frozenset({11})))
    stopped = [completion for group in made for completion in group if completion.stop is StopReason.STOP]
    assert stopped
    assert all(NEVER.decode(c.tokens).endswith(("ab", "qd", "g")) for c in stopped)


def test_an_exception_while_decoding_reaches_the_caller() -> None:
    def decode(ids: Sequence[int]) -> str:
        raise KeyError("broken tokenizer")

    for threads in (1, 2):
        with pytest.raises(KeyError, match="broken tokenizer"):
            NativeEngine(threads).generate(network(), requests(BASE, Sampling(stop=("x",))), Vocabulary(frozenset(), 0, decode))


def test_forced_prefix_is_scored_and_then_sampled_from() -> None:
    model = network()
    forced = (4, 3, 3, 9)  # 3 ends a completion, but not inside what is forced
    wanted = [replace(r, forced=forced) for r in requests(BASE, Sampling(max_tokens=20))]
    made = both(model, wanted, Vocabulary(frozenset({3}), 0, str))
    assert all(tuple(c.tokens[:4]) == forced and len(c.tokens) > 4 for group in made for c in group)


def test_scoring_a_continuation_equals_sampling_it() -> None:
    model = network()
    engine = NativeEngine()
    wanted = requests(BASE, Sampling(max_tokens=30))
    made = engine.generate(model, wanted, NEVER)
    for request, group in zip(wanted, made, strict=True):
        scored = engine.generate(model, [Request(request.prompt, (0,), request.sampling, tuple(c.tokens)) for c in group], NEVER)
        assert [c for (c,) in scored] == group


def test_results_do_not_depend_on_threads_or_company() -> None:
    model = network(SHAPES["qwen2, grouped"])
    wanted = requests(model.config, Sampling(max_tokens=50), lengths=(3, 40, 17, 9, 65, 2, 30), samples=7)
    wanted[2] = replace(wanted[2], streams=tuple(range(45)))
    vocabulary = Vocabulary(frozenset({5}), 0, str)
    for precision in ("fp32", "bf16"):
        expected = NativeEngine(1, precision).generate(model, wanted, vocabulary)
        assert NativeEngine(2, precision).generate(model, wanted, vocabulary) == expected
        assert NativeEngine(5, precision).generate(model, wanted, vocabulary) == expected
        assert NativeEngine(2, precision).generate(model, wanted[::-1], vocabulary) == expected[::-1]
        assert NativeEngine(1, precision).generate(model, wanted[4:5], vocabulary) == expected[4:5]
        last = replace(wanted[2], streams=wanted[2].streams[-1:])
        assert NativeEngine(1, precision).generate(model, [last], vocabulary) == [expected[2][-1:]]


def test_prompts_that_begin_alike_are_continued_as_each_alone() -> None:
    model = network(SHAPES["qwen2, grouped"])
    trunk = prompts(model.config, [70])[0]
    ends = [(), (1,), (1, 2), (1, 2, 3) * 9, (2,) * 20, (1,)]
    begun = [trunk[:length] + end for length in (15, 16, 17, 48, 70) for end in ends]
    wanted = [Request(prompt, tuple(key("sample", i, j) for j in range(3)), Sampling(max_tokens=20)) for i, prompt in enumerate(begun)]
    for precision in ("fp32", "bf16"):
        alone = [NativeEngine(1, precision).generate(model, [request], NEVER)[0] for request in wanted]
        assert NativeEngine(1, precision).generate(model, wanted, NEVER) == alone
        assert NativeEngine(3, precision).generate(model, wanted, NEVER) == alone


def test_weights_are_packed_once_per_change() -> None:
    model, other = network(), network(seed=1)
    wanted = requests(BASE, Sampling(max_tokens=12))
    engine = NativeEngine()
    first = engine.generate(model, wanted, NEVER)
    assert engine.generate(model, wanted, NEVER) == first
    assert engine.refreshes == 1
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    model.head(model.hidden(torch.tensor([wanted[0].prompt]))).logsumexp(-1).sum().backward()
    optimizer.step()
    agree(engine.generate(model, wanted, NEVER), TorchEngine().generate(model, wanted, NEVER))
    assert engine.refreshes == 2
    model.load_state_dict(other.state_dict())
    assert engine.generate(model, wanted, NEVER) == engine.generate(other, wanted, NEVER)
    assert engine.refreshes == 4
    model.get_parameter("model.layers.1.mlp.up_proj.weight").data[0, 0] += 1.0  # leaves the tensor's version counter alone
    agree(engine.generate(model, wanted, NEVER), TorchEngine().generate(model, wanted, NEVER))
    assert engine.refreshes == 5


def test_packed_weights_are_freed_and_packed_again() -> None:
    model, engine = network(), NativeEngine()
    wanted = requests(BASE, Sampling(max_tokens=12))
    first = engine.generate(model, wanted, NEVER)
    batcher = Batcher(engine)
    batcher.release(model)
    batcher.release(network(seed=1))  # of which nothing is kept
    assert engine.generate(model, wanted, NEVER) == first and engine.refreshes == 2


def test_adapters_are_merged() -> None:
    model = network(SHAPES["qwen2, grouped"])
    inject(model, LoRA(rank=4))
    with torch.no_grad():
        for layer in adapters(model).values():
            layer.lora_B.normal_(std=0.1, generator=torch.Generator().manual_seed(5))
    both(model, requests(model.config, Sampling(max_tokens=20)))


def test_up_to_the_context_limit_and_not_beyond() -> None:
    model = network(replace(BASE, context=300))
    prompt = prompts(BASE, [130])[0]
    made = both(model, [Request(prompt, (1, 2), Sampling(max_tokens=171))])[0]
    assert made[0].logprobs == pytest.approx(forward_logprobs(model, prompt, made[0].tokens[:-1], 1.0) + made[0].logprobs[-1:], abs=1e-4)
    with pytest.raises(SettingError, match="a prompt of 130 tokens and 172 new ones exceed the model's context of 300"):
        NativeEngine().generate(model, [Request(prompt, (1,), Sampling(max_tokens=172))], NEVER)


def test_limits_differ_within_a_batch() -> None:
    wanted = requests(BASE, Sampling(), samples=2)
    wanted = [replace(r, sampling=Sampling(max_tokens=1 + 7 * i, temperature=i % 2)) for i, r in enumerate(wanted)]
    made = both(network(), wanted)
    assert [len(group[0].tokens) for group in made] == [1, 8, 15, 22, 29]


def test_empty_and_invalid_requests() -> None:
    model, engine = network(), NativeEngine()
    assert engine.generate(model, [], NEVER) == []
    assert engine.generate(model, [Request((1,), (), Sampling())], NEVER) == [[]]
    mixed = [Request((1,), (), Sampling()), Request((2, 3), (7,), Sampling(max_tokens=3)), Request((1,), (), Sampling())]
    assert [len(group) for group in engine.generate(model, mixed, NEVER)] == [0, 1, 0]
    with pytest.raises(DataError, match="token id -2 is not in the model's vocabulary of 19"):
        engine.generate(model, [Request((1,), (1,), Sampling(), forced=(-2,))], NEVER)


def test_other_models_are_refused_with_a_reason() -> None:
    class Other(LanguageModel):
        pass

    assert str(supports(Other())).endswith("decoders, not Other")
    assert supports(network()) is None
    with pytest.raises(SettingError, match="not Other"):
        NativeEngine().generate(Other(), [], NEVER)


def test_the_property_that_is_unsupported_is_named() -> None:
    from transformers import AutoConfig, AutoModelForCausalLM

    shape = {"vocab_size": 32, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2}
    small = {"vocab_size": 32, "n_embd": 16, "n_layer": 1, "n_head": 2}
    llama3 = {"rope_type": "llama3", "rope_theta": 1e4, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
    scaled = {**shape, "rope_parameters": {**llama3, "original_max_position_embeddings": 64}}
    for family, options, words in (
        ("gpt2", small, "not GPT2LMHeadModel with model_type 'gpt2'"),
        ("llama", scaled, "not LlamaForCausalLM with rope type 'llama3'"),
        ("llama", {**shape, "hidden_act": "gelu"}, "not LlamaForCausalLM with activation 'gelu'"),
    ):
        model = TransformersModel(AutoModelForCausalLM.from_config(AutoConfig.for_model(family, **options)))
        assert str(supports(model)).endswith(words)


def test_half_precision_weights_are_read() -> None:
    model = network().to(torch.bfloat16)
    same = network()
    same.cos, same.sin = model.cos.float(), model.sin.float()
    same.load_state_dict({name: tensor.float() for name, tensor in model.state_dict().items()})
    wanted = requests(BASE, Sampling(max_tokens=9))
    assert NativeEngine().generate(model, wanted, NEVER) == NativeEngine().generate(same, wanted, NEVER)


def test_why_it_cannot_be_built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    library.cache_clear()
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert available() == "the native engine needs a C++ compiler; CXX=no-such-compiler was not found"
    monkeypatch.delenv("CXX")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "neither g++ nor clang++ was found" in str(available())
    broken = tmp_path / "g++"
    broken.write_text("#!/bin/sh\n[ \"$1\" = --version ] && echo 1 && exit 0\necho 'x.cpp:1: error: no such thing' >&2\nexit 1\n", encoding="utf-8")
    broken.chmod(broken.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert f"{broken} could not build the native engine: x.cpp:1: error: no such thing" == available()
    assert list((tmp_path / "cache" / "autotelic").iterdir()) == []
    monkeypatch.setenv("XDG_CACHE_HOME", str(broken))
    assert "cannot be written to" in str(available())
    monkeypatch.undo()
    assert available() is None


def test_ctrl_c_ends_a_call_and_nothing_runs_on_behind_it() -> None:
    """The engine writes into memory that is gone after the call: its threads must have ended by then."""
    seen: list[int] = []

    def interrupt(sample: int, tokens: Sequence[int]) -> None:
        seen.append(sample)
        if len(seen) == 5:
            signal.pthread_kill(main.ident, signal.SIGINT)

    main = threading.main_thread()
    assert main.ident is not None
    wanted = requests(BASE, Sampling(max_tokens=60), lengths=(3,), samples=20_000)
    with pytest.raises(KeyboardInterrupt):
        NativeEngine(threads=2).generate(network(), wanted, NEVER, interrupt)
    count = len(seen)
    time.sleep(0.05)
    assert 5 <= count == len(seen) < 20_000


@pytest.mark.parametrize("engine", ENGINES)
def test_a_call_can_be_watched_and_stays_what_it_is(engine: str) -> None:
    """Every sample is told with one more token each time; what ends it by an end token is not told again."""
    made, model = ENGINES[engine](), network()
    wanted = [*requests(BASE, Sampling(max_tokens=9), (1, 17, 5)), *requests(BASE, Sampling(max_tokens=7, stop=tuple("bcegkm")), (4, 5), samples=4)]
    ending = Vocabulary(frozenset([3, 5]), 0, NEVER.decode)
    told: dict[int, list[list[int]]] = {}

    def watch(place: int, tokens: Sequence[int]) -> None:
        told.setdefault(place, []).append(list(tokens))

    found = made.generate(model, wanted, ending, watch)
    assert found == made.generate(model, wanted, ending)
    flat = [completion for group in found for completion in group]
    assert {completion.stop for completion in flat} == {stop for stop in StopReason if not stop.failed}
    for place, completion in enumerate(flat):
        kept = completion.tokens[:-1] if completion.stop is StopReason.END else completion.tokens
        assert told.get(place, []) == [kept[: i + 1] for i in range(len(kept))]


@pytest.mark.parametrize("engine", ENGINES)
def test_what_a_watcher_raises_ends_the_call(engine: str) -> None:
    def watch(place: int, tokens: Sequence[int]) -> None:
        raise OSError("the reader has gone")

    with pytest.raises(OSError, match="the reader has gone"):
        ENGINES[engine]().generate(network(), requests(BASE, Sampling(max_tokens=9), (3,)), NEVER, watch)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("sampling", [Sampling(max_tokens=5), Sampling(max_tokens=5, temperature=0.0), Sampling(max_tokens=5, top_k=4, top_p=0.5)])
def test_weights_that_are_not_finite_are_named(engine: str, sampling: Sampling) -> None:
    model = network()
    name = "model.layers.1.mlp.up_proj.weight"
    for value in (float("nan"), float("inf")):
        with torch.no_grad():
            model.get_parameter(name)[0, 0] = value
        with pytest.raises(DataError, match=f"its logits are not finite: {name} holds NaN or infinity"):
            ENGINES[engine]().generate(model, requests(BASE, sampling), NEVER)
    with torch.no_grad():
        model.get_parameter(name).fill_(3e38)
    with pytest.raises(DataError, match="activations are too large"):
        ENGINES[engine]().generate(model, requests(BASE, sampling), NEVER)


@pytest.mark.parametrize("engine", ENGINES)
def test_what_both_engines_refuse(engine: str) -> None:
    model, made = network(), ENGINES[engine]()
    with pytest.raises(DataError, match="empty prompt"):
        made.generate(model, [Request((), (1,), Sampling())], NEVER)
    with pytest.raises(DataError, match="token id 19 is not in the model's vocabulary of 19"):
        made.generate(model, [Request((1, 19), (1,), Sampling())], NEVER)
    with pytest.raises(SettingError, match="a prompt of 130 tokens and 4 new ones exceed the model's context of 128"):
        made.generate(model, [Request((1,) * 130, (1,), Sampling(max_tokens=4))], NEVER)
    assert made.generate(model, [], NEVER) == []
    assert made.generate(model, [Request((1,), (), Sampling())], NEVER) == [[]]


def test_a_large_vocabulary() -> None:
    model = network(replace(BASE, vocab_size=150_000, layers=1), std=0.5)
    last = Request((149_999, 0, 75_000), (1, 2, 3), Sampling(max_tokens=6))
    made = both(
        model, [last, replace(last, sampling=Sampling(max_tokens=4, temperature=0.0)), replace(last, sampling=Sampling(top_k=50, max_tokens=4))]
    )
    assert max(token for completion in made[0] for token in completion.tokens) > 1000
    assert made[0][0].logprobs == pytest.approx(forward_logprobs(model, last.prompt, made[0][0].tokens, 1.0), abs=1e-4)
