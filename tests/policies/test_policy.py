"""Policies as a resource: snapshots, clones, blends, files, and the check of their engine."""

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from engines import sampled_by
from subwords import subwords, write_model

from autotelic.engines.base import Completion, Request, Vocabulary, Watch
from autotelic.engines.batching import Batcher
from autotelic.engines.torch_engine import TorchEngine
from autotelic.errors import DataError
from autotelic.networks.model import LanguageModel
from autotelic.policies.checkpoint import save_model
from autotelic.policies.policy import Policy
from autotelic.policies.tokenizer import Tokenizer, character_tokenizer
from autotelic.streams import key
from autotelic.types import Sampling, StopReason

Make = Callable[..., Policy]


def weights(policy: Policy) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in policy.model.parameters()])


def test_a_clone_is_frozen_and_independent(policy: Make) -> None:
    solver = policy()
    solver.version = 3
    twin = solver.clone("anchor")
    assert (twin.name, twin.version) == ("anchor", 3)
    assert not any(parameter.requires_grad for parameter in twin.model.parameters())
    before = weights(twin)
    with torch.no_grad():
        next(solver.model.parameters()).add_(1.0)
    assert torch.equal(weights(twin), before)
    assert twin.model.get_parameter("lm_head.weight") is twin.model.get_parameter("model.embed_tokens.weight")


def test_blend_moves_by_alpha(policy: Make) -> None:
    student, teacher = policy("student", seed=0), policy("teacher", seed=1)
    expected = 0.75 * weights(teacher) + 0.25 * weights(student)
    teacher.blend(student, 0.25)
    torch.testing.assert_close(weights(teacher), expected)
    assert teacher.version == 1


def test_restore_takes_a_snapshot_of_the_same_weights_only(policy: Make) -> None:
    solver = policy()
    start = solver.snapshot()
    with torch.no_grad():
        for parameter in solver.model.parameters():
            parameter.mul_(2.0)
    assert all(not torch.equal(value, start[name]) for name, value in solver.snapshot().items())
    solver.restore(start, version=7)
    assert all(torch.equal(value, start[name]) for name, value in solver.snapshot().items())
    assert solver.version == 7
    solver.restore(start)
    assert solver.version == 8
    with pytest.raises(DataError, match="does not fit policy 'solver'"):
        solver.restore(policy(family="qwen2").snapshot())


def test_scores_do_not_depend_on_the_batch(policy: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    solver = policy()
    generator = torch.Generator().manual_seed(0)
    rows = [torch.randint(4, 40, (n,), generator=generator).tolist() for n in (5, 17, 2, 9, 17)]
    starts = [1, 4, 1, 8, 16]
    together = solver.scores(rows, starts, 0.7)
    monkeypatch.setattr("autotelic.policies.policy.TOKEN_BUDGET", 20)
    apart = solver.scores(rows, starts, 0.7)
    for row, start, one, other in zip(rows, starts, together, apart, strict=True):
        assert one.logprobs.shape == (len(row) - start,)
        torch.testing.assert_close(one.logprobs, other.logprobs, atol=1e-5, rtol=0)
        plain = (solver.model.head(solver.model.hidden(torch.tensor([row])))[0] / 0.7).log_softmax(-1)
        expected = plain[torch.arange(start - 1, len(row) - 1), torch.tensor(row[start:])]
        torch.testing.assert_close(one.logprobs, expected.detach(), atol=1e-5, rtol=0)
    assert solver.scores([], []) == []


def test_a_saved_policy_samples_the_same(policy: Make, tmp_path: Path) -> None:
    solver = policy(family="qwen3")
    solver.save(tmp_path)
    back = Policy.load("solver", tmp_path, Batcher(TorchEngine()))
    prompt = solver.tokenizer.encode_prompt("12+7=")
    requests = [Request(tuple(prompt), tuple(key(i) for i in range(4)), Sampling(max_tokens=12))]
    first, second = (asyncio.run(p.sample(requests)) for p in (solver, back))
    assert first == second
    assert back.source == str(tmp_path)
    assert back.parameters == solver.parameters == weights(solver).numel()


def test_a_tokenizer_larger_than_the_model_is_an_error(policy: Make, tmp_path: Path) -> None:
    large = character_tokenizer("".join(map(chr, range(33, 300))), 96)
    large.inner.eos_token = "z"
    solver = policy()
    save_model(solver.model, Tokenizer(large.inner), tmp_path)
    with pytest.raises(DataError, match=r"end token \d+ is outside the model's vocabulary of"):
        Policy.load("solver", tmp_path, Batcher(TorchEngine()))


class Skewed:
    """The torch engine with one log-probability changed: what a wrong kernel does."""

    name = "skewed"

    def __init__(self, by: float) -> None:
        self.by = by

    def generate(
        self, model: LanguageModel, requests: Sequence[Request], vocabulary: Vocabulary, watch: Watch | None = None
    ) -> list[list[Completion]]:
        found = TorchEngine().generate(model, requests, vocabulary)
        found[-1][0].logprobs[0] += self.by
        return found


def test_an_engine_that_disagrees_with_the_trainer_is_found(policy: Make) -> None:
    solver = policy()
    probes = [solver.tokenizer.encode_prompt(text) for text in ("1+2=", "a longer one: 3*4=")]
    assert solver.check_engine(probes, 1e-4) < 1e-4
    for by in (0.01, float("nan")):
        skewed = sampled_by(Skewed(by), solver)
        with pytest.raises(DataError, match=r"the skewed engine's log-probabilities differ from the trainer's by"):
            skewed.check_engine(probes, 1e-4)


REASONER = {"eos_token_id": [2, 0], "do_sample": True, "temperature": 0.6, "top_p": 0.95, "_from_model_config": True}


@pytest.mark.parametrize("engine", ["torch", "native", "torch through transformers"])
def test_every_end_token_ends_a_completion_in_every_engine(engine: str, tmp_path: Path) -> None:
    if engine == "native":
        native = pytest.importorskip("autotelic.engines.native")
        if reason := native.available():
            pytest.skip(reason)
        chosen = native.NativeEngine()
    else:
        chosen = TorchEngine()
    write_model(tmp_path, subwords(eos_token="<|endoftext|>"), REASONER)
    if "transformers" in engine:
        config = tmp_path / "config.json"
        config.write_text(
            json.dumps({**json.loads(config.read_text()), "model_type": "mistral", "architectures": ["MistralForCausalLM"], "head_dim": 8})
        )
    solver = Policy.load("solver", tmp_path, Batcher(chosen))
    assert solver.tokenizer.end == {0, 2}
    prompt = solver.tokenizer.encode_prompt([{"role": "user", "content": "What is 2?"}])
    request = Request(tuple(prompt), tuple(key(i) for i in range(400)), Sampling(max_tokens=40))
    found = chosen.generate(solver.model, [request], solver.tokenizer.vocabulary)[0]
    ended = [completion for completion in found if completion.stop is StopReason.END]
    assert {completion.tokens[-1] for completion in ended} == {0, 2}
    assert not any({0, 2} & set(completion.tokens[:-1]) for completion in found)
    assert all(len(completion.tokens) == 40 for completion in found if completion.stop is StopReason.LENGTH)


@pytest.mark.parametrize("family", ["llama", "mistral"])
@pytest.mark.parametrize("generation", [REASONER, {"eos_token_id": 0, "do_sample": False, "temperature": 0.6}, {}], ids=["list", "odd", "empty"])
def test_the_generation_config_of_a_model_is_kept(family: str, generation: dict[str, object], tmp_path: Path) -> None:
    write_model(tmp_path / "m", subwords(eos_token="<|endoftext|>"), generation)
    config = tmp_path / "m" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "model_type": family, "head_dim": 8}))
    solver = Policy.load("solver", tmp_path / "m", Batcher(TorchEngine()))
    solver.save(tmp_path / "out")
    assert json.loads((tmp_path / "out" / "generation_config.json").read_text()) == generation
    assert Policy.load("solver", tmp_path / "out", Batcher(TorchEngine())).tokenizer.end == solver.tokenizer.end


