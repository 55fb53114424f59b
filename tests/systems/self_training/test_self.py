"""SELF: seed lessons that are no gold, what is kept of answers and refinements, and what it is measured on."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from engines import sample_by
from replying import Replying
from rounds import play_round, ready

from autotelic.errors import SettingError
from autotelic.learning.examples import as_examples
from autotelic.runs.opening import Session
from autotelic.systems.self_training.self.recipe import SelfEvolution, origin
from autotelic.types import Example, Rollout, Task
from autotelic.worlds import open_world
from autotelic.worlds.chain_skills import ChainSkills

PROBLEM = Task("t", "3+4*2=", answer="4")
RIGHT, WRONG = "3+4=7;7*2=4;#4", "3+4=8;8*2=6;#6"


def session(**settings: Any) -> tuple[SelfEvolution, Session]:
    made = ready("self", **settings)
    assert isinstance(made.recipe, SelfEvolution)
    return made.recipe, made


def learned(made: Session, monkeypatch: pytest.MonkeyPatch) -> list[Example]:
    """What the context's learner is given from now on."""
    found: list[Example] = []

    def learn(policy: str, data: Any, *rest: Any, **named: Any) -> dict[str, float]:
        found.extend(as_examples(data))
        return {}

    monkeypatch.setattr(made.ctx, "learn", learn)
    return found


def completion(made: Session, item: Example) -> str:
    return made.ctx.policies["solver"].tokenizer.decode([token for token, wanted in zip(item.tokens, item.mask, strict=True) if wanted])


def test_seed_lessons_are_the_unsure_teachers_on_tasks_of_their_own() -> None:
    recipe, made = session(seeds=200)
    teacher = open_world("chain-skills?ops=6&slips=0.3&skills=solve")
    assert isinstance(teacher, ChainSkills)
    lessons = recipe.seed_lessons(teacher, made.ctx)
    pool = {task.prompt for task in made.ctx.pool.tasks} | {task.prompt for task in made.probe_tasks}
    problems = [lesson.turns[0] for _, lesson in lessons]
    assert len(lessons) == 200
    assert not pool & set(problems)
    assert not any(teacher.held_out(problem) for problem in problems)
    wrong = sum(lesson.completion != teacher.solve(lesson.turns[0]) for _, lesson in lessons)
    assert 40 < wrong < 180, "slips of .3 spoil most chains of six equations: these are no gold solutions"
    assert lessons == recipe.seed_lessons(teacher, made.ctx), "they are drawn once, so that a resumed run has the same"
    sure = open_world("chain-skills?ops=6&slips=0&skills=solve")
    assert isinstance(sure, ChainSkills)
    assert all(lesson.completion == sure.solve(lesson.turns[0]) for _, lesson in recipe.seed_lessons(sure, made.ctx))


def test_lessons_are_the_same_in_a_world_with_a_perfect_teacher() -> None:
    """The run's world never teaches: what its own teacher would say is gold."""
    one, two = session(tasks="chain-skills?slips=0"), session(tasks="chain-skills?slips=0.9")
    assert [item.tokens for item in one[0].lessons(one[1].ctx)] == [item.tokens for item in two[0].lessons(two[1].ctx)]


