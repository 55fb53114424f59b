"""SPC: who wins what, how often its labels are right, and what is refused."""

import asyncio

import pytest
from small import small

from autotelic.errors import SettingError
from autotelic.runs.opening import plan
from autotelic.systems.self_play.spc.recipe import Sneak
from autotelic.tasks.language import FINE
from autotelic.types import Task
from autotelic.worlds.chain.language import first_wrong, steps


def test_who_wins_gets_one_and_who_loses_minus_one() -> None:
    session = plan(small("spc", tasks_per_round=8))
    session.ctx.begin_round(1)
    asyncio.run(session.recipe.round(session.ctx))
    by_role = {role: [r for g in session.ctx.groups for r in g if r.keys["role"] == role] for role in ("critic", "generator")}
    assert {rollout.rewards["game"] for rollout in by_role["generator"]} <= {1.0, -1.0}
    for critique in by_role["critic"]:
        if critique.keys["kind"] == "untouched":
            assert critique.rewards["game"] == (1.0 if critique.answer == FINE else -1.0)
    hidden = sum(critique.keys["kind"] == "hidden" for critique in by_role["critic"])
    fooled = sum(critique.rewards["game"] < 0 for critique in by_role["critic"] if critique.keys["kind"] == "hidden")
    assert 2 * hidden == len(by_role["critic"]) and sum(rollout.rewards["game"] > 0 for rollout in by_role["generator"]) == fooled
    assert 0 < session.ctx.metrics["game/valid"] <= 1 and 0.6 < session.ctx.metrics["game/labels_right"] <= 1


def test_a_right_answer_may_hide_wrong_steps() -> None:
    """7+4 is 1, taken for 2; 2*5 is 0 as 1*5 is 5: then 0 taken for 5 makes it good. By its answer it is right; the critic is paid for finding nothing."""
    problem, solution = "7+4*5=", "7+4=2;2*5=5;#5"
    assert first_wrong(problem, "7+4=1;1*5=5;#5") == 0 and first_wrong(problem, solution) == 1
    session = plan(small("spc"))
    session.ctx.begin_round(1)
    task, right = Task("t", problem), "7+4=1;1*5=5;#5"
    lucky, honest = (Sneak(task, text, "5", tuple(steps(text)), place) for text, place in ((solution, 2), (right, 1)))
    rollout = session.ctx.begin("generator", session.ctx.pool.tasks[0])
    session.recipe.note(  # type: ignore[attr-defined]
        session.ctx, [(lucky, rollout, "7+4=2;2*5=3;#3"), (honest, rollout, "7+4=3;3*5=5;#5")]
    )
    assert session.ctx.metrics["game/labels_right"] == 0.5, "both labels of the second are right, neither of the first"


def test_solutions_that_leave_no_room_are_left_out_and_counted() -> None:
    session = plan(small("spc", tasks_per_round=12, sampling={"max_tokens": 200}))
    session.ctx.begin_round(1)
    asyncio.run(session.recipe.round(session.ctx))
    assert session.ctx.metrics["game/no_room"] > 0, "200 tokens and what a solver goes on from exceed a context of 224"
    roomy = plan(small("spc", tasks_per_round=12))
    roomy.ctx.begin_round(1)
    asyncio.run(roomy.recipe.round(roomy.ctx))
    assert roomy.ctx.metrics["game/no_room"] == 0


def test_a_model_that_knows_no_critics_is_refused() -> None:
    with pytest.raises(SettingError, match=r"model: the role 'critic' cannot read it: .* vocabulary lacks ':' 'C'"):
        plan(small("spc", model="chain-medium"))
