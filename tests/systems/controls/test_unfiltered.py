"""Training on everything that one sampled: what the targets are, which lessons take their place, and what is measured."""

import math
from typing import Any

import pytest
import torch
from rounds import play_round, ready
from scripted import SHORT, made, play

from autotelic.episodes import teaching
from autotelic.errors import GoldLeak, SettingError
from autotelic.learning.examples import as_examples
from autotelic.policies.policy import Policy
from autotelic.runs.opening import Session
from autotelic.systems.controls.unfiltered.recipe import Unfiltered, repetition
from autotelic.types import Example
from autotelic.worlds import open_world


def learned(session: Session, monkeypatch: pytest.MonkeyPatch) -> list[Example]:
    """What the learner is given from now on."""
    found: list[Example] = []

    def learn(policy: str, data: Any, *rest: Any, **named: Any) -> dict[str, float]:
        found.extend(as_examples(data))
        return {}

    monkeypatch.setattr(session.ctx, "learn", learn)
    return found


def written(policy: Policy, item: Example) -> str:
    return policy.tokenizer.decode([token for token, wanted in zip(item.tokens, item.mask, strict=True) if wanted])


def test_right_wrong_and_unreadable_samples_are_all_targets_alike(policy: Any) -> None:
    solver = policy()
    ctx = play(made("unfiltered", sampling=SHORT), solver, {"1+1=": ["3"], "2+2=": ["x"], "6*411=": ["2466"]})
    items = ctx.learned[0][0]
    assert sorted(written(solver, item) for item in items) == ["2466", "3", "x"]
    assert {item.weight for item in items} == {1.0}
    assert not any(rollout.rewards for group in ctx.groups for rollout in group)


@pytest.mark.parametrize(("real", "lessons"), [(0.0, 0), (0.25, 2), (1.0, 8)])
def test_lessons_take_the_place_of_a_share_of_the_samples(real: float, lessons: int, monkeypatch: pytest.MonkeyPatch) -> None:
    session = ready("unfiltered", tasks_per_round=8, real=real)
    items = learned(session, monkeypatch)
    play_round(session)
    solver, pool = session.ctx.policies["solver"], {task.prompt for task in session.ctx.pool.tasks}
    taught = [item for item in items if "lesson" in item.rollout]
    assert (len(items), len(taught)) == (8, lessons)
    assert all(item.task is not None and item.task.prompt not in pool and item.task not in session.ctx.held_out for item in taught)
    assert all(written(solver, item).count("=") == 6 and item.mask[-1] == 1.0 for item in taught)


def test_lessons_are_the_noisy_teachers_and_new_in_every_round() -> None:
    session = ready("unfiltered", real=1.0)
    assert isinstance(session.recipe, Unfiltered)
    solver, exact = session.ctx.policies["solver"], open_world("chain?ops=6")
    session.ctx.begin_round(1)
    first = session.recipe.lessons(session.ctx, 100)
    session.ctx.begin_round(2)
    second = session.recipe.lessons(session.ctx, 100)
    wrong = sum(written(solver, item) != exact.gold(item.task) for item in first if item.task)
    assert 40 < wrong < 90, "slips of .35 at rates of .2 to .8 spoil two chains of six equations in three: these are no gold solutions"
    assert not {str(item.task and item.task.prompt) for item in first} & {str(item.task and item.task.prompt) for item in second}


def test_the_round_cannot_read_gold_through_the_runs_world() -> None:
    session = ready("unfiltered")
    with session.ctx.sealing(), pytest.raises(GoldLeak):
        _ = session.ctx.world.lesson  # type: ignore[attr-defined]


def test_the_loss_on_lessons_is_a_mean_over_their_tokens() -> None:
    """Of a policy whose logits are all equal every token costs the logarithm of the size of its vocabulary."""
    solver = ready("unfiltered").ctx.policies["solver"]
    unseen = teaching.unseen(teaching.teacher("chain?ops=2-6"), 5)
    found = teaching.examples(solver, unseen)
    rows = solver.scores([item.tokens for item in found], [item.mask.index(1.0) for item in found])
    total, count = sum(-float(row.logprobs.sum()) for row in rows), sum(len(row.logprobs) for row in rows)
    assert count == sum(len(lesson.completion) + 1 for _, lesson in unseen)
    assert teaching.loss(solver, unseen) == pytest.approx(total / count, rel=1e-5)
    with torch.no_grad():
        for parameter in solver.model.parameters():
            parameter.zero_()
    assert teaching.loss(solver, unseen) == pytest.approx(math.log(solver.model.vocab_size), rel=1e-5)


def test_unseen_lessons_are_held_out_and_always_the_same() -> None:
    teacher = teaching.teacher("chain?slips=0.35")
    first = teaching.unseen(teacher, 20)
    assert first == teaching.unseen(teacher, 20)
    assert all(teacher.held_out(str(task.prompt)) for task, _ in first)


def test_repetition_is_a_mean_over_texts() -> None:
    """Runs of four: 1 different of 3 in aaaaaa, all 3 of abcdef. Five a's stand at two places, nothing of abcdef does."""
    assert repetition([[7] * 6, [1, 2, 3, 4, 5, 6]]) == {
        "probe/texts/distinct": pytest.approx(2 / 3),
        "probe/texts/longest_repeat": pytest.approx(2.5),
    }


def test_teachers_that_do_not_fit_are_refused() -> None:
    with pytest.raises(SettingError, match="has no lessons about tasks of 'strings'; set teacher"):
        ready("unfiltered", real=0.5, tasks="strings", model="strings")
    assert ready("unfiltered", tasks="strings", model="strings").recipe is not None
    with pytest.raises(SettingError, match=r"a lesson of .* tokens exceeds the model's context"):
        ready("unfiltered", teacher="chain?ops=40")
