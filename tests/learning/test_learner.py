"""The learner: one update is what a plain loss with autograd gives, whatever the micro-batches, and its state comes back bit for bit."""

import asyncio
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from autotelic.engines.base import Request
from autotelic.errors import TrainingError
from autotelic.learning.advantages import center
from autotelic.learning.examples import example, pair, written
from autotelic.learning.learner import Learner, Optimizer, Updates
from autotelic.learning.objectives import DPO, NLL, SPPO, Batch, Objective, PolicyGradient, Totals
from autotelic.networks.scoring import CHUNK_ELEMENTS, Scores
from autotelic.policies.policy import Policy
from autotelic.streams import key
from autotelic.types import Example, Group, Metrics, Rollout, Sampling, Task, Turn, TurnKind

Make = Callable[..., Policy]
FREE = Optimizer(clip_norm=1e9)  # gradients as they are


def sampled(policy: Policy, n: int = 4, temperature: float = 0.8) -> list[Group]:
    """Groups of real rollouts of very different lengths; reward: whether the first token is even."""
    prompts = ["1=", "a longer prompt 12*3=", "7;8", "x" * 30]
    sampling = Sampling(temperature=temperature, max_tokens=14)
    requests = [Request(tuple(policy.tokenizer.encode_prompt(p)), tuple(key(p, i) for i in range(n)), sampling) for p in prompts]
    groups = []
    for prompt, request, found in zip(prompts, requests, asyncio.run(policy.sample(requests)), strict=True):
        rollouts = []
        for i, c in enumerate(found):
            turns = [
                Turn(TurnKind.PROMPT, list(request.prompt)),
                Turn(TurnKind.ACTION, c.tokens, c.logprobs, "solver", policy.name, policy.version, sampling.scale, c.stop),
            ]
            rollouts.append(Rollout(f"{prompt}/{i}", Task(prompt, prompt), turns))
        groups.append(Group(Task(prompt, prompt), rollouts))
        groups[-1].reward(even=[rollout.turns[1].tokens[0] % 2 for rollout in rollouts])
    return list(center(groups))


def texts(policy: Policy, count: int = 6) -> list[Example]:
    encode = policy.tokenizer.encode
    return [written(f"w{i}", encode("12+" * (1 + i % 3)), [*encode(str(3**i)), policy.tokenizer.end_id]) for i in range(count)]


def pairs(policy: Policy, count: int = 4) -> list[Example]:
    """Pair `i` begins with token 10 + i on both sides; sides differ in length."""
    made = [pair(written(f"c{i}", [10 + i, 5], [6] * (1 + i)), written(f"r{i}", [10 + i, 5], [7] * (6 - i))) for i in range(count)]
    return list(itertools.chain.from_iterable(made))


def gradients(learner: Learner) -> list[Tensor]:
    return [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in learner.parameters]


def weights(policy: Policy) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in policy.model.parameters()])


def close(found: Sequence[Tensor], expected: Sequence[Tensor], atol: float = 1e-5) -> None:
    assert max(float(tensor.abs().max()) for tensor in expected) > 100 * atol
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, atol=atol, rtol=1e-3)


def token_logprobs(policy: Policy, item: Example) -> tuple[Tensor, Tensor]:
    """Log-probabilities and entropies (T-1,) of a sequence, written out."""
    tokens = torch.tensor([item.tokens])
    logp = (policy.model.head(policy.model.hidden(tokens))[0, :-1] / item.temperature).log_softmax(-1)
    return logp.gather(1, tokens[0, 1:, None])[:, 0], -(logp.exp() * logp).sum(-1)


def plain_policy_gradient(policy: Policy, reference: Policy, items: Sequence[Example], objective: PolicyGradient) -> Tensor:
    """The same loss, one sequence after the other, without any of the learner's machinery."""
    total, tokens = torch.tensor(0.0), 0
    for item in items:
        logp, entropy = token_logprobs(policy, item)
        with torch.no_grad():
            ref = token_logprobs(reference, item)[0]
        for t in range(1, len(item.tokens)):
            if not item.mask[t]:
                continue
            assert item.advantage is not None and item.old_logprobs is not None
            ratio, a = (logp[t - 1] - item.old_logprobs[t]).exp(), item.advantage[t]
            d = logp[t - 1] - ref[t - 1]
            total = total - torch.minimum(ratio * a, ratio.clamp(1 - objective.clip_low, 1 + objective.clip_high) * a)
            total = total + objective.kl * ((-d).exp() - 1 + d) - objective.entropy * entropy[t - 1]
            tokens += 1
    return total / tokens


