"""vLLM behind the protocol of engines, where it is installed, against the torch engine and the trainer's log-probabilities."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from autotelic.engines import vllm_engine
from autotelic.engines.base import Completion, Request, Vocabulary
from autotelic.engines.registry import ENGINES, EngineOptions, open_engine
from autotelic.engines.torch_engine import TorchEngine
from autotelic.engines.vllm_engine import VllmEngine
from autotelic.errors import DataError, SettingError
from autotelic.networks.decoder import Decoder, DecoderConfig
from autotelic.networks.lora import LoRA, adapters, inject
from autotelic.networks.model import LanguageModel
from autotelic.networks.transformers_model import TransformersModel
from autotelic.streams import key
from autotelic.types import Sampling, StopReason

BASE = DecoderConfig("llama", vocab_size=19, hidden_size=64, intermediate_size=48, layers=2, heads=2, kv_heads=1, head_dim=32, context=128)
NEVER = Vocabulary(frozenset(), 0, lambda ids: "".join(chr(97 + i % 26) for i in ids))
missing = vllm_engine.installed()
here = pytest.mark.skipif(bool(missing), reason=missing or "-")


def network(config: DecoderConfig = BASE, seed: int = 0) -> Decoder:
    model = Decoder(config)
    model.initialize(torch.Generator().manual_seed(seed), std=0.2)
    return model


def requests(sampling: Sampling, lengths: Sequence[int] = (1, 5, 17, 33), samples: int = 3) -> list[Request]:
    prompts = [tuple(key("prompt", i, j) % 19 for j in range(length)) for i, length in enumerate(lengths)]
    return [Request(prompt, tuple(key("sample", i, j) for j in range(samples)), sampling) for i, prompt in enumerate(prompts)]


def expected(model: LanguageModel, request: Request, completion: Completion) -> list[float]:
    tokens = torch.tensor([[*request.prompt, *completion.tokens]])
    with torch.inference_mode():
        logits = model.head(model.hidden(tokens))[0, len(request.prompt) - 1 : -1] / request.sampling.scale
    return logits.log_softmax(-1).gather(-1, torch.tensor(completion.tokens)[:, None])[:, 0].tolist()


@pytest.fixture(scope="module")
def engine() -> VllmEngine:
    return VllmEngine()


def test_what_is_told_where_it_is_missing_or_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm_engine, "find_spec", lambda name: None)
    with pytest.raises(SettingError, match=r"engine=vllm: vLLM is not installed: pip install 'autotelic\[vllm\]'"):
        open_engine("vllm", network(), EngineOptions())
    monkeypatch.setattr(vllm_engine, "find_spec", lambda name: "found")
    monkeypatch.setattr(vllm_engine, "version", lambda package: "0.9.1.post1")
    with pytest.raises(SettingError, match=r"engine=vllm: vllm 0\.9\.1\.post1 is too old: 0\.32 or younger is needed"):
        open_engine("vllm", network(), EngineOptions())


@here
def test_a_shape_that_it_cannot_run_is_refused() -> None:
    assert ENGINES["vllm"].refuses(network()) is None
    with pytest.raises(SettingError, match=r"engine=vllm: vLLM runs heads of 32, .* and this model's are of 16"):
        open_engine("vllm", network(replace(BASE, head_dim=16)), EngineOptions())


@here
@pytest.mark.parametrize("sampling", [Sampling(max_tokens=9), Sampling(max_tokens=9, temperature=0.6), Sampling(max_tokens=9, top_k=4, top_p=0.7)])
def test_log_probabilities_are_the_trainers_at_the_requests_temperature(engine: VllmEngine, sampling: Sampling) -> None:
    model, wanted = network(), requests(sampling)
    for request, group in zip(wanted, engine.generate(model, wanted, NEVER), strict=True):
        for completion in group:
            assert len(completion.tokens) == 9 and completion.stop is StopReason.LENGTH
            assert completion.logprobs == pytest.approx(expected(model, request, completion), abs=1e-4)


@here
def test_greedy_answers_are_those_of_the_torch_engine(engine: VllmEngine) -> None:
    model, wanted = network(), requests(Sampling(max_tokens=12, temperature=0.0), samples=1)
    ending = Vocabulary(frozenset([3, 5]), 0, NEVER.decode)
    for vocabulary in (NEVER, ending):
        mine, others = engine.generate(model, wanted, vocabulary), TorchEngine().generate(model, wanted, vocabulary)
        assert [(c.tokens, c.stop) for group in mine for c in group] == [(c.tokens, c.stop) for group in others for c in group]


@here
def test_a_key_gives_its_sample_whatever_else_is_in_the_batch(engine: VllmEngine) -> None:
    model, wanted = network(), requests(Sampling(max_tokens=9))
    together = engine.generate(model, wanted, NEVER)
    assert together == engine.generate(model, wanted, NEVER)
    alone = [engine.generate(model, [request], NEVER)[0] for request in wanted]
    assert [[c.tokens for c in group] for group in together] == [[c.tokens for c in group] for group in alone]
    assert len({tuple(c.tokens) for c in together[0]}) == 3


@here
def test_tokens_are_drawn_as_often_as_they_are_likely(engine: VllmEngine) -> None:
    model = network()
    request = Request((1, 2, 3), tuple(key("often", i) for i in range(2000)), Sampling(max_tokens=1, temperature=1.5))
    drawn = torch.tensor([c.tokens[0] for c in engine.generate(model, [request], NEVER)[0]]).bincount(minlength=19) / 2000
    with torch.inference_mode():
        likely = (model.head(model.hidden(torch.tensor([[1, 2, 3]])))[0, -1] / 1.5).softmax(-1)
    assert (drawn - likely).abs().max() < 0.04


@here
def test_stop_strings_forced_beginnings_and_a_watcher(engine: VllmEngine) -> None:
    model = network()
    wanted = [
        *requests(Sampling(max_tokens=7, stop=tuple("bcegkm")), (4, 5), samples=4),
        Request((1, 2), (5, 6), Sampling(max_tokens=6, temperature=0.7), forced=(4, 9, 4)),
        Request((1, 2), (5,), Sampling(max_tokens=6), forced=(4, 3)),
        Request((1, 2), (5,), Sampling(max_tokens=2), forced=(4, 9, 4)),
    ]
    ending = Vocabulary(frozenset([3]), 0, NEVER.decode)
    told: dict[int, list[list[int]]] = {}

    def watch(place: int, tokens: Sequence[int]) -> None:
        told.setdefault(place, []).append(list(tokens))

    made = engine.generate(model, wanted, ending, watch)
    assert made == engine.generate(model, wanted, ending)
    assert [c.tokens for c in made[3]] == [[4, 3]] and made[3][0].stop is StopReason.END
    assert [c.tokens for c in made[4]] == [[4, 9]] and made[4][0].stop is StopReason.LENGTH
    assert all(c.tokens[:3] == [4, 9, 4] for c in made[2])
    flat = [(request, c) for request, group in zip(wanted, made, strict=True) for c in group]
    for place, (request, completion) in enumerate(flat):
        text = NEVER.decode(completion.tokens)
        assert (completion.stop is StopReason.STOP) == any(string in text for string in request.sampling.stop)
        assert completion.logprobs == pytest.approx(expected(model, request, completion), abs=1e-4)
        kept = completion.tokens[:-1] if completion.stop is StopReason.END else completion.tokens
        assert told.get(place, []) == [kept[: i + 1] for i in range(len(kept))]

    def leaves(place: int, tokens: Sequence[int]) -> None:
        raise OSError("the reader has gone")

    with pytest.raises(OSError, match="the reader has gone"):
        engine.generate(model, wanted, NEVER, leaves)
    assert made == engine.generate(model, wanted, ending), "what was abandoned left nothing behind"


@here
def test_weights_of_every_version_of_several_policies_and_of_adapters_reach_it(engine: VllmEngine) -> None:
    first, second = network(), network(seed=1)
    wanted = requests(Sampling(max_tokens=6, temperature=0.0), samples=1)
    for model in (first, second, first):
        assert [g[0].tokens for g in engine.generate(model, wanted, NEVER)] == [g[0].tokens for g in TorchEngine().generate(model, wanted, NEVER)]
    inject(first, LoRA(rank=2), seed=0)
    with torch.no_grad():
        for layer in adapters(first).values():
            layer.lora_B.add_(0.3)
    found = engine.generate(first, wanted, NEVER)
    for request, group in zip(wanted, found, strict=True):
        assert group[0].logprobs == pytest.approx(expected(first, request, group[0]), abs=1e-4)
    assert len(engine._served) == 1, "one vLLM for models of one shape"


@here
def test_the_end_of_the_context_and_what_is_refused(engine: VllmEngine) -> None:
    model = network()
    edge = Request((1,) * 128, (1,), Sampling(max_tokens=1))
    assert len(engine.generate(model, [edge], NEVER)[0][0].tokens) == 1
    with pytest.raises(SettingError, match="exceed the model's context of 128"):
        engine.generate(model, [replace(edge, sampling=Sampling(max_tokens=2))], NEVER)
    assert engine.generate(model, [], NEVER) == [] and engine.generate(model, [replace(edge, streams=())], NEVER) == [[]]
    with torch.no_grad():
        model.get_parameter("model.layers.1.mlp.up_proj.weight")[0, 0] = float("nan")
    with pytest.raises(DataError, match=r"model.layers.1.mlp.up_proj.weight holds NaN"):
        engine.generate(model, requests(Sampling(max_tokens=5)), NEVER)


@here
def test_other_architectures_run_where_vllm_has_them_itself(engine: VllmEngine) -> None:
    from transformers import GPT2Config, GPT2LMHeadModel, GPTNeoXConfig, GPTNeoXForCausalLM

    torch.manual_seed(0)
    model = TransformersModel(GPT2LMHeadModel(GPT2Config(vocab_size=19, n_embd=64, n_layer=2, n_head=2, n_positions=64)).eval())
    wanted = requests(Sampling(max_tokens=5), (3, 7))
    for request, group in zip(wanted, engine.generate(model, wanted, NEVER), strict=True):
        for completion in group:
            assert completion.logprobs == pytest.approx(expected(model, request, completion), abs=1e-4)
    shape = GPTNeoXConfig(vocab_size=19, hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48, max_position_embeddings=64)
    assert ENGINES["vllm"].refuses(TransformersModel(GPTNeoXForCausalLM(shape))) == "vLLM has no GPTNeoXForCausalLM of its own"
