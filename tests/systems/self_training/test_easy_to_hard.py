"""Easy to hard: every stage of its filter on labels made by hand, the frontier, and what it trains on; with a small model that adds single digits."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from autotelic.bases.making import make
from autotelic.bases.specs import BaseSpec
from autotelic.measures.monitors import purity
from autotelic.runs.opening import Session, prepare
from autotelic.runs.settings import resolve
from autotelic.systems.self_training.easy_to_hard.recipe import EasyToHard
from autotelic.types import Rollout, Task
from autotelic.worlds import addition
from autotelic.worlds.addition import Addition

WINDOW = 3
WORLD = Addition(window=WINDOW, digits=(1, 2))


@pytest.fixture(scope="module")
def adder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that was taught single digits and cannot add two."""
    folder = tmp_path_factory.mktemp("base") / "adder"
    spec = BaseSpec(
        name="adder", note="single digits", tasks=f"addition?digits=1&window={WINDOW}", width=32, intermediate=64, layers=2, context=24,
        steps=250, batch_size=48, warmup=20, learning_rate=6e-3,
    )  # fmt: skip
    make(spec, folder)
    return folder


def session(adder: Path, **settings: Any) -> tuple[EasyToHard, Session]:
    """The recipe and a run of it that is ready for round 1."""
    raw = {
        "recipe": "easy-to-hard",
        "model": str(adder),
        "tasks": f"addition?digits=1-2&window={WINDOW}",
        "known": 1,
        "target": 2,
        "pool_size": 40,
        "probe_size": 20,
    }
    made = prepare(*resolve(raw | {"sampling": {"max_tokens": 6}, "engine": "torch"} | settings))
    made.ctx.begin_round(1)
    assert isinstance(made.recipe, EasyToHard)
    return made.recipe, made


def label(a: int, b: int, total: int, shift: int = 0, form: str | None = None, digits: int = 2) -> Rollout:
    """A label of a sum, as if the model had written it."""
    task = WORLD.task(addition.write(a, b, shift, WINDOW, digits))
    unknown = Task(task.id, task.prompt, None, task.hidden, {"digits": digits})
    text = form if form is not None else addition.field(total, shift, digits)
    return Rollout(f"{task.id}/{total}/{form}", unknown, [], text, WORLD.parse(text))


def known_pairs(recipe: EasyToHard, made: Session) -> set[tuple[int, int]]:
    """The single-digit sums that the model gets right at both shifts a part of a two-digit sum can have."""
    pairs = [(a, b) for a in range(10) for b in range(10)]
    asked = [WORLD.task(addition.write(a, b, shift, WINDOW)) for a, b in pairs for shift in (0, 1)]
    said = asyncio.run(recipe.answers(made.ctx, asked))
    right = [answer == task.answer for answer, task in zip(said, asked, strict=True)]
    return {pair for place, pair in enumerate(pairs) if right[2 * place] and right[2 * place + 1]}


def test_the_form_is_all_that_the_length_filter_asks(adder: Path) -> None:
    good = [label(12, 34, 46), label(12, 34, 99), label(99, 99, 198, shift=1), label(50, 50, 0)]
    parsed = [label(12, 34, 46, form="64"), label(12, 34, 46, form="#640"), label(12, 34, 46, form="6400")]
    unparsed = [label(12, 34, 46, form=""), label(12, 34, 46, form="64#"), label(12, 34, 46, form="6+4")]
    for name, kept in (("length", good), ("none", good + parsed)):
        recipe, made = session(adder, filter=name)
        assert asyncio.run(recipe.agreeing(made.ctx, good + parsed + unparsed)) == kept


def test_agreement_keeps_what_the_model_says_of_both_views_right_or_wrong(adder: Path) -> None:
    """Whatever the model answers: a label stays where the answers to the exchanged and to the shifted sum are the label, and only there."""
    recipe, made = session(adder, filter="agreement")
    ctx = made.ctx
    tasks = [WORLD.task(addition.write(a, b, 0, WINDOW)) for a in range(10) for b in range(10)]

    def said(view: Any) -> list[str | None]:
        views = [view(task, recipe.shift(ctx, task, view.__name__)) for task in tasks]
        groups = asyncio.run(ctx.sample("solver", views, n=1, note=False))
        return [group.answers[0] if addition.well_formed(group.task, group.rollouts[0].text) else None for group in groups]

    swapped, shifted = said(addition.swapped), said(addition.shifted)
    found, expected = [], []
    for task, one, other in zip(tasks, swapped, shifted, strict=True):
        for total in range(20):
            found.append(label(task.hidden["a"], task.hidden["b"], total, digits=1))
            if one == other == str(total):
                expected.append(found[-1])
    assert asyncio.run(recipe.agreeing(ctx, found)) == expected
    assert len(expected) > 60 and sum(WORLD.verify(rollout.task, rollout.answer) for rollout in expected) > 60


