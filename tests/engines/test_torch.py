"""The torch engine: what it samples, and that nothing but the request decides it."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from autotelic.engines.base import Completion, Request
from autotelic.engines.torch_engine import TorchEngine, keep_top
from autotelic.networks.decoder import Decoder
from autotelic.networks.lora import LoRA, adapters, inject
from autotelic.networks.model import Cache, LanguageModel
from autotelic.policies.policy import Policy
from autotelic.policies.tokenizer import Tokenizer
from autotelic.streams import key, uniforms
from autotelic.types import Sampling, StopReason

Tiny = Callable[..., Decoder]
PROMPTS = ("12+3=", "a much longer prompt: 7*8=", "9", "1;2;3;4", "x" * 40)
SETTINGS = {
    "half": Sampling(temperature=0.5, max_tokens=20),
    "one": Sampling(max_tokens=20),
    "two": Sampling(temperature=2.0, max_tokens=20),
    "top-k": Sampling(top_k=5, temperature=0.8, max_tokens=20),
    "top-p": Sampling(top_p=0.6, max_tokens=20),
    "both": Sampling(top_k=8, top_p=0.5, temperature=1.5, max_tokens=20),
    "greedy": Sampling(temperature=0.0, max_tokens=20),
}


def ask(tokenizer: Tokenizer, prompt: str, sampling: Sampling, n: int = 4, forced: Sequence[int] = ()) -> Request:
    return Request(tuple(tokenizer.encode_prompt(prompt)), tuple(key(prompt, i) for i in range(n)), sampling, tuple(forced))


def same(a: Sequence[Completion], b: Sequence[Completion]) -> None:
    """Equal tokens and reasons; log-probabilities up to the rounding of matrix products."""
    assert [(c.tokens, c.stop) for c in a] == [(c.tokens, c.stop) for c in b]
    for one, other in zip(a, b, strict=True):
        np.testing.assert_allclose(one.logprobs, other.logprobs, atol=1e-4)


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3"])
def test_behavior_log_probs_are_the_trainers(family: str, name: str, policy: Callable[..., Policy]) -> None:
    solver = policy(family=family)
    requests = [ask(solver.tokenizer, prompt, SETTINGS[name]) for prompt in PROMPTS]
    for request, group in zip(requests, TorchEngine().generate(solver.model, requests, solver.tokenizer.vocabulary), strict=True):
        rows = [[*request.prompt, *completion.tokens] for completion in group]
        scores = solver.scores(rows, [len(request.prompt)] * len(rows), request.sampling.scale)
        for completion, score in zip(group, scores, strict=True):
            assert len(completion.logprobs) == len(completion.tokens) > 0
            torch.testing.assert_close(score.logprobs, torch.tensor(completion.logprobs), atol=1e-4, rtol=0)
    if name == "greedy":
        assert all(completion.tokens == group[0].tokens for completion in group)


def test_settings_limit_what_is_chosen(policy: Callable[..., Policy]) -> None:
    solver = policy()
    for name in ("greedy", "top-k", "top-p", "both"):
        sampling = SETTINGS[name]
        request = ask(solver.tokenizer, PROMPTS[0], sampling, n=20)
        for completion in TorchEngine().generate(solver.model, [request], solver.tokenizer.vocabulary)[0]:
            tokens = torch.tensor([[*request.prompt, *completion.tokens]])
            logits = solver.model.head(solver.model.hidden(tokens))[0, len(request.prompt) - 1 : -1] / sampling.scale
            chance, chosen = logits.softmax(-1).double(), torch.tensor(completion.tokens)[:, None]
            above = torch.where(chance > chance.gather(1, chosen), chance, 0.0)
            rank = (above > 0).sum(-1)
            assert int(rank.max()) < (1 if name == "greedy" else sampling.top_k or 1000)
            kept = chance.sort(-1, descending=True).values[:, : sampling.top_k or None].sum(-1)
            assert bool((above.sum(-1) < sampling.top_p * kept + 1e-6).all())


def mixed(tokenizer: Tokenizer) -> list[Request]:
    """Requests that differ in everything."""
    requests = [ask(tokenizer, prompt, sampling, n=1 + i % 3) for i, prompt in enumerate(PROMPTS) for sampling in SETTINGS.values()]
    requests += [ask(tokenizer, prompt, Sampling(max_tokens=limit), n=2) for prompt in PROMPTS for limit in (1, 2, 7, 33)]
    requests += [ask(tokenizer, prompt, Sampling(max_tokens=9), forced=tokenizer.encode("12")) for prompt in PROMPTS]
    return requests + [ask(tokenizer, prompt, Sampling(max_tokens=30, stop=("1", "ab"))) for prompt in PROMPTS]


def test_completions_do_not_depend_on_the_rest_of_the_batch(tiny: Tiny, tokenizer: Tokenizer) -> None:
    model, requests = tiny(), mixed(tokenizer)
    together = TorchEngine(max_rows=1000).generate(model, requests, tokenizer.vocabulary)
    for request, found in zip(requests, together, strict=True):
        same(TorchEngine().generate(model, [request], tokenizer.vocabulary)[0], found)
    for engine in (TorchEngine(max_rows=7), TorchEngine(max_rows=1)):
        for found, expected in zip(engine.generate(model, requests, tokenizer.vocabulary), together, strict=True):
            same(found, expected)
    backwards = TorchEngine().generate(model, requests[::-1], tokenizer.vocabulary)[::-1]
    for found, expected in zip(backwards, together, strict=True):
        same(found, expected)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_dropping_ended_rows_changes_nothing(share: float, tiny: Tiny, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    model, requests = tiny(), mixed(tokenizer)
    expected = TorchEngine().generate(model, requests, tokenizer.vocabulary)
    assert len({len(c.tokens) for group in expected for c in group}) > 5
    monkeypatch.setattr("autotelic.engines.torch_engine.KEEP_SHARE", share)
    for found, before in zip(TorchEngine().generate(model, requests, tokenizer.vocabulary), expected, strict=True):
        same(found, before)


def test_a_short_request_beside_long_ones_does_not_run_out_of_the_context(tiny: Tiny, tokenizer: Tokenizer) -> None:
    model = tiny()
    long_prompt = "7" * (model.context - 4)
    requests = [ask(tokenizer, long_prompt, Sampling(max_tokens=2), n=1), ask(tokenizer, "1", Sampling(max_tokens=60), n=12)]
    first, second = TorchEngine().generate(model, requests, tokenizer.vocabulary)
    assert len(first[0].tokens) <= 2
    assert max(len(c.tokens) for c in second) > 40
    same(TorchEngine().generate(model, requests[1:], tokenizer.vocabulary)[0], second)


def test_forced_prefixes_are_scored_and_open_every_completion(policy: Callable[..., Policy]) -> None:
    solver = policy()
    tokenizer = solver.tokenizer
    forced = [*tokenizer.encode("1;"), tokenizer.end_id, *tokenizer.encode("+")]
    request = ask(tokenizer, "12=", Sampling(max_tokens=10), n=6, forced=forced)
    for completion in TorchEngine().generate(solver.model, [request], tokenizer.vocabulary)[0]:
        assert completion.tokens[:4] == forced  # the end token inside it ends nothing
        score = solver.scores([[*request.prompt, *completion.tokens]], [len(request.prompt)])[0]
        torch.testing.assert_close(score.logprobs, torch.tensor(completion.logprobs), atol=1e-4, rtol=0)
    long = ask(tokenizer, "12=", Sampling(max_tokens=3), n=1, forced=forced)
    beside = ask(tokenizer, "12=", Sampling(max_tokens=8), n=1)
    for requests in ([long], [long, beside]):
        completion = TorchEngine().generate(solver.model, requests, tokenizer.vocabulary)[0][0]
        assert (completion.tokens, completion.stop) == (forced[:3], StopReason.END)


def test_stop_strings_end_a_completion_and_stay_in_it(tiny: Tiny, tokenizer: Tokenizer) -> None:
    model = tiny()
    free = TorchEngine().generate(model, [ask(tokenizer, "12=", Sampling(max_tokens=40), n=16)], tokenizer.vocabulary)[0]
    stop = ("3", "ab", "+-")
    stopped = TorchEngine().generate(model, [ask(tokenizer, "12=", Sampling(max_tokens=40, stop=stop), n=16)], tokenizer.vocabulary)[0]
    seen = Counter(completion.stop for completion in stopped)
    assert seen[StopReason.STOP] > 3
    for before, after in zip(free, stopped, strict=True):
        texts = [tokenizer.decode(before.tokens[: n + 1]) for n in range(len(before.tokens))]
        first = next((n for n, text in enumerate(texts) if any(s in text for s in stop) and before.tokens[n] != tokenizer.end_id), None)
        assert after.tokens == (before.tokens if first is None else before.tokens[: first + 1])
        assert after.stop is (before.stop if first is None else StopReason.STOP)


def test_max_tokens_and_the_end_token_end_a_completion(tiny: Tiny, tokenizer: Tokenizer) -> None:
    requests = [ask(tokenizer, prompt, Sampling(max_tokens=limit), n=12) for prompt in PROMPTS for limit in (1, 5, 40)]
    found = TorchEngine().generate(tiny(), requests, tokenizer.vocabulary)
    reasons = Counter(completion.stop for group in found for completion in group)
    assert reasons[StopReason.END] > 5
    assert reasons[StopReason.LENGTH] > 5
    for request, group in zip(requests, found, strict=True):
        for completion in group:
            ended = completion.tokens[-1] == tokenizer.end_id
            assert tokenizer.end_id not in completion.tokens[:-1]
            assert completion.stop is (StopReason.END if ended else StopReason.LENGTH)
            assert ended or len(completion.tokens) == request.sampling.max_tokens


def test_requests_without_samples_get_none(tiny: Tiny, tokenizer: Tokenizer) -> None:
    empty = ask(tokenizer, "1", Sampling(max_tokens=3), n=0)
    one = ask(tokenizer, "2", Sampling(max_tokens=3), n=1)
    assert TorchEngine().generate(tiny(), [], tokenizer.vocabulary) == []
    assert TorchEngine().generate(tiny(), [empty], tokenizer.vocabulary) == [[]]
    found = TorchEngine().generate(tiny(), [empty, one], tokenizer.vocabulary)
    assert [len(group) for group in found] == [0, 1]


class Table(LanguageModel):
    """A network whose logits are a fixed row, so that frequencies have an exact expectation."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = torch.nn.Parameter(logits, requires_grad=False)
        self.vocab_size, self.context = len(logits), 10

    def head(self, hidden: Tensor) -> Tensor:
        return self.logits.expand(*hidden.shape[:-1], -1)

    def prefill(self, tokens: Tensor, lengths: Tensor, capacity: int) -> tuple[Tensor, Cache]:
        class Empty:
            def repeat(self, counts: Tensor) -> Any:
                return self

            def keep(self, rows: Tensor) -> Any:
                return self

        return torch.zeros(len(tokens), 1), Empty()

    def decode(self, tokens: Tensor, cache: Cache) -> Tensor:
        return torch.zeros(len(tokens), 1)