@pytest.mark.parametrize(("replay", "expected"), [(0.0, 0), (0.5, 2), (2.0, 8)])
def test_replay_counts_lessons_for_every_kept_answer(replay: float, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, made = session(replay=replay, check=False, refine=False)
    monkeypatch.setattr(made.ctx.world, "parse", lambda text: text)
    for role in ("solver", "refiner"):
        made.ctx.roles[role] = recipe.roles(made.world)[role]
    found = learned(made, monkeypatch)
    play_round(made)
    lessons = [item for item in found if item.rollout.startswith("lesson/")]
    assert (len(found) - len(lessons), len(lessons)) == (4, expected)


def test_where_nothing_passes_nothing_is_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    _, made = session(replay=5.0)
    sample_by(Replying(made.ctx.policies["solver"].tokenizer, {str(t.prompt): ["?"] for t in made.ctx.pool.tasks}), made.ctx)
    play_round(made)
    assert made.ctx.policies["solver"].version == 0


CRITIQUES: list[tuple[str, bool, list[str], list[str]]] = [
    ("nothing found", True, ["3+4=7;7*2=4;#0"] * 2, [RIGHT]),
    ("unreadable, so it stays as it is, and is not kept unless it then passes", True, ["3+4=", "#0"], [RIGHT]),
    ("unreadable twice", True, ["3+4=", "3+4="], []),
    ("unreadable, without a check", False, ["3+4="], [RIGHT]),
]


@pytest.mark.parametrize(("why", "check", "critiques", "kept"), CRITIQUES)
def test_an_answer_whose_critique_cannot_be_read_stays(
    why: str, check: bool, critiques: list[str], kept: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, made = session(check=check, replay=0.0)
    solver = made.ctx.policies["solver"]
    sample_by(Replying(solver.tokenizer, {"3+4*2=": [RIGHT], f"C3+4*2={RIGHT}:": critiques}), made.ctx)
    monkeypatch.setattr(made.ctx.pool, "draw", lambda count: [PROBLEM])
    found = learned(made, monkeypatch)
    play_round(made)
    assert [completion(made, item) for item in found] == kept, why
    assert made.ctx.metrics["label/kept"] == len(kept)


def test_a_fault_is_refined_and_the_refinement_is_learned_behind_the_plain_task(monkeypatch: pytest.MonkeyPatch) -> None:
    _, made = session(replay=0.0)
    solver = made.ctx.policies["solver"]
    replies = {"3+4*2=": [WRONG], f"C3+4*2={WRONG}:": ["3+4=7;#1"], f"R3+4*2={WRONG}:1=": [RIGHT], f"C3+4*2={RIGHT}:": ["#0"]}
    sample_by(Replying(solver.tokenizer, replies), made.ctx)
    monkeypatch.setattr(made.ctx.pool, "draw", lambda count: [PROBLEM])
    found = learned(made, monkeypatch)
    play_round(made)
    assert [solver.tokenizer.decode(item.tokens) for item in found] == [f"3+4*2={RIGHT}"]
    assert found[0].old_logprobs is None


def test_measured_on_tasks_with_answers_alone() -> None:
    recipe, made = session()
    plain = [Task(f"p{i}", task.prompt) for i, task in enumerate(made.probe_tasks)]
    assert asyncio.run(recipe.measure(made.ctx, plain)) == {}
    some = asyncio.run(recipe.measure(made.ctx, [*plain, *made.probe_tasks[:2]]))
    assert set(some) == {"probe/refined/accuracy", "probe/critic/accuracy"}


def test_the_origin_of_a_refinement_is_the_plain_task() -> None:
    assert origin(Rollout("r", Task("of-r", "R...", hidden={"origin": PROBLEM}), [])) is PROBLEM
    assert origin(Rollout("r", PROBLEM, [])) is PROBLEM


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"teacher": "chain"}, "self needs a teacher of critiques and refinements, such as chain-skills"),
        ({"teacher": "chain-skills?slipz=1"}, "has no knob 'slipz'"),
        (
            {"sampling": {"max_tokens": 150}},
            "sampling.max_tokens: the role 'critic' has no room for a prompt of 167 tokens and a reply of 64 in a context of 224",
        ),
        ({"teacher": "chain-skills?ops=80"}, "a lesson of .* tokens exceeds the model's context of 224"),
        ({"model": "chain-medium"}, "model: it cannot be asked for the skill 'critique': the model's vocabulary lacks ':' 'C'"),
    ],
)
def test_refused_before_the_first_round(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        ready("self", **settings)


UNLABELLED = '{{"prompt": "{}"}}\n'


def test_runs_on_tasks_without_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = tmp_path / "unlabelled.jsonl"
    tasks.write_text("".join(UNLABELLED.format(task.prompt) for task in open_world("chain-skills?ops=4").tasks(20, seed=1)))
    _, made = session(tasks=str(tasks))
    play_round(made)
    assert "label/purity" not in made.ctx.metrics and 0 <= made.ctx.metrics["label/kept"] <= 1
    assert asyncio.run(made.recipe.measure(made.ctx, made.probe_tasks)) == {}
