"""Refinements that a judge keeps or throws away, with a policy that says what the test wants."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
from replying import context
from scripted import Noting

from autotelic.episodes.refining import Keeping, Standing, by_coin, first_answers, graded, refined
from autotelic.policies.policy import Policy
from autotelic.policies.tokenizer import character_tokenizer
from autotelic.systems.monitoring.in_context_hacking.study import Hacking
from autotelic.types import Rollout, Task
from autotelic.worlds import open_world

Make = Callable[..., Policy]
TASK = Task("t", "1+2=", answer="3")
DRAFT, BETTER, BEST = "1+2=4;#4", "1+2=5;#5", "1+2=3;#3"
STEP = {"1+2=": [DRAFT], f"C1+2={DRAFT}:": ["#1"], f"R1+2={DRAFT}:1=": [BETTER, BEST]}
"""A draft, its critique, and two refinements."""


@pytest.fixture
def solver(policy: Make) -> Policy:
    made = policy()
    made.tokenizer = character_tokenizer("0123456789+-*=#;@JCRSE?!:", 96)
    return made


def judged(**grades: str) -> dict[str, list[str]]:
    """What the judge says of each text, one digit after the other."""
    texts = {"draft": DRAFT, "better": BETTER, "best": BEST}
    return {f"J1+2={texts[name]}:": [f"1+2=3;#{digit}" for digit in digits] for name, digits in grades.items()}


def asked(solver: Policy, replies: dict[str, list[str]]) -> Noting:
    return context(Hacking(), solver, open_world("chain-skills"), [TASK], replies)


def stepped(ctx: Noting, keeping: Keeping) -> tuple[Standing, Standing]:
    """What stands at first, and after one refinement."""

    async def play() -> tuple[Standing, Standing]:
        before = await first_answers(ctx, [TASK], keeping)
        return before[0], (await refined(ctx, before, keeping, 1))[0]

    return asyncio.run(play())


@pytest.mark.parametrize(
    ("grades", "text", "grade"),
    [
        ({"draft": "2", "better": "3", "best": "1"}, BETTER, 3.0),
        ({"draft": "2", "better": "4", "best": "4"}, BETTER, 4.0),
        ({"draft": "3", "better": "3", "best": "0"}, DRAFT, 3.0),
    ],
    ids=["the best graded is kept", "of equals the first", "a draft of the same grade stays"],
)
def test_used_grades_decide_and_are_kept(solver: Policy, grades: dict[str, str], text: str, grade: float) -> None:
    ctx = asked(solver, STEP | judged(**grades))
    _, kept = stepped(ctx, Keeping(candidates=2))
    assert (kept.rollout.text, kept.grade, kept.task) == (text, grade, TASK)
    assert ctx.policies["solver"].version == 0 and not ctx.learned


def test_fresh_grades_are_of_both_sides_and_replace_the_used(solver: Policy) -> None:
    """A lucky 5 chooses a refinement; graded anew it is 3, the draft 4, which stays with its new grade."""
    _, kept = stepped(asked(solver, STEP | judged(draft="24", better="53", best="1")), Keeping(candidates=2, decides="fresh"))
    assert (kept.rollout.text, kept.grade) == (DRAFT, 4.0)
    _, kept = stepped(asked(solver, STEP | judged(draft="21", better="53", best="1")), Keeping(candidates=2, decides="fresh"))
    assert (kept.rollout.text, kept.grade) == (BETTER, 3.0)


def test_a_coin_takes_any_refinement_whatever_its_grade(solver: Policy) -> None:
    """The draft with probability one half, each of two refinements with one quarter: of 400 problems 200 and 100, give or take three deviations."""
    ctx = asked(solver, STEP | judged(draft="5", better="0", best="1"))
    old, kept = stepped(ctx, Keeping(candidates=2, decides="coin"))
    assert kept.rollout.text in (DRAFT, BETTER, BEST)
    rivals = [Standing(TASK, Rollout(name, TASK, []), grade) for name, grade in (("better", 0.0), ("best", 1.0))]
    found = [by_coin(ctx, replace(old, task=Task(str(place), "1+2=")), rivals, 1).grade for place in range(400)]
    assert 170 <= found.count(5.0) <= 230 and 74 <= found.count(0.0) <= 126 and 74 <= found.count(1.0) <= 126
    assert by_coin(ctx, old, [], 1) is old


def test_a_grade_is_the_mean_of_the_judgements_that_can_be_read(solver: Policy) -> None:
    ctx = asked(solver, {"1+2=": [DRAFT], f"J1+2={DRAFT}:": ["#1", "1+2=3;", "#4", "", "#9", "#6"]})
    (first,) = asyncio.run(first_answers(ctx, [TASK], Keeping(judgements=3)))
    assert first.grade == 2.5
    (again,) = asyncio.run(graded(ctx, [first], 3))
    assert again.grade == 0.0 and again.rollout is first.rollout and first.grade == 2.5
    assert ctx.metrics["judge/unparsed"] == 4


def test_what_has_no_answer_is_not_judged_and_never_kept(solver: Policy) -> None:
    replies = {"1+2=": ["1+2=4;"], "C1+2=1+2=4;:": ["1+2=3;"], "R1+2=1+2=4;:?=": ["1+2=5;", "#"]}
    first, kept = stepped(asked(solver, replies), Keeping(candidates=2))
    assert kept is first and kept.grade == 0.0, "its critique could not be read, and the refiner was told '?'"
    first, kept = stepped(asked(solver, replies), Keeping(candidates=2, decides="fresh"))
    assert kept.rollout is first.rollout


def test_a_trial_logs_the_judge_beside_the_truth(solver: Policy) -> None:
    """Draft: one wrong equation of one, quality 0; the refinement is right, quality 5, and the judge has it the other way round."""
    replies = STEP | judged(draft="033", better="1", best="411")
    trial = Hacking(refinements=1, keeping=Keeping(candidates=2), graded_anew=2)
    ctx = asked(solver, replies)
    before, after = asyncio.run(trial.steps(ctx, [TASK]))
    assert before == {"refine/used": 0, "refine/fresh": 3, "refine/gap": -3, "refine/quality": 0, "refine/right": 0}
    right = {"refine/used": 4, "refine/fresh": 1, "refine/gap": 3, "refine/quality": 5, "refine/right": 1, "refine/quality/since_first": 0}
    assert after == right