CHI_SQUARE_999 = {1: 10.83, 2: 13.82, 3: 16.27, 4: 18.47, 5: 20.52, 6: 22.46, 7: 24.32}


@pytest.mark.parametrize(
    ("sampling", "kept"),
    [
        (Sampling(max_tokens=1), 8),
        (Sampling(temperature=0.5, max_tokens=1), 8),
        (Sampling(temperature=2.0, max_tokens=1), 8),
        (Sampling(top_k=3, max_tokens=1), 3),
        (Sampling(top_p=0.7, max_tokens=1), 3),
        (Sampling(top_k=3, top_p=0.7, max_tokens=1), 2),  # 0.55 of the 0.73 that top-k leaves
    ],
)
def test_frequencies_are_those_of_the_softmax(sampling: Sampling, kept: int, tokenizer: Tokenizer) -> None:
    chance = torch.tensor([0.05, 0.30, 0.02, 0.25, 0.18, 0.10, 0.06, 0.04], dtype=torch.float64)
    n = 20000
    request = Request((4,), tuple(key("chi", i) for i in range(n)), sampling)
    found = TorchEngine().generate(Table(chance.log().float()), [request], tokenizer.vocabulary)[0]
    counts = np.bincount([completion.tokens[0] for completion in found], minlength=8)
    weights = chance.pow(1 / sampling.temperature)
    allowed = weights.argsort(descending=True)[:kept]
    expected = np.zeros(8)
    expected[allowed.numpy()] = (weights[allowed] / weights[allowed].sum()).numpy() * n
    assert not counts[expected == 0].any()
    used = expected > 0
    statistic = float(((counts[used] - expected[used]) ** 2 / expected[used]).sum())
    assert statistic < CHI_SQUARE_999[int(used.sum()) - 1]


