"""The learner: one update is what a plain loss with autograd gives, whatever the micro-batches, and its state comes back bit for bit."""

import asyncio
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from autotelic.engines.base import Request
from autotelic.errors import SettingError, TrainingError
from autotelic.learning.advantages import center
from autotelic.learning.examples import example, pair, written
from autotelic.learning.learner import Learner, Optimizer, Updates, check_room
from autotelic.learning.objectives import DPO, KTO, NLL, SPPO, Batch, Mixture, Objective, PolicyGradient, Totals
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


def test_smoothed_labels_spread_over_the_vocabulary(policy: Make) -> None:
    solver = policy()
    items = texts(solver)
    learner = Learner(solver, FREE, 0)
    losses = []
    for item in items:
        tokens = torch.tensor([item.tokens])
        logp = solver.model.head(solver.model.hidden(tokens))[0, :-1].log_softmax(-1)
        each = torch.nn.functional.cross_entropy(logp, tokens[0, 1:], label_smoothing=0.1, reduction="none")
        losses.append(each[torch.tensor(item.mask[1:]) > 0])
    total = torch.cat(losses).mean()
    expected = torch.autograd.grad(total, learner.parameters)
    assert learner.learn(items, NLL(label_smoothing=0.1))["loss"] == pytest.approx(float(total.detach()), rel=1e-4)
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
    assert "entropy" not in metrics, "unanimous groups are no collapse, and the gate hears of none"
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
    assert resumed.steps == learner.steps

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
    assert (learner.steps, learner.meter.trained) == (12, 3 * 7 * 2 + 12 * 2)
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
    again = learner.learn(groups, NLL(temperature=None))  # the same rollouts, one update later: the difference is what was learned
    assert not any(name.startswith("sampling/") for name in again)
    # These weights, but scored at temperature 1 what was sampled at .8: no gap either.
    assert not any(name.startswith("sampling/") for name in learner.learn(sampled(solver), NLL()))
    assert not any(name.startswith("sampling/") for name in learner.learn(texts(solver), NLL()))
    groups = sampled(solver)
    logprobs = groups[0].rollouts[0].turns[1].logprobs
    assert logprobs is not None
    logprobs[0] -= 0.5
    assert learner.learn(groups, NLL(temperature=None))["sampling/sampling_logp_difference/max"] == pytest.approx(0.5, abs=1e-3)


def test_likelihood_training_makes_the_targets_likely(policy: Make) -> None:
    solver = policy()
    items = texts(solver)
    learner = Learner(solver, Optimizer(learning_rate=3e-3), 0)
    first = learner.learn(items, NLL())["loss"]
    learner.learn(items, NLL(), Updates(steps=60))
    assert learner.learn(items, NLL())["loss"] < 0.2 * first


def plain_sums(policy: Policy, reference: Policy, item: Example) -> tuple[Tensor, Tensor]:
    """h of an example, and its number of targets."""
    with torch.no_grad():
        ref = token_logprobs(reference, item)[0]
    mask = torch.tensor(item.mask[1:])
    return ((token_logprobs(policy, item)[0] - ref) * mask).sum(), mask.sum()


@pytest.mark.parametrize("kind", ["aot", "bco_pair", "kto"])
@pytest.mark.parametrize("budget", [1 << 14, 1])
def test_objectives_that_look_ahead_have_the_gradient_of_a_plain_loss(kind: Any, budget: int, policy: Make) -> None:
    solver, reference = policy(), policy(seed=1)
    items = pairs(solver)
    learner = Learner(solver, Optimizer(clip_norm=1e9, token_budget=budget), 0)
    h = [plain_sums(solver, reference, item)[0] for item in items]
    good, bad = torch.stack(h[::2]), torch.stack(h[1::2])
    log, beta = torch.nn.functional.logsigmoid, 0.3
    if kind == "aot":
        with torch.no_grad():
            known = torch.stack([(token_logprobs(reference, item)[0] * torch.tensor(item.mask[1:])).sum() for item in items])
        margins = known[::2] - known[1::2]
        total = -log(beta * ((good - bad + margins).sort()[0] - margins.sort()[0])).mean()
    elif kind == "bco_pair":
        mean = torch.stack(h).mean().detach()
        total = (-log(beta * (good - mean)) - log(-beta * (bad - mean))).mean()
    else:
        z = torch.stack([plain_sums(solver, reference, item)[0].detach() for item in KTO().asked(items)]).mean().clamp(min=0)
        total = torch.cat([1 - (beta * (good - z)).sigmoid(), 1 - (beta * (z - bad)).sigmoid()]).mean()
    expected = torch.autograd.grad(total, learner.parameters)
    metrics = learner.learn(items, KTO(beta=beta) if kind == "kto" else DPO(kind=kind, beta=beta), reference=reference)
    close(gradients(learner), expected)
    assert metrics["loss"] == pytest.approx(float(total.detach()), rel=1e-4)