@pytest.mark.parametrize("objective", [PolicyGradient(), PolicyGradient(kl=0.1, entropy=0.05, clip_high=0.28)])
def test_the_gradient_is_that_of_a_plain_loss(objective: PolicyGradient, policy: Make) -> None:
    solver, reference = policy(), policy(seed=1)
    items = [example(rollout) for group in sampled(solver) for rollout in group]
    learner = Learner(solver, FREE, 0)
    expected = torch.autograd.grad(plain_policy_gradient(solver, reference, items, objective), learner.parameters)
    learner.learn(items, objective, reference=reference)
    close(gradients(learner), expected)


def test_the_gradient_of_a_pair_loss_is_that_of_a_plain_loss(policy: Make) -> None:
    solver, reference = policy(), policy(seed=1)
    items = pairs(solver)
    learner = Learner(solver, FREE, 0)
    total = torch.tensor(0.0)
    for chosen, rejected in zip(items[::2], items[1::2], strict=True):
        h = []
        for side in (chosen, rejected):
            with torch.no_grad():
                ref = token_logprobs(reference, side)[0]
            h.append(((token_logprobs(solver, side)[0] - ref) * torch.tensor(side.mask[1:])).sum())
        total = total - torch.nn.functional.logsigmoid(0.3 * (h[0] - h[1]))
    expected = torch.autograd.grad(total / 4, learner.parameters)
    metrics = learner.learn(items, DPO(beta=0.3), reference=reference)
    close(gradients(learner), expected)
    assert metrics["loss"] == pytest.approx(float(total.detach()) / 4, rel=1e-4)


@pytest.mark.parametrize("kind", ["policy gradient", "sequence", "likelihood", "pairs"])
def test_micro_batches_do_not_change_the_update(kind: str, policy: Make) -> None:
    found = []
    for budget in (1 << 14, 60, 1):
        solver, reference = policy(), policy(seed=1)
        data: dict[str, tuple[Any, Objective]] = {
            "policy gradient": (sampled(solver), PolicyGradient(kl=0.1, entropy=0.1)),
            "sequence": (sampled(solver), PolicyGradient(kl=0.1, aggregation="sequence")),
            "likelihood": (texts(solver), NLL()),
            "pairs": (pairs(solver), DPO()),
        }
        learner = Learner(solver, Optimizer(token_budget=budget, clip_norm=1e9, learning_rate=1e-3), 0)
        metrics = learner.learn(*data[kind], reference=reference)
        found.append((gradients(learner), metrics))
    for other, metrics in found[1:]:
        close(other, found[0][0], atol=2e-5)
        assert metrics == pytest.approx(found[0][1], rel=1e-3, abs=1e-5)