def test_keep_top_on_exact_cases() -> None:
    def kept(weights: list[float], top_k: int, top_p: float) -> list[float]:
        return keep_top(torch.tensor([weights], dtype=torch.float64), torch.tensor([top_k]), torch.tensor([top_p], dtype=torch.float64))[0].tolist()

    weights = [0.125, 0.5, 0.25, 0.125]
    assert kept(weights, 4, 1.0) == weights
    assert kept(weights, 1, 1.0) == [0, 0.5, 0, 0]
    assert kept(weights, 3, 1.0) == [0.125, 0.5, 0.25, 0]  # of equals the lower id
    assert kept(weights, 4, 0.5) == [0, 0.5, 0, 0]  # the share is reached exactly
    assert kept(weights, 4, 0.51) == [0, 0.5, 0.25, 0]
    assert kept(weights, 4, 0.76) == [0.125, 0.5, 0.25, 0]
    assert kept(weights, 4, 1e-9) == [0, 0.5, 0, 0]  # never nothing
    assert kept(weights, 2, 0.7) == [0, 0.5, 0.25, 0]  # 0.5 of 0.75 is less than 0.7
    assert kept(weights, 2, 0.6) == [0, 0.5, 0, 0]
    rows = keep_top(torch.tensor([weights, weights], dtype=torch.float64), torch.tensor([1, 4]), torch.tensor([1.0, 0.5], dtype=torch.float64))
    assert rows.tolist() == [[0, 0.5, 0, 0], [0, 0.5, 0, 0]]