def signal(policy: Policy, rows: int) -> list[Example]:
    """Eight rows of different texts, of which the first `rows` have an advantage."""
    items = [written(f"w{i}", [10 + i, 5], [6 + i, 7, 8]) for i in range(8)]
    return [
        replace(item, advantage=[0.0, 0.0, *[float(i < rows)] * 3], old_logprobs=[0.0, 0.0, *[-1.0] * 3], version=policy.version)
        for i, item in enumerate(items)
    ]


@pytest.mark.parametrize("mixed", [False, True])
def test_entropy_is_a_mean_over_the_rows_that_are_scored(mixed: bool, policy: Make) -> None:
    objective: Objective = Mixture(terms={"x": PolicyGradient()}) if mixed else PolicyGradient()
    for rows in (8, 4, 2):
        solver = policy()
        items = [replace(item, part="x" if mixed else "") for item in signal(solver, rows)]
        exact = torch.cat([token_logprobs(solver, item)[1][1:] for item in items[:rows]]).mean()
        found = Learner(solver, FREE, 0).learn(items, objective)
        assert found["x/entropy" if mixed else "entropy"] == pytest.approx(float(exact.detach()), rel=1e-4)
        assert found["learner/rows"] == rows
        assert found["x/clip_ratio/region_mean" if mixed else "clip_ratio/region_mean"] == pytest.approx(
            float(torch.cat([token_logprobs(solver, item)[0][1:] for item in items[:rows]]).detach().gt(-1 + math.log(1.2)).float().mean()), abs=1e-6
        ), "shares of tokens too"


def test_equal_rows_have_the_same_entropy_however_many_have_a_signal(policy: Make) -> None:
    found = []
    for rows in (8, 4, 2):
        solver = policy()
        items = [replace(item, tokens=[10, 5, 6, 7, 8]) for item in signal(solver, rows)]
        found.append(Learner(solver, FREE, 0).learn(items, PolicyGradient())["entropy"])
    assert found == pytest.approx([found[0]] * 3, rel=1e-5)


def test_metrics_are_means_over_the_updates_of_a_call(policy: Make) -> None:
    updates = Updates(batch_size=3, epochs=2)
    whole = policy()
    metrics = Learner(whole, Optimizer(warmup=10), 0).learn(texts(whole), NLL(), updates)
    assert metrics["learner/updates"] == 4 and metrics["learner/rows"] == 3
    assert metrics["learning_rate"] == pytest.approx(2e-4 * (0.1 + 0.2 + 0.3 + 0.4) / 4)
    again = Learner(policy(), Optimizer(warmup=10), 0)
    losses: list[float] = []
    for rows, totals in again._steps(again._rows(texts(again.policy), NLL(), None), NLL(), updates):
        losses.append(again._update(rows, NLL(), totals, again._rate(0, 1, updates), first=not losses)["loss"])
    assert metrics["loss"] == pytest.approx(sum(losses) / 4, rel=1e-6)