def test_scoring_in_chunks_does_not_change_the_update(policy: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for rows in (10_000, 7):
        solver = policy()
        groups = sampled(solver)
        monkeypatch.setitem(CHUNK_ELEMENTS, "cpu", rows * solver.model.vocab_size)
        learner = Learner(solver, FREE, 0)
        learner.learn(groups, PolicyGradient(entropy=0.1))
        found.append(gradients(learner))
    close(found[1], found[0])


class Thorough(PolicyGradient):
    """Does not skip."""

    @property
    def skips_rows_without_advantage(self) -> bool:
        return False


@pytest.mark.parametrize("aggregation", ["token", "sequence", "constant"])
def test_skipping_rows_without_advantage_gives_the_same_gradient(aggregation: Any, policy: Make) -> None:
    found = []
    for objective in (PolicyGradient(aggregation=aggregation), Thorough(aggregation=aggregation)):
        solver = policy()
        groups = sampled(solver)
        groups[1].reward(even=[1.0] * 4)
        center(groups)
        learner = Learner(solver, FREE, 0)
        metrics = learner.learn(groups, objective)
        found.append((gradients(learner), metrics["loss"], metrics["learner/rows"]))
    close(found[0][0], found[1][0])
    assert found[0][1] == pytest.approx(found[1][1], abs=1e-6)
    assert found[0][2] < found[1][2] == 16


def test_nothing_to_learn_from_changes_nothing(policy: Make) -> None:
    solver = policy()
    learner = Learner(solver, FREE, 0)
    before = weights(solver)
    assert learner.learn([], NLL()) == {"learner/updates": 0.0}
    assert solver.version == 0
    groups = sampled(solver)
    for group in groups:
        group.reward(even=[1.0] * 4)
    metrics = learner.learn(center(groups), PolicyGradient())
    assert (metrics["learner/rows"], metrics["learner/updates"], solver.version) == (0.0, 1.0, 1)
    assert torch.equal(weights(solver), before)


def test_off_policy_rows_are_refused_unless_allowed(policy: Make) -> None:
    solver = policy()
    learner = Learner(solver, FREE, 0)
    old = sampled(solver)
    learner.learn(old, PolicyGradient())
    before = weights(solver)
    with pytest.raises(TrainingError, match=r"example 1=/0 cannot be trained on: it is off-policy: 1 updates old"):
        learner.learn(old, PolicyGradient())
    text = texts(solver, 1)[0]
    text.advantage = [1.0] * len(text.tokens)
    with pytest.raises(TrainingError, match="example w0 cannot be trained on: it is off-policy: it was not sampled as it stands"):
        learner.learn([text], PolicyGradient())
    assert torch.equal(weights(solver), before)
    learner.learn(old, PolicyGradient(staleness=1))
    learner.learn([text], PolicyGradient(allow_off_policy=True))
    assert solver.version == 3


def test_missing_parts_are_named(policy: Make) -> None:
    solver = policy()
    learner = Learner(solver, FREE, 0)
    with pytest.raises(TrainingError, match="DPO needs a reference policy"):
        learner.learn(pairs(solver), DPO())
    with pytest.raises(TrainingError, match=r"example c0 cannot be trained on: it has no extra\['win'\]"):
        learner.learn(pairs(solver), SPPO(), reference=solver.clone("anchor"))
    long = written("long", [5], [6] * solver.model.context)
    with pytest.raises(TrainingError, match="example long cannot be trained on: its 97 tokens exceed the model's context of 96"):
        learner.learn([long], NLL())


@pytest.mark.parametrize(
    ("weight", "message"), [(float("inf"), "the loss is not finite"), (float("nan"), "the loss is not finite"), (1e30, "the gradient is not finite")]
)
def test_what_is_not_finite_is_never_applied(weight: float, message: str, policy: Make) -> None:
    solver = policy()
    learner = Learner(solver, FREE, 0)
    learner.learn(texts(solver), NLL())
    before, state = weights(solver), learner.state()[0]
    bad = texts(solver)
    bad[3].weight = weight
    with pytest.raises(TrainingError, match=rf"{message}.*w\d"):
        learner.learn(bad, NLL())
    assert torch.equal(weights(solver), before)
    assert all(torch.equal(value, state[name]) for name, value in learner.state()[0].items())
    assert solver.version == 1


def test_saved_state_gives_the_same_next_update_bit_for_bit(policy: Make) -> None:
    updates = Updates(batch_size=2, epochs=2)
    settings = Optimizer(learning_rate=1e-2, warmup=20, weight_decay=0.1)
    first = policy()
    learner = Learner(first, settings, seed=3)
    learner.learn(texts(first), NLL(), updates)
    tensors, values = learner.state()
    kept = first.snapshot()
    learner.learn(texts(first), NLL(), updates)

    second = policy(seed=9)
    second.restore(kept)
    resumed = Learner(second, settings, seed=3)
    resumed.load_state(tensors, values)
    resumed.learn(texts(second), NLL(), updates)
    assert torch.equal(weights(second), weights(first))
    assert (resumed.steps, resumed.trained) == (learner.steps, learner.trained)

    third = policy(seed=9)
    third.restore(kept)
    forgetful = Learner(third, settings, seed=3)
    forgetful.load_state({}, values)
    forgetful.learn(texts(third), NLL(), updates)
    assert not torch.equal(weights(third), weights(first))


SEEN: list[list[tuple[int, ...]]] = []


class Watched(DPO):
    """Remembers the first tokens of the two sides of every pair of a micro-batch."""

    def loss(self, now: Scores, batch: Batch, totals: Totals) -> tuple[Tensor, Metrics]:
        SEEN.append(
            [(int(batch.tokens[c, 0]), int(batch.tokens[r, 0]), int(totals.pairs)) for c, r in zip(batch.chosen, batch.rejected, strict=True)]
        )
        return super().loss(now, batch, totals)


@pytest.mark.parametrize(("budget", "least", "most"), [(1, 10, 10), (30, 6, 10), (10_000, 6, 6)])
def test_the_sides_of_a_pair_stay_together(budget: int, least: int, most: int, policy: Make) -> None:
    SEEN.clear()
    solver = policy()
    items = pairs(solver, 5)
    items = items[1::2] + items[::2][::-1]
    Learner(solver, Optimizer(token_budget=budget), 0).learn(items, Watched(), Updates(batch_size=2, epochs=2), reference=solver.clone("anchor"))
    found = [entry for micro in SEEN for entry in micro]
    assert all(chosen == rejected for chosen, rejected, _ in found)
    assert sorted(chosen for chosen, _, _ in found) == sorted([10, 11, 12, 13, 14] * 2)
    assert {pairs for _, _, pairs in found} == {2, 1}
    assert least <= len(SEEN) <= most


class Counted(NLL):
    """Remembers the rows of every micro-batch by their first target token."""

    def loss(self, now: Scores, batch: Batch, totals: Totals) -> tuple[Tensor, Metrics]:
        SEEN.append([tuple(row.tolist()) for row in batch.tokens])
        return super().loss(now, batch, totals)


def test_epochs_and_steps_go_round_all_examples_in_a_new_order(policy: Make) -> None:
    solver = policy()
    items = [written(f"w{i}", [5], [10 + i]) for i in range(7)]
    learner = Learner(solver, Optimizer(), 0)
    SEEN.clear()
    assert learner.learn(items, Counted(), Updates(batch_size=3, epochs=2))["learner/updates"] == 6
    rows = [[row[1] for row in micro] for micro in SEEN]
    assert [len(batch) for batch in rows] == [3, 3, 1] * 2
    first, second = (list(itertools.chain(*rows[i : i + 3])) for i in (0, 3))
    assert sorted(first) == sorted(second) == list(range(10, 17))
    assert first != second
    SEEN.clear()
    learner.learn(items, Counted(), Updates(batch_size=3))
    assert [row[1] for micro in SEEN for row in micro] not in (first, second)  # every call has an order of its own
    SEEN.clear()
    assert learner.learn(items, Counted(), Updates(batch_size=5, steps=3))["learner/updates"] == 3
    assert [len(batch) for batch in SEEN] == [5, 2, 5]
    assert (learner.steps, learner.trained) == (12, 3 * 7 * 2 + 12 * 2)
    SEEN.clear()
    learner.learn(items, Counted())
    assert [len(batch) for batch in SEEN] == [7]


def test_warmup_and_the_rate_of_a_call(policy: Make) -> None:
    solver = policy()
    learner = Learner(solver, Optimizer(learning_rate=0.4, warmup=4), 0)
    rates = [learner.learn(texts(solver, 1), NLL())["learning_rate"] for _ in range(6)]
    assert rates == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4, 0.4])
    assert learner.learn(texts(solver, 1), NLL(), Updates(steps=5, rate=(1.0, 0.0)))["learning_rate"] == pytest.approx(0.2)
    before = weights(solver)
    assert learner.learn(texts(solver, 1), NLL(), Updates(rate=(0.0, 1.0)))["learning_rate"] == 0.0
    assert torch.equal(weights(solver), before)


