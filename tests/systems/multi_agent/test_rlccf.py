"""RLCCF: the weighted vote, its ends, and a round in which models differ."""

import asyncio
from pathlib import Path

import pytest
from small import small

from autotelic.runs import loop
from autotelic.runs.opening import plan
from autotelic.runs.progress import Progress
from autotelic.runs.reading import RunReader
from autotelic.systems.multi_agent.rlccf.recipe import collective, consistency
from autotelic.systems.registry import find


def test_consistency_is_the_share_of_the_majority_among_all_answers() -> None:
    assert consistency(["7", "7", "7", "4"]) == 0.75
    assert consistency(["7", "4", None, None]) == 0.25
    assert consistency(["7"]) == 1.0
    assert consistency([None, None]) == consistency([]) == 0.0


def test_the_consistent_count_for_more() -> None:
    """SC: 3/4, 2/4, 2/4. Votes: 7 gets 3 * .75 = 2.25; 4 gets 1 * .75 + 2 * .5 + 2 * .5 = 2.75; 3 gets 2 * .5 + 1 * .5 = 1.5; 2 gets .5. Of 7."""
    ballots = [["7", "7", "7", "4"], ["4", "4", "3", "2"], ["4", "4", "3", "3"]]
    assert collective(ballots) == ("4", pytest.approx(2.75 / 7))
    assert collective(ballots, weighted=False) == ("4", pytest.approx(5 / 12))


def test_weights_can_turn_a_vote() -> None:
    """4 has four of nine answers, but those who give it are unsure (SC 2/3): 7 gets 3 * 1, 4 gets 4 * 2/3, 2 and 3 get 2/3 each, of 7."""
    ballots = [["7", "7", "7"], ["4", "4", "2"], ["4", "4", "3"]]
    assert collective(ballots) == ("7", pytest.approx(3 / 7))
    assert collective(ballots, weighted=False) == ("4", pytest.approx(4 / 9))


def test_ends_of_the_vote() -> None:
    assert collective([]) == collective([[None, None], [None]]) == (None, 0.0)
    assert collective([["7", "7"], ["7", "7"]]) == ("7", 1.0)
    assert collective([["7", "4"], ["4", "7"]])[0] == "7", "ties go to the first"
    assert collective([["7"]]) == ("7", 1.0)
    assert collective([["7", None, None, None], ["4", "4", None, None]]) == ("4", pytest.approx(2 * 0.5 / (2 * 0.5 + 0.25)))


def test_every_model_is_rewarded_for_the_same_label_and_learns_its_own_part() -> None:
    session = plan(small("rlccf"))
    ctx = session.ctx
    before = {name: policy.snapshot() for name, policy in ctx.policies.items()}
    ctx.begin_round(1)
    asyncio.run(session.recipe.round(ctx))
    assert set(ctx.learners) == {"solver", "model-2", "model-3"} == {group.rollouts[0].keys["role"] for group in ctx.groups}
    by_task: dict[str, list[list[str | None]]] = {}
    for group in ctx.groups:
        by_task.setdefault(group.task.id, []).append(group.answers)
    for group in ctx.groups:
        label, _ = collective(by_task[group.task.id])
        assert [rollout.rewards["agreement"] for rollout in group] == [float(answer == label) for answer in group.answers]
    assert {r.policy for g in ctx.groups for rollout in g for r in rollout.actions} == set(ctx.learners)
    for name in ctx.learners:
        after = ctx.policies[name].snapshot()
        assert any((after[key] != before[name][key]).any() for key in after), f"{name} did not learn"


def test_alone_each_votes_for_itself() -> None:
    session = plan(small("rlccf", together=False))
    session.ctx.begin_round(1)
    asyncio.run(session.recipe.round(session.ctx))
    for group in session.ctx.groups:
        label, _ = collective([group.answers])
        assert [rollout.rewards["agreement"] for rollout in group] == [float(answer == label) for answer in group.answers]


def test_a_run_measures_all_models_and_their_vote(tmp_path: Path) -> None:
    outcome = loop.start(small("rlccf", rounds=1, out=str(tmp_path / "run")), Progress(quiet=True))
    history = RunReader(outcome.folder).history()
    for metrics in history.values():
        assert metrics["probe/models/least"] <= metrics["probe/models/accuracy"] <= 1 and 0 <= metrics["probe/vote/accuracy"] <= 1
    assert {"rewards/agreement/mean", "vote/share", "label/purity"} <= history[1].keys()
    assert find("rlccf").model_validate({"bases": []}).names == ["solver"]  # type: ignore[attr-defined]