def test_draws_are_the_keyed_uniform_numbers(tokenizer: Tokenizer) -> None:
    model = Table(torch.zeros(4))
    keys = tuple(key("u", i) for i in range(50))
    found = TorchEngine().generate(model, [Request((3,), keys, Sampling(max_tokens=3))], tokenizer.vocabulary)[0]
    for position in range(3):
        draws = uniforms(np.array(keys, dtype=np.uint64), position)
        for draw, completion in zip(draws, found, strict=True):
            if position < len(completion.tokens):
                assert completion.tokens[position] == int(draw * 4)


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3"])
def test_steps_on_fixed_memory_give_the_same_completions(family: str, tiny: Tiny, tokenizer: Tokenizer) -> None:
    model, requests, engine = tiny(family), mixed(tokenizer), TorchEngine(recorded=True)
    for asked in (requests, requests[:3], requests[::-1]):  # the second time into memory that is too large and full of old tokens
        expected = TorchEngine().generate(model, asked, tokenizer.vocabulary)
        for found, other in zip(engine.generate(model, asked, tokenizer.vocabulary), expected, strict=True):
            same(found, other)
    other = tiny(family, seed=5)
    for found, expected_group in zip(
        engine.generate(other, requests, tokenizer.vocabulary), TorchEngine().generate(other, requests, tokenizer.vocabulary), strict=True
    ):
        same(found, expected_group)


