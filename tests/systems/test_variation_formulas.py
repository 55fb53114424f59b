"""What variations do otherwise than the recipes they vary, on groups small enough to work out by hand; see `test_formulas`."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from scripted import SHORT, Noting, made, play

from autotelic.errors import SettingError
from autotelic.learning.objectives import DPO, NLL, PolicyGradient
from autotelic.policies.policy import Policy
from autotelic.rewards.graded import staged
from autotelic.runs.opening import plan
from autotelic.systems.label_free.srt.variations import banded, closeness, over_labels
from autotelic.systems.proposer_solver.sqlm.recipe import worth
from autotelic.systems.self_correction.score.recipe import second_stage
from autotelic.systems.self_training.raft.variations import disagreement
from autotelic.types import Group, Rollout, Sampling, Task

Make = Callable[..., Policy]
SCRIPT = {"1+1=": ["2", "2", "3", "x"], "2+2=": ["1", "2", "3", "x"]}


def rewards(ctx: Noting, name: str) -> dict[str, list[float]]:
    return {group.task.id: [rollout.rewards[name] for rollout in group] for group in ctx.groups}


def advantages(ctx: Noting) -> dict[str, list[float]]:
    return {group.task.id: [float(rollout.advantage) for rollout in group] for group in ctx.groups}  # type: ignore[arg-type]


def run(name: str, policy: Policy, script: dict[str, list[str]], **settings: Any) -> Noting:
    return play(made(name, **{"group_size": 4, "sampling": SHORT, **settings}), policy, script)


def test_all_answers_vote_and_the_first_are_compared(policy: Make) -> None:
    ctx = run("ttrl", policy(), {"1+1=": ["2", "3", "3", "3"]}, trained=2)
    assert rewards(ctx, "agreement") == {"1+1=": [0, 1, 1, 1]}
    assert [item.advantage[-1] for item in ctx.learned[0][0]] == pytest.approx([-(0.5**0.5), 0.5**0.5], abs=1e-5)  # type: ignore[index]


def test_bands_of_the_majority_and_of_others() -> None:
    texts = ["7"] * 4
    assert banded(["7", "7", "4", "4"], texts, "7") == [0.75, 0.75, -0.75, -0.75], "all texts are alike"
    assert banded(["7", "7", "4", None], texts, "7") == [0.75, 0.75, -0.5, -1.0], "alone on its side"
    assert banded(["7", None, None, None], texts, "7") == [-1.0] * 4
    assert banded([None, None], texts[:2], None) == [-1.0] * 2


def test_evol_rl_learns_from_bands_alone(policy: Make) -> None:
    """1+1=: the majority is 2, two of them, alike; 3 is alone: rewards .75 .75 -.5 -1, mean 0, deviation sqrt(2.375 / 3)."""
    ctx = run("evol-rl", policy(), {"1+1=": SCRIPT["1+1="]}, trained=4)
    assert rewards(ctx, "banded") == {"1+1=": [0.75, 0.75, -0.5, -1.0]} and rewards(ctx, "agreement") == {"1+1=": [1, 1, 0, 0]}
    spread = (2.375 / 3) ** 0.5
    learned = [item.advantage[-1] for item in ctx.learned[0][0]]  # type: ignore[index]
    assert learned == pytest.approx([0.75 / spread, 0.75 / spread, -0.5 / spread, -1 / spread], abs=1e-5)


def test_every_answer_is_a_label() -> None:
    """Eight answers, 5 2 1 of them alike: weights .5825 .2506 .1669, as a note on the paper has it."""
    found = over_labels([*"aaaaabbc"], center=1.0, width=0.5, total=8)
    assert [found[place] for place in (0, 5, 7)] == pytest.approx([0.2278, -0.3566, -0.4257], abs=1e-4)
    assert sum(found) == pytest.approx(0, abs=1e-9)
    assert over_labels(["a", "a"], 1.0, 0.5, 2) == [0, 0] and over_labels([None, None], 1.0, 0.5, 2) == [0, 0]
    assert [closeness(share, 1.0, 0.5) for share in (1.0, 0.5)] == pytest.approx([1.0, 0.6065], abs=1e-4)


def test_restrain_pushes_down_where_no_share_is_large(policy: Make) -> None:
    """1+1=: shares .5 and .25 weigh .6513 and .3487; advantages .866 and .5 -.5 1.5 of the two labels. 2+2=: no share above .25."""
    ctx = run("restrain", policy(), SCRIPT)
    assert advantages(ctx)["1+1="] == pytest.approx([0.3897, 0.3897, -0.0411, -0.7384], abs=1e-4)
    assert advantages(ctx)["2+2="] == [-1, -1, -1, -1]
    weights = {item.rollout.split("/")[2]: item.weight for item in ctx.learned[0][0]}
    assert weights == pytest.approx({"1+1=": 0.6065, "2+2=": 0.3247}, abs=1e-4)
    assert ctx.metrics["restrain/penalized"] == 0.5 and ctx.state["weights"] == pytest.approx(weights)


def test_restrain_counts_what_parses_when_told_to_and_refuses_what_does_nothing(policy: Make) -> None:
    """2+2=: 1 of 3 that parse is a third, above .3."""
    ctx = run("restrain", policy(), {"2+2=": SCRIPT["2+2="]}, vote={"denominator": "parsed", "min_share": 0.3}, prompt_weight=False, scale="none")
    assert ctx.metrics["restrain/penalized"] == 0.0 and {item.weight for item in ctx.learned[0][0]} == {1.0}
    assert advantages(ctx)["2+2="] == pytest.approx([1 / 12, 1 / 12, 1 / 12, -0.25])
    with pytest.raises(ValueError, match=r"leave vote\.ties at 'first'"):
        made("restrain", vote={"ties": "all"})


def test_length_is_priced_and_a_missing_answer_too(policy: Make) -> None:
    """A digit and the end are 2 tokens, the end alone is 1; enough = 4."""
    ctx = run("rlsp", policy(), {"1+1=": ["2", "3", "x", ""]}, enough=4)
    found = [[rewards(ctx, name)["1+1="][place] for name in ("correct", "answered", "effort")] for place in range(4)]
    assert found == [[1, 0, -2], [0, 0, -2], [0, -0.5, -2], [0, -0.5, -4]]


def test_wrong_answers_are_worth_their_likeness(policy: Make) -> None:
    assert [staged(False, False, 0.7), staged(True, True, 0.0), staged(True, False, 0.5)] == pytest.approx([0.0, 2.1, 0.6])
    ctx = run("verireason", policy(), {"6*411=": ["2466", "24", "2x", "99"]})
    assert rewards(ctx, "staged")["6*411="] == pytest.approx([2.1, 0.6, 0.0, 0.1])


def test_dapo_punishes_half_of_what_is_nearly_too_long(policy: Make) -> None:
    """With the end 2, 6, 8 and 2 tokens of at most 8, of which the last 4 cost."""
    ctx = run("dapo", policy(), {"6*411=": ["2", "24661", "2466111", "x"]}, cache=4)
    assert rewards(ctx, "overlong")["6*411="] == [0, -0.25, -0.5, 0]
    with pytest.raises(ValueError, match=r"cache = 99 is more than sampling\.max_tokens = 8"):
        made("dapo", sampling=SHORT, cache=99)


def test_sets_of_answers_share_their_worth(policy: Make) -> None:
    """Answers 2 2 3 and none, right the first two: all pairs are worth .5 but the last, which is worth 0; mean 5/12."""
    ctx = run("polychromic", policy(), {"1+1=": SCRIPT["1+1="]}, set_size=2)
    assert advantages(ctx)["1+1="] == pytest.approx([1 / 12, 1 / 12, -1 / 12, -1 / 12])
    for settings, words in (
        ({"set_size": 8}, "set_size = 8"),
        ({"group_size": 64, "set_size": 20}, "at most 20000"),
        ({"scale": "std"}, "scale = 'std'"),
    ):
        with pytest.raises(ValueError, match=words):
            made("polychromic", **settings)


@pytest.mark.parametrize(("number", "coefficient"), [(1, 1.0), (3, 0.6), (5, 0.2), (9, 0.2)])
def test_the_pull_of_the_teacher_falls_over_the_rounds(number: int, coefficient: float, policy: Make) -> None:
    recipe = made("kdrl", group_size=4, sampling=SHORT, rounds=5, tasks_per_round=1)
    ctx = play(recipe, policy(), {"1+1=": SCRIPT["1+1="]})
    ctx.begin_round(number)
    recipe.learn(ctx, [])  # type: ignore[attr-defined]
    assert ctx.metrics["teacher/coefficient"] == pytest.approx(coefficient)
    _, objective, reference = ctx.learned[0]
    assert isinstance(objective, PolicyGradient) and (objective.kl, objective.kl_estimator) == (1.0, "k2") and reference is ctx.policies["teacher"]


@pytest.mark.parametrize(("where", "pulled"), [("everywhere", "1111 1111"), ("wrong", "0011 1111"), ("failed", "0000 1111")])
def test_the_teacher_may_be_left_to_what_is_wrong(where: str, pulled: str, policy: Make) -> None:
    ctx = run("kdrl", policy(), {"1+1=": SCRIPT["1+1="], "6*411=": ["1", "2", "3", "4"]}, where=where)
    found = {item.rollout: item.kl is None or any(item.kl) for item in ctx.learned[0][0]}
    assert [found[name] for name in sorted(found)] == [mark == "1" for mark in pulled.replace(" ", "")]


def test_a_teacher_of_another_vocabulary_is_refused() -> None:
    with pytest.raises(SettingError, match="teacher = 'strings': its vocabulary is not that of the model"):
        plan({"recipe": "kdrl", "teacher": "strings", "pool_size": 4, "probe_size": 2})


def test_unfiltered_likelihood_weighs_all_alike(policy: Make) -> None:
    ctx = run("osft", policy(), SCRIPT)
    items, objective, _ = ctx.learned[0]
    assert {item.weight for item in items} == {1.0} and len(items) == 8 and objective == NLL()
    recipe = made("osft")
    assert recipe.sampling.temperature == 0.6 and objective.scored_at(items[0]) == 1.0


def test_disagreement_weighs_questions(policy: Make) -> None:
    """Answers 2 2 3 and none: 1.5 bits; 4 5 5 5: .8113 bits; mean 1.1556. 6*411= is never solved."""
    assert [disagreement([*"2233"]), disagreement(["2", "2", "3", None]), disagreement([*"4555"])] == pytest.approx([1.0, 1.5, 0.8113], abs=1e-4)
    script = {"1+1=": SCRIPT["1+1="], "2+2=": ["4", "5", "5", "5"], "6*411=": ["1", "2", "3", "4"]}
    ctx = run("east", policy(), script)
    assert {item.rollout.split("/")[2]: item.weight for item in ctx.learned[0][0]} == pytest.approx({"1+1=": 1.2980, "2+2=": 0.7020}, abs=1e-4)
    assert ctx.metrics["label/kept"] == pytest.approx(2 / 3) and ctx.metrics["east/disagreement"] == pytest.approx(1.1556, abs=1e-4)
    assert {item.weight for item in run("east", policy(), script, power=0.0).learned[0][0]} == {1.0}
    assert run("east", policy(), {"6*411=": ["1", "2", "3", "4"]}).learned[0][0] == [], "nothing is left"


def test_likelihood_comes_first_and_its_policy_is_the_reference(policy: Make) -> None:
    ctx = play(made("sprec", sampling=Sampling(temperature=0.0, max_tokens=8)), policy(), {"1+1=": ["3"], "2+2=": ["4"]})
    (given, likelihood, _), (pairs, loss, reference) = ctx.learned
    assert (len(given), likelihood, len(pairs), loss) == (2, NLL(), 2, DPO(beta=0.1))
    assert reference is not None and (reference.version, ctx.policies["solver"].version) == (1, 2)
    assert "previous" not in ctx.state or ctx.state["previous"] == []


def attempted(*rights: tuple[float, float]) -> Sequence[Group]:
    task = Task("t", "1+1=")
    return [Group(task, [Rollout(str(place), task, [], rewards={"first": a, "second": b}) for place, (a, b) in enumerate(rights)])]


def test_progress_of_the_second_attempt_alone() -> None:
    """2 R of 0 to 1, 1 to 1, 1 to 0, 0 to 0: 2, 1, -1, 0, each minus the mean of the others."""
    found = second_stage(attempted((0, 1), (1, 1), (1, 0), (0, 0)), 1.0, "none")
    assert [first for first, _ in found] == [0, 0, 0, 0]
    assert [second for _, second in found] == pytest.approx([2 - 0, 1 - 1 / 3, -1 - 1, 0 - 2 / 3])


def test_a_challenger_is_paid_what_the_solver_loses() -> None:
    assert [worth(right, 8, "minimax") for right in (0, 2, 8)] == [0, -0.25, -1]
    recipe = made("lsp")
    assert recipe.reads_answers and not made("lsp", judge="majority").reads_answers