def test_a_model_without_a_generation_config_gets_one_with_all_its_end_tokens(tmp_path: Path) -> None:
    write_model(tmp_path / "m", subwords(eos_token="<|endoftext|>"), eos_token_id=5)
    Policy.load("solver", tmp_path / "m", Batcher(TorchEngine())).save(tmp_path / "out")
    found = json.loads((tmp_path / "out" / "generation_config.json").read_text())
    assert found == {"bos_token_id": None, "eos_token_id": [0, 2, 5], "pad_token_id": 0}


@pytest.mark.parametrize("family", ["llama", "mistral"])
@pytest.mark.parametrize("pad", [None, 2, -1, 10**6])
def test_padding_that_a_model_has_not_is_replaced(family: str, pad: int | None, tmp_path: Path) -> None:
    tokenizer = subwords(pad_token=None if pad is None else "<pad>")
    write_model(tmp_path, tokenizer, vocab_size=320)
    config = tmp_path / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "model_type": family, "head_dim": 8, "pad_token_id": pad}))
    solver = Policy.load("solver", tmp_path, Batcher(TorchEngine()))
    prompts = [solver.tokenizer.encode_prompt(text) for text in ("a", "a longer one")]
    assert solver.check_engine(prompts, 1e-4) < 1e-4
    assert len(solver.scores([*prompts], [1, 1])) == 2
    assert 0 <= solver.tokenizer.pad < 320


def test_ends_that_a_model_cannot_reach_are_left_out(tmp_path: Path) -> None:
    write_model(tmp_path, subwords(), {"eos_token_id": [2, 5000, 10**25]})
    solver = Policy.load("solver", tmp_path, Batcher(TorchEngine()))
    assert solver.tokenizer.end == {2}
    solver.check_engine([solver.tokenizer.encode_prompt("a")], 1e-4)


@pytest.mark.parametrize(
    ("file", "changes", "message"),
    [
        ("tokenizer_config.json", {"model_max_length": "long"}, "no tokenizer that transformers can load"),
        ("config.json", {"sliding_window": {}}, "transformers cannot load this model"),
        ("config.json", {"sliding_window": "x"}, "transformers cannot load this model"),
    ],
)
def test_what_only_fails_when_it_is_used_is_used_when_it_is_loaded(file: str, changes: dict[str, object], message: str, tmp_path: Path) -> None:
    write_model(tmp_path, subwords())
    for name, more in (("config.json", {"model_type": "mistral", "head_dim": 8}), (file, changes)):
        path = tmp_path / name
        path.write_text(json.dumps({**json.loads(path.read_text()), **more}))
    with pytest.raises(DataError, match=message):
        Policy.load("solver", tmp_path, Batcher(TorchEngine()))
