"""Each recipe's reward, pair or weight on groups small enough to work out by hand.

The tasks, the policy, the engine and the learner are real; only the completions are given: the engine is made to write them, and scores
them with the policy's own log-probabilities.
"""

import asyncio
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from engines import sample_by
from scripted import SHORT, Noting, Scripted, made, play

from autotelic.answers.votes import VoteRule
from autotelic.errors import SettingError, TrainingError
from autotelic.learning.advantages import standardize
from autotelic.learning.objectives import DPO, NLL, PolicyGradient
from autotelic.policies.policy import Policy
from autotelic.rewards.confidence import confidence
from autotelic.runs.settings import resolve
from autotelic.systems.base import Recipe
from autotelic.systems.label_free.rlsc.recipe import self_confidence
from autotelic.types import Example, Rollout, Sampling, Task, Turn, TurnKind

Make = Callable[..., Policy]


def rewards(ctx: Noting, name: str) -> dict[str, list[float]]:
    return {group.task.id: [rollout.rewards[name] for rollout in group] for group in ctx.groups}


def advantages(ctx: Noting) -> dict[str, list[float]]:
    """The advantage of the first action token of every example, by task."""
    found: dict[str, list[float]] = {}
    for item in ctx.learned[0][0]:
        assert item.advantage is not None
        found.setdefault(item.rollout.split("/")[2], []).append(item.advantage[-1])
    return found


def completion(policy: Policy, item: Example) -> str:
    return policy.tokenizer.decode([token for token, wanted in zip(item.tokens, item.mask, strict=True) if wanted])


# ---- label-free

SCRIPT = {"1+1=": ["2", "2", "3", "x"], "2+2=": ["5", "4", "4", "5"]}


def srt(**settings: Any) -> Recipe:
    return made("srt", group_size=4, sampling=SHORT, **settings)


def test_srt_rewards_agreement_with_the_majority(policy: Make) -> None:
    ctx = play(srt(), policy(), SCRIPT)
    assert rewards(ctx, "agreement") == {"1+1=": [1, 1, 0, 0], "2+2=": [1, 0, 0, 1]}  # a tie goes to the first seen
    assert advantages(ctx) == {"1+1=": [0.5, 0.5, -0.5, -0.5], "2+2=": [0.5, -0.5, -0.5, 0.5]}
    assert ctx.policies["solver"].version == 1


def test_srt_without_a_label_gives_no_reward_and_no_signal(policy: Make) -> None:
    ctx = play(srt(), policy(), {"1+1=": ["x", "y", "", "+"], "2+2=": ["4", "4", "4", "4"]})
    assert rewards(ctx, "agreement") == {"1+1=": [0, 0, 0, 0], "2+2=": [1, 1, 1, 1]}
    assert ctx.metrics["learner/rows"] == 0
    below = play(srt(vote=VoteRule(min_share=0.6)), policy(), SCRIPT)
    assert rewards(below, "agreement") == {"1+1=": [1, 1, 0, 0], "2+2=": [0, 0, 0, 0]}
    assert rewards(play(srt(vote=VoteRule(min_share=0.6, denominator="all")), policy(), SCRIPT), "agreement")["1+1="] == [0, 0, 0, 0]


def test_srt_pays_all_winners_of_a_tie_when_told_to(policy: Make) -> None:
    script = {"1+1=": ["2", "3", "3", "2"], "2+2=": ["x", "4", "5", "y"]}
    assert rewards(play(srt(vote=VoteRule(ties="all")), policy(), script), "agreement") == {"1+1=": [1, 1, 1, 1], "2+2=": [0, 1, 1, 0]}
    assert rewards(play(srt(vote=VoteRule(ties="none")), policy(), script), "agreement") == {"1+1=": [0, 0, 0, 0], "2+2=": [0, 0, 0, 0]}
    among = play(srt(vote=VoteRule(ties="all", unparsed="candidate")), policy(), {"1+1=": ["x", "3", "3", "y"]})
    assert rewards(among, "agreement") == {"1+1=": [0, 1, 1, 0]}, "what cannot be read is never paid"