def test_every_token_of_a_call_may_weigh_the_same(policy: Make) -> None:
    """Two updates at learning rate 0 make gradients that add up to that of one update over all, each row's share independent of its update."""
    parts = []
    for divide_by in ("update", "call"):
        learner = Learner(policy(), FREE, 0)
        rows = learner._rows(texts(learner.policy, 4), NLL(), None)
        steps = learner._steps(rows, NLL(), Updates(batch_size=3, divide_by=divide_by))
        parts.append([totals.tokens for _, totals in steps])
        assert [totals.scored for _, totals in steps] == [sum(map(sum, (row.item.mask for row in some))) for some, _ in steps]
    assert len(set(parts[0])) == 2 and parts[1] == [sum(parts[0]) / 2] * 2


def test_completions_that_were_cut_off_may_be_left_out(policy: Make) -> None:
    solver = policy()
    groups = sampled(solver)
    cut = sum(rollout.truncated for group in groups for rollout in group)
    assert 0 < cut < 16
    metrics = Learner(solver, FREE, 0).learn(groups, Thorough(overlong="drop"))
    assert (metrics["learner/rows"], metrics["learner/left_out"]) == (16 - cut, cut)
    assert "learner/left_out" not in Learner(policy(), FREE, 0).learn(groups, Thorough(staleness=9))
    kept = [rollout for group in groups for rollout in group if not rollout.truncated]
    plain, left = Learner(policy(), FREE, 0), Learner(policy(), FREE, 0)
    plain.learn(kept, Thorough())
    left.learn(groups, Thorough(overlong="drop"))
    close(gradients(left), gradients(plain))


def test_a_target_that_nothing_predicts_is_refused(policy: Make) -> None:
    solver = policy()
    with pytest.raises(TrainingError, match="example w cannot be trained on: its first token is a target, and nothing comes before it"):
        Learner(solver, FREE, 0).learn([written("w", [], [5, 6])], NLL())


def test_weights_that_decay_are_those_of_transformers(policy: Make) -> None:
    from transformers import Qwen2Config, Qwen2ForCausalLM
    from transformers.trainer_pt_utils import get_parameter_names

    inner = Qwen2ForCausalLM(Qwen2Config(vocab_size=8, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2))
    spared = [r"bias", r"layernorm", r"rmsnorm", r"(?:^|\.)norm(?:$|\.)", r"_norm(?:$|\.)"]
    theirs = set(get_parameter_names(inner, [torch.nn.LayerNorm], spared))
    assert {name for name, parameter in inner.named_parameters() if parameter.ndim >= 2} == theirs
    solver = policy(family="qwen2")
    learner = Learner(solver, Optimizer(weight_decay=0.5, learning_rate=0.1), 0)
    before = {name: p.detach().clone() for name, p in solver.model.named_parameters()}
    for parameter in learner.parameters:
        parameter.grad = torch.zeros_like(parameter)
    learner.optimizer.step()
    for name, parameter in solver.model.named_parameters():
        torch.testing.assert_close(parameter.detach(), before[name] * (0.95 if parameter.ndim == 2 else 1.0))
    assert any("bias" in name for name in before) and any("norm" in name for name in before)


def test_the_reference_is_scored_in_the_precision_of_the_policy(policy: Make) -> None:
    found = {}
    for precision in ("fp32", "bf16"):
        solver = policy()
        solver.model.initialize(torch.Generator().manual_seed(0), std=0.1)  # type: ignore[operator]
        metrics = Learner(solver, Optimizer(precision=precision), 0).learn(pairs(solver, 40), DPO(), reference=solver.clone("same"))
        found[precision] = metrics["rewards/accuracies"]
        assert abs(metrics["rewards/margins"]) < 1e-3
    assert found["fp32"] == pytest.approx(0.5, abs=0.15)
    assert found["bf16"] == pytest.approx(0.5, abs=0.15)


def test_memory_for_gradients_and_moments(policy: Callable[..., Policy]) -> None:
    solver = policy()
    check_room(solver, Optimizer(), 12 * solver.parameters)
    check_room(solver, Optimizer(), None)
    with pytest.raises(
        SettingError, match=r"model: training [0-9,]+ weights of .* needs 0\.0 GB more for gradients and moments, and 0\.0 GB of memory are free"
    ):
        check_room(solver, Optimizer(), 12 * solver.parameters - 1)
    check_room(solver, Optimizer(moments="8-bit"), 6 * solver.parameters)