def test_parts_that_the_model_has_mastered_tell_right_labels_from_wrong_ones(adder: Path) -> None:
    recipe, made = session(adder)
    known = known_pairs(recipe, made)
    assert len(known) > 60, "the base must know most single-digit sums for this test to say something"

    def kept(labels: list[Rollout]) -> list[Rollout]:
        return asyncio.run(recipe.fitting(made.ctx, labels, 0))

    carried = 0
    right, wrong = [], []
    for a in range(10, 100, 3):
        for b in range(10, 100, 7):
            carry = (a % 10 + b % 10) // 10
            high = (a // 10 + carry, b // 10) if a // 10 < 9 else (a // 10, b // 10 + carry)
            if (a % 10, b % 10) not in known or high not in known:
                continue
            carried += carry
            right.append(label(a, b, a + b))
            wrong += [label(a, b, a + b + off) for off in (1, -1, 10, -10, 100) if 0 <= a + b + off < 1000]
    assert len(right) > 60 and carried > 10
    assert kept(right) == right
    assert kept(wrong) == []


def test_the_carry_is_written_into_the_high_digits_or_the_cut_says_nothing(adder: Path) -> None:
    """97 + 98: the low digits carry, and both high digits are 9, so the high part cannot be asked about."""
    recipe, made = session(adder)
    known = known_pairs(recipe, made)
    low = next((a, b) for a, b in sorted(known) if a + b >= 10)
    one, other = 90 + low[0], 90 + low[1]
    labels = [label(one, other, one + other), label(one, other, one + other + 10), label(one, other, one + other + 1)]
    assert asyncio.run(recipe.fitting(made.ctx, labels, 0)) == labels[:2], "only the low digit is checked"
    carries = next((a, b) for a, b in sorted(known) if a + b >= 10 and (3, 4) in known)
    one, other = 20 + carries[0], 40 + carries[1]
    labels = [label(one, other, one + other), label(one, other, one + other - 10)]
    assert asyncio.run(recipe.fitting(made.ctx, labels, 0)) == labels[:1], "a label that forgot the carry goes"


def test_a_low_part_without_an_answer_drops_the_label(adder: Path) -> None:
    recipe, made = session(adder, sampling={"max_tokens": 1})
    assert asyncio.run(recipe.fitting(made.ctx, [label(12, 34, 46)], 0)) == []
    assert asyncio.run(recipe.agreeing(made.ctx, [label(12, 34, 46)])) == []
    assert asyncio.run(recipe.agreeing(made.ctx, [])) == []


def test_cuts_and_shifts_stay_in_range_and_use_it(adder: Path) -> None:
    recipe, made = session(adder)
    tasks = Addition(window=9).tasks(200, seed=0, digits=5, same_length=True)
    assert {recipe.place(made.ctx, task, 0) for task in tasks} == {1}, "even cuts leave no more below than the base was taught"
    loose = recipe.model_copy(update={"tied": False})
    assert {loose.place(made.ctx, task, 0) for task in tasks} == {1, 2, 3, 4}
    assert {recipe.place(made.ctx, task, 1) for task in tasks} == {1, 2, 3, 4}
    assert {recipe.shift(made.ctx, task, "x") for task in tasks} == {0, 1, 2, 3, 4}
    assert [recipe.shift(made.ctx, task, "x") for task in tasks] == [recipe.shift(made.ctx, task, "x") for task in tasks]
    assert [recipe.shift(made.ctx, task, "x") for task in tasks] != [recipe.shift(made.ctx, task, "y") for task in tasks]


def born(digits: int, count: int, wrong: bool = False) -> list[Task]:
    """Own labels of a size."""
    tasks = Addition(window=9).tasks(count, seed=digits, digits=digits, same_length=True)
    return [Task(t.id, t.prompt, str(int(t.answer or 0) + wrong), t.hidden, {**t.tags, "born": 1}) for t in tasks]


@pytest.mark.parametrize(
    ("newest", "older", "expected"),
    [(64, 40, (0.4, 0.4, 0.2)), (64, 0, (0.4, 0.0, 0.6)), (0, 40, (0.0, 0.4, 0.6)), (8, 40, (0.1, 0.4, 0.5)), (0, 0, (0.0, 0.0, 1.0))],
)
def test_examples_in_proportion_and_in_form(newest: int, older: int, expected: tuple[float, ...], adder: Path) -> None:
    recipe, made = session(adder, steps=20, batch_size=50)
    ctx = made.ctx
    ctx.pool.add([*born(3, newest, wrong=True), *born(2, older)], why="test")
    tokenizer, shares = ctx.policies["solver"].tokenizer, Counter[int]()
    shifts, sides = set(), set()
    for item in recipe.examples(ctx, 3):
        task = ctx.pool[item.rollout.rpartition("/")[0]]
        start = item.mask.index(1.0)
        prompt, completion = tokenizer.decode(item.tokens[:start]), tokenizer.decode(item.tokens[start:])
        said = addition.read(prompt)
        shares[task.tags["digits"]] += 1
        assert said.digits == task.tags["digits"] and {said.a, said.b} == set(task.hidden.values())
        assert completion == addition.field(int(task.answer or 0), said.shift, said.digits), "the label, right or wrong, at the prompt's shift"
        assert item.tokens[-1] == tokenizer.end_id and item.old_logprobs is None and set(item.mask[start:]) == {1.0}
        shifts.add((said.digits, said.shift))
        sides.add((said.a, said.b) == (task.hidden["a"], task.hidden["b"]))
    assert sides == {True, False} and len(shifts) > 2
    assert sum(shares.values()) == 1000
    for digits, share in zip((3, 2, 1), expected, strict=True):
        assert shares[digits] / 1000 == pytest.approx(share, abs=0.05 if share else 0.0)


def test_the_frontier_moves_when_enough_labels_are_kept_and_not_before(adder: Path) -> None:
    small = {"labels": 20, "wanted": 10, "tries": 2, "steps": 1, "batch_size": 8}
    recipe, made = session(adder, filter="places", **small)
    assert not recipe.finished(made.ctx)
    asyncio.run(recipe.round(made.ctx))
    metrics = made.ctx.metrics
    assert metrics["frontier"] == 1 and metrics["label/kept"] < 0.75
    assert not recipe.finished(made.ctx)
    recipe, made = session(adder, filter="length", advance=0.0, **small)
    asyncio.run(recipe.round(made.ctx))
    assert made.ctx.metrics["frontier"] == made.ctx.state["frontier"] == 2
    assert recipe.finished(made.ctx), "the target of 2 digits is reached"


def test_own_labels_go_into_the_pool_with_what_they_are(adder: Path) -> None:
    recipe, made = session(adder, filter="none", labels=30, wanted=10, tries=3, steps=1, batch_size=4)
    ctx = made.ctx
    before = {task.id for task in ctx.pool.tasks}
    asyncio.run(recipe.round(ctx))
    own = [task for task in ctx.pool.tasks if task.id not in before]
    assert own and all(task.tags["born"] == 1 and task.tags["digits"] == 2 for task in own)
    drawn = {rollout.task.id: rollout for group in ctx.groups for rollout in group}
    assert all(task.answer == drawn[task.id].answer for task in own if task.id in drawn), "the label is the model's answer, not the world's"
    right = sum(WORLD.verify(task, task.answer) for task in own) / len(own)
    assert purity(WORLD, ctx.labels)["label/purity"] == pytest.approx(right)
    assert right < 1.0
    events = ctx.pool.take_events()
    assert {event["why"] for event in events} == {"own label, none"} and len(events) == len(own)


def test_the_probe_has_every_length_in_equal_parts_and_none_of_the_training_tasks() -> None:
    recipe = EasyToHard(known=3, target=7)
    world = Addition()
    probe = recipe.probe(world, 100, 0)
    assert Counter(task.tags["digits"] for task in probe) == {3: 20, 4: 20, 5: 20, 6: 20, 7: 20}
    pool = recipe.pool(world, 300, 0)
    assert {task.tags["digits"] for task in pool} == {1, 2, 3}
    pairs = {tuple(sorted(task.hidden.values())) for task in pool}
    assert not any(tuple(sorted(task.hidden.values())) in pairs for task in probe)