@pytest.mark.parametrize(
    ("trained", "message"), [(0, "greater than or equal to 2"), (-20, "greater than or equal to 2"), (5, "more than group_size = 4")]
)
def test_srt_trains_on_two_of_a_group_at_least_and_on_no_more_than_there_are(trained: int, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        resolve({"recipe": "srt", "group_size": 4, "trained": trained})


def test_ttrl_is_srt_with_some_trained_and_a_division_by_std(policy: Make) -> None:
    ctx = play(srt(trained=2, scale="std"), policy(), {"1+1=": ["3", "2", "2", "2"]})
    assert rewards(ctx, "agreement") == {"1+1=": [0, 1, 1, 1]}  # all vote
    assert advantages(ctx)["1+1="] == pytest.approx([-(0.5**0.5), 0.5**0.5], abs=1e-5)  # two are trained on
    assert len(ctx.groups[0]) == 4  # and all are there for the monitors


def test_a_truncated_completion_has_no_vote(policy: Make) -> None:
    ctx = play(made("srt", group_size=4, sampling=Sampling(max_tokens=2)), policy(), {"1+1=": ["22", "22", "22", "3"]})
    assert ctx.groups[0].answers == [None, None, None, "3"]
    assert rewards(ctx, "agreement") == {"1+1=": [0, 0, 0, 1]}


def test_intuitor_rewards_self_certainty_under_the_sampling_weights(policy: Make) -> None:
    solver = policy()
    before = solver.clone("before")
    ctx = play(made("intuitor", group_size=4, sampling=SHORT), solver, SCRIPT)
    for group in ctx.groups:
        assert rewards(ctx, "certainty")[group.task.id] == pytest.approx(confidence(before, group.rollouts, "certainty"))
        assert advantages(ctx)[group.task.id] == pytest.approx(standardize(confidence(before, group.rollouts, "certainty"), divide=True), rel=1e-4)
    _, objective, reference = ctx.learned[0]
    assert isinstance(objective, PolicyGradient)
    assert (objective.kl, objective.kl_estimator) == (0.005, "k3")
    assert reference is None  # the start
    assert ctx.metrics["kl"] == pytest.approx(0.0, abs=1e-6)


def sampled(*logprobs: float) -> Rollout:
    return Rollout("r", Task("t", "p"), [Turn(TurnKind.PROMPT, [1]), Turn(TurnKind.ACTION, [2] * len(logprobs), list(logprobs))])


def test_rlsc_weighs_by_the_probability_of_the_whole_completion(policy: Make) -> None:
    assert self_confidence(sampled(math.log(0.5), math.log(0.25)), 0.1) == pytest.approx(0.225)
    assert self_confidence(sampled(*[-50.0] * 40), 0.1) == 0.1  # so long that only alpha is left
    solver = policy()
    before = solver.clone("before")
    ctx = play(made("rlsc", group_size=4, sampling=Sampling(temperature=0.5, max_tokens=8)), solver, SCRIPT)
    items, objective, _ = ctx.learned[0]
    assert objective == NLL(aggregation="sequence", temperature=None), "as in the paper's algorithm, where one temperature divides all logits"
    loss = 0.0
    for item in items:
        start = item.mask.index(1.0)
        logp = float(before.scores([item.tokens], [start], 0.5)[0].logprobs.sum())
        assert item.weight == pytest.approx(math.exp(logp) + 0.1, rel=1e-3)
        loss -= item.weight * logp / len(items)
    assert ctx.metrics["loss"] == pytest.approx(loss, rel=1e-4)


# ---- self-training

HALF = VoteRule(min_share=0.5, denominator="all")


def lmsi(**settings: Any) -> Recipe:
    return made("lmsi", group_size=4, sampling=SHORT, **settings)


def test_lmsi_keeps_the_paths_to_the_majority(policy: Make) -> None:
    solver = policy()
    script = {"1+1=": ["2", "x", "2", "3"], "2+2=": ["4", "5", "6", "x"]}
    ctx = play(lmsi(vote=HALF, formats=("{prompt}", "q: {prompt}")), solver, script)
    items = ctx.learned[0][0]
    assert [completion(solver, item) for item in items] == ["2"] * 4  # one answer in three is below one half
    prompts = [solver.tokenizer.decode(item.tokens[: item.mask.index(1.0)]) for item in items]
    assert sorted(prompts) == ["1+1=", "1+1=", "q: 1+1=", "q: 1+1="]
    assert all(item.old_logprobs is None and item.tokens[-1] == solver.tokenizer.end_id for item in items)
    assert ctx.metrics["label/kept"] == 4 / 16
    nothing = play(lmsi(vote=HALF), policy(), {"2+2=": ["4", "5", "6", "x"]})
    assert (nothing.metrics["label/kept"], nothing.policies["solver"].version) == (0.0, 0)


def test_lmsi_takes_the_share_of_all_paths_and_keeps_every_winner_of_a_tie(policy: Make) -> None:
    one_of_four = play(lmsi(vote=HALF), policy(), {"1+1=": ["2", "x", "y", "z"]})
    assert one_of_four.metrics["label/kept"] == 0.0, "1 parsed of 4 is no half"
    assert play(lmsi(), policy(), {"1+1=": ["2", "x", "y", "z"]}).metrics["label/kept"] == 0.25, "the paper has no threshold"
    solver = policy()
    tied = play(lmsi(vote=VoteRule(ties="all")), solver, {"1+1=": ["2", "3", "2", "3"]})
    assert sorted(completion(solver, item) for item in tied.learned[0][0]) == ["2", "2", "3", "3"]


@pytest.mark.parametrize(
    ("formats", "message"),
    [((), "at least 1 item"), (("no place",), "lacks '{prompt}'"), (("{prompt}", "Q: "), "lacks '{prompt}', the place of the prompt")],
)
def test_lmsi_refuses_formats_that_would_train_everything_on_one_prompt_or_on_none(formats: tuple[str, ...], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        resolve({"recipe": "lmsi", "formats": formats})


def test_lmsi_refuses_formats_that_the_model_cannot_be_shown(policy: Make) -> None:
    ctx = play(lmsi(), policy(), {"1+1=": ["2", "x", "y", "z"]})
    lmsi(formats=("q: {prompt}",)).setup(ctx)
    with pytest.raises(SettingError, match=r"formats: 'Q: {prompt}'.* lacks 'Q'"):
        lmsi(formats=("Q: {prompt}",)).setup(ctx)
    with pytest.raises(SettingError, match=r"sampling\.max_tokens=8 exceed the model's context of 96"):
        lmsi(formats=("q" * 90 + "{prompt}",)).setup(ctx)


GRADED = {"6*411=": ["2466", "24xx", "xxxx", "246"]}  # scores 1, .5, 0, .75


def test_rest_trains_on_what_passes_each_threshold(policy: Make) -> None:
    solver = policy()
    ctx = play(made("rest", group_size=4, sampling=SHORT, thresholds=(0.0, 0.5, 0.8, 1.0)), solver, GRADED)
    assert rewards(ctx, "score") == {"6*411=": [1.0, 0.5, 0.0, 0.75]}
    kept = [[completion(solver, item) for item in items] for items, _, _ in ctx.learned]
    assert kept == [["2466", "24xx", "xxxx", "246"], ["2466", "24xx", "246"], ["2466"], ["2466"]]
    assert [ctx.metrics[f"label/kept/{t}"] for t in ("0", "0.5", "0.8", "1")] == [1.0, 0.75, 0.25, 0.25]
    assert ctx.policies["solver"].version == 4
    # Later steps train on text of older weights: that is no difference between sampler and trainer.
    assert ctx.metrics["sampling/sampling_logp_difference/mean"] < 1e-4


def test_rest_adds_the_gold_completions_when_told_to(policy: Make) -> None:
    solver = policy()
    ctx = play(made("rest", group_size=4, sampling=SHORT, thresholds=(0.5, 1.0), original=True), solver, GRADED)
    kept = [[completion(solver, item) for item in items] for items, _, _ in ctx.learned]
    assert kept == [["2466", "2466", "24xx", "246"], ["2466", "2466"]]
    assert [ctx.metrics[f"label/kept/{t}"] for t in ("0.5", "1")] == [0.75, 0.25], "of what was sampled"


def test_rest_skips_a_threshold_that_nothing_reaches(policy: Make) -> None:
    ctx = play(made("rest", group_size=2, sampling=SHORT, thresholds=(0.0, 0.9)), policy(), {"6*411=": ["24", "x"]})
    assert [len(items) for items, _, _ in ctx.learned] == [2, 0]
    assert ctx.policies["solver"].version == 1


def test_raft_keeps_the_best_and_the_first_of_equals(policy: Make) -> None:
    solver = policy()
    ctx = play(made("raft", group_size=4, sampling=SHORT), solver, {**GRADED, "1+1=": ["3", "x", "7", "8"], "2+2=": ["x", "4", "5", "4"]})
    kept = {item.rollout: completion(solver, item) for item in ctx.learned[0][0]}
    assert kept == {"r1/solver/6*411=/0": "2466", "r1/solver/1+1=/0": "3", "r1/solver/2+2=/1": "4"}


# ---- pairs


def scpo(**settings: Any) -> Recipe:
    return made("scpo", group_size=4, sampling=SHORT, **settings)


def test_scpo_pairs_most_with_least_voted(policy: Make) -> None:
    solver = policy()
    ctx = play(scpo(), solver, {"1+1=": ["3", "2", "x", "2"], "2+2=": ["4", "4", "4", "5"]})
    items, objective, reference = ctx.learned[0]
    found = {item.pair: (item.weight, completion(solver, item)) for item in items if item.side == "chosen"}
    assert found == {"r1/solver/1+1=/1>r1/solver/1+1=/2": (0.5, "2"), "r1/solver/2+2=/0>r1/solver/2+2=/3": (0.5, "4")}
    assert objective == DPO(beta=0.5, nll=1.0)
    assert reference is not None and reference.name == "anchor"
    assert ctx.metrics["label/kept"] == 1.0
    anchored = {item.side: float(reference.scores([item.tokens], [item.mask.index(1.0)], 1.0)[0].logprobs.mean()) for item in items[:2]}
    assert items[0].side == "chosen"
    other = float(reference.scores([items[2].tokens], [items[2].mask.index(1.0)], 1.0)[0].logprobs.mean())
    # Policy and anchor are equal, so each pair costs weight x (log 2 + its chosen side's mean negative log-likelihood).
    assert ctx.metrics["loss"] == pytest.approx(0.5 * (math.log(2) - (anchored["chosen"] + other) / 2), rel=1e-4)


def test_scpo_never_prefers_what_cannot_be_read(policy: Make) -> None:
    rule = VoteRule(unparsed="candidate", ties="all", min_share=0.4)
    solver = policy()
    ctx = play(made("scpo", group_size=5, sampling=SHORT, vote=rule), solver, {"1+1=": ["x", "y", "5", "5", "3"]})
    assert {item.side: completion(solver, item) for item in ctx.learned[0][0]} == {"chosen": "5", "rejected": "3"}
    assert [item.weight for item in ctx.learned[0][0]] == [0.2, 0.2]  # 2 votes against 1, of 5


@pytest.mark.parametrize("texts", [["2", "2", "2", "2"], ["2", "2", "3", "3"], ["2", "3", "4", "x"], ["x", "y", "+", ""]])
def test_scpo_makes_no_pair_without_a_clear_winner_and_a_loser(texts: list[str], policy: Make) -> None:
    ctx = play(scpo(), policy(), {"1+1=": texts})
    assert ctx.learned[0][0] == []
    assert (ctx.metrics["label/kept"], ctx.policies["solver"].version) == (0.0, 0)


def test_spin_sets_the_given_answer_against_its_own_and_keeps_a_round(policy: Make) -> None:
    solver = policy()
    recipe = made("spin", sampling=SHORT)
    ctx = play(recipe, solver, {"1+1=": ["3"], "2+2=": ["4"]})
    items, objective, reference = ctx.learned[0]
    assert [(item.side, completion(solver, item)) for item in items] == [("chosen", "2"), ("rejected", "3")]  # 4 is the given answer: no pair
    assert objective == DPO(beta=0.1)
    assert reference is not None and reference.name == "opponent"
    assert ctx.metrics["pairs/task"] == 0.5
    assert ctx.metrics["loss"] == pytest.approx(math.log(2), rel=1e-4)  # the opponent is the policy itself
    assert sorted(task for task, _ in ctx.state["previous"]) == ["1+1=", "2+2="]
    ctx.begin_round(2)
    sample_by(Scripted(solver.tokenizer, {"1+1=": ["7"], "2+2=": ["5"]}), ctx)
    asyncio.run(recipe.round(ctx))
    second = ctx.learned[1][0]
    assert sorted(completion(solver, item) for item in second if item.side == "rejected") == ["3", "5", "7"]
    assert len({item.pair for item in second}) == 3
    forgetful = play(made("spin", sampling=SHORT, keep_previous=False), policy(), {"1+1=": ["3"]})
    assert forgetful.state["previous"] == []


# ---- controls


def test_gold_format_and_random_rewards(policy: Make) -> None:
    script = {"1+1=": ["2", "3", "x", "2"], "2+2=": ["x", "y", "+", ""]}
    settings: dict[str, Any] = {"group_size": 4, "sampling": SHORT}
    assert rewards(play(made("gold", **settings), policy(), script), "correct") == {"1+1=": [1, 0, 0, 1], "2+2=": [0, 0, 0, 0]}
    ctx = play(made("format-only", **settings), policy(), script)
    assert rewards(ctx, "format") == {"1+1=": [1, 1, 0, 1], "2+2=": [0, 0, 0, 0]}
    assert advantages(ctx)["1+1="] == [0.25, 0.25, -0.75, 0.25]
    for share in (0.0, 1.0):
        assert rewards(play(made("random-reward", **settings, share=share), policy(), script), "random")["1+1="] == [share] * 4
    first, second = (rewards(play(made("random-reward", **settings), policy(), script), "random") for _ in range(2))
    assert first == second
    assert {value for values in first.values() for value in values} == {0.0, 1.0}


def test_entropy_only_rewards_negative_entropy(policy: Make) -> None:
    solver = policy()
    before = solver.clone("before")
    ctx = play(made("entropy-only", group_size=4, sampling=SHORT), solver, SCRIPT)
    for group in ctx.groups:
        values = rewards(ctx, "sharpness")[group.task.id]
        assert values == pytest.approx(confidence(before, group.rollouts, "entropy"))
        assert all(-math.log(solver.model.vocab_size) <= value <= 0 for value in values)


def test_supervised_trains_on_the_worlds_own_solutions(policy: Make) -> None:
    solver = policy()
    ctx = play(made("supervised"), solver, {"1+1=": [], "2+2=": []})
    items = ctx.learned[0][0]
    assert {item.rollout: completion(solver, item) for item in items} == {"1+1=": "2", "2+2=": "4"}
    assert all(item.tokens[-1] == solver.tokenizer.end_id and item.mask[-1] == 1.0 for item in items)
    assert ctx.groups == []


def test_a_policy_gradient_round_cannot_be_learned_twice(policy: Make) -> None:
    ctx = play(srt(), policy(), SCRIPT)
    with pytest.raises(TrainingError, match="off-policy: 1 updates old"):
        ctx.learn("solver", ctx.groups, PolicyGradient())


def test_agreement_rewards_make_the_majority_likelier(policy: Make) -> None:
    solver = policy()
    script = {"1+1=": ["2", "2", "2", "3"]}
    rows = [[*solver.tokenizer.encode_prompt("1+1="), *solver.tokenizer.encode(text), solver.tokenizer.end_id] for text in ("2", "3")]
    before = [float(s.logprobs.sum()) for s in solver.scores(rows, [5, 5])]
    recipe = srt()
    ctx = play(recipe, solver, script)
    for number in range(2, 8):
        ctx.begin_round(number)
        asyncio.run(recipe.round(ctx))
    after = [float(s.logprobs.sum()) for s in solver.scores(rows, [5, 5])]
    assert after[0] > before[0]
    assert after[1] < before[1]
    assert torch.isfinite(torch.tensor(after)).all()