def test_gradients_above_the_norm_are_scaled_down(policy: Make) -> None:
    free, clipped = (Learner(policy(), Optimizer(clip_norm=norm), 0) for norm in (1e9, 0.01))
    norms = [learner.learn(texts(learner.policy), NLL())["grad_norm"] for learner in (free, clipped)]
    assert norms[0] == pytest.approx(norms[1])
    for a, b in zip(gradients(free), gradients(clipped), strict=True):
        torch.testing.assert_close(a * 0.01 / norms[0], b, atol=1e-7, rtol=1e-3)


def test_the_gap_between_sampler_and_trainer_counts_only_rows_of_these_weights(policy: Make) -> None:
    solver = policy()
    learner = Learner(solver, Optimizer(learning_rate=0.05), 0)
    groups = sampled(solver)
    metrics = learner.learn(groups, PolicyGradient())
    assert 0 < metrics["sampling/sampling_logp_difference/mean"] <= metrics["sampling/sampling_logp_difference/max"] < 1e-4
    again = learner.learn(groups, NLL())  # the same rollouts, one update later: the difference is what was learned
    assert not any(name.startswith("sampling/") for name in again)
    assert not any(name.startswith("sampling/") for name in learner.learn(texts(solver), NLL()))
    groups = sampled(solver)
    logprobs = groups[0].rollouts[0].turns[1].logprobs
    assert logprobs is not None
    logprobs[0] -= 0.5
    assert learner.learn(groups, NLL())["sampling/sampling_logp_difference/max"] == pytest.approx(0.5, abs=1e-3)


def test_likelihood_training_makes_the_targets_likely(policy: Make) -> None:
    solver = policy()
    items = texts(solver)
    learner = Learner(solver, Optimizer(learning_rate=3e-3), 0)
    first = learner.learn(items, NLL())["loss"]
    learner.learn(items, NLL(), Updates(steps=60))
    assert learner.learn(items, NLL())["loss"] < 0.2 * first