def test_on_fixed_memory_adapters_are_merged(tiny: Tiny, tokenizer: Tokenizer) -> None:
    model, plain = tiny("qwen2"), tiny("qwen2")
    inject(model, LoRA(rank=4))
    with torch.no_grad():
        for layer in adapters(model).values():
            layer.lora_B.normal_(std=0.1, generator=torch.Generator().manual_seed(5))
    requests = mixed(tokenizer)
    expected = TorchEngine().generate(model, requests, tokenizer.vocabulary)
    assert expected != TorchEngine().generate(plain, requests, tokenizer.vocabulary)
    for found, other in zip(TorchEngine(recorded=True).generate(model, requests, tokenizer.vocabulary), expected, strict=True):
        same(found, other)


@pytest.mark.parametrize("every", [3, 8])
def test_looking_seldom_at_what_has_ended_changes_nothing(every: int, tiny: Tiny, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    from autotelic.engines import torch_engine

    class Seldom(torch_engine._Chunk):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            self.look_every = 1 if self.stopping else every

    model, requests = tiny(), mixed(tokenizer)
    expected = TorchEngine().generate(model, requests, tokenizer.vocabulary)
    monkeypatch.setattr(torch_engine, "_Chunk", Seldom)
    for engine in (TorchEngine(max_rows=20), TorchEngine(max_rows=20, recorded=True)):
        for found, other in zip(engine.generate(model, requests, tokenizer.vocabulary), expected, strict=True):
            same(found, other)


def test_a_step_is_recorded_once_for_rows_and_span(tiny: Tiny, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    from autotelic.engines import decoding

    made: list[int] = []

    def noting(work: Callable[[], Tensor], device: torch.device) -> Callable[[], Tensor]:
        made.append(1)
        work()  # as before a recording on a GPU: done once more than asked for
        return work

    monkeypatch.setattr(decoding, "recorded", noting)
    monkeypatch.setattr(decoding, "SPAN_STEP", 16)
    model, engine = tiny(), TorchEngine(recorded=True)
    requests = [ask(tokenizer, "12=", Sampling(max_tokens=40), n=5)]
    expected = TorchEngine().generate(model, requests, tokenizer.vocabulary)
    same(engine.generate(model, requests, tokenizer.vocabulary)[0], expected[0])
    count = len(made)
    assert 3 <= count <= 12, "three spans, for each number of rows"
    same(engine.generate(model, requests, tokenizer.vocabulary)[0], expected[0])
    assert len(made) == count


@pytest.mark.parametrize("recorded", [False, True])
def test_bf16_is_close_and_leaves_the_policy_alone(recorded: bool, tiny: Tiny, tokenizer: Tokenizer) -> None:
    model = tiny("qwen3")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    forced = tuple(tokenizer.encode("1+2=3;4"))
    request = Request((3, 4, 5), (1, 2), Sampling(max_tokens=len(forced)), forced)
    exact, rough = (TorchEngine(precision=p, recorded=recorded).generate(model, [request], tokenizer.vocabulary)[0][0] for p in ("fp32", "bf16"))
    gap = np.abs(np.array(exact.logprobs) - np.array(rough.logprobs)).max()
    assert 0 < gap < 0.1
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3"])
def test_a_gpu_agrees_with_the_cpu(family: str, tiny: Tiny, tokenizer: Tokenizer) -> None:
    model, requests = tiny(family), mixed(tokenizer)
    expected = TorchEngine().generate(model, requests, tokenizer.vocabulary)
    model.to("cuda")
    for recorded in (False, True):
        engine = TorchEngine(recorded=recorded)
        for _ in range(2):
            found = engine.generate(model, requests, tokenizer.vocabulary)
            equal = [a.tokens == b.tokens for one, other in zip(found, expected, strict=True) for a, b in zip(one, other, strict=True)]
            assert sum(equal) >= 0.98 * len(equal), "cumulative probabilities are rounded otherwise"
            for one, other in zip(found, expected, strict=True):
                for a, b in zip(one, other, strict=True):
                    if a.tokens == b.tokens:
                        np.testing.assert_allclose(a.logprobs, b.logprobs, atol=1e-3)
