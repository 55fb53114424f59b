"""Self-Rewarding: its own tasks keep off the probe's split, grades stay with their answers, and tasks without answers are no obstacle."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from engines import sample_by
from replying import Replying
from rounds import play_round, ready

from autotelic.errors import DataError, SettingError
from autotelic.runs.opening import Session
from autotelic.systems.self_rewarding.self_rewarding_lm.recipe import SelfRewarding
from autotelic.types import Task
from autotelic.worlds import open_world
from autotelic.worlds.chain.language import PROPOSE
from autotelic.worlds.chain_skills import ChainSkills


def session(**settings: Any) -> tuple[SelfRewarding, Session]:
    made = ready("self-rewarding", **settings)
    assert isinstance(made.recipe, SelfRewarding)
    return made.recipe, made


def test_own_tasks_of_the_probe_s_split_are_left_out_and_counted() -> None:
    world = open_world("chain-skills")
    assert isinstance(world, ChainSkills)
    held = [str(task.prompt) for task in world.tasks(2, seed=5, split="probe")]
    free = [str(task.prompt) for task in world.tasks(2, seed=5)]
    recipe, made = session(tasks_per_round=6)
    solver = made.ctx.policies["solver"]
    sample_by(Replying(solver.tokenizer, {PROPOSE: [held[0], free[0], "3+", free[1], held[1], free[1]]}), made.ctx)
    tasks = asyncio.run(recipe.write_tasks(made.ctx))
    assert [task.prompt for task in tasks] == free
    assert (made.ctx.metrics["proposals/held_out"], made.ctx.metrics["proposer/unparsed"]) == (2, 1)


@pytest.mark.parametrize("own", [True, False])
def test_runs_on_tasks_without_answers(own: bool, tmp_path: Path) -> None:
    tasks = tmp_path / "unlabelled.jsonl"
    tasks.write_text("".join(f'{{"prompt": "{task.prompt}"}}\n' for task in open_world("chain-skills?ops=4").tasks(20, seed=1)))
    recipe, made = session(tasks=str(tasks), own_tasks=own)
    play_round(made)
    assert "judge/pair_accuracy" not in made.ctx.metrics
    assert asyncio.run(recipe.measure(made.ctx, [*made.probe_tasks, Task("u", "3+4=")])) == {}


def test_the_judge_is_measured_where_answers_are_known() -> None:
    recipe, made = session(group_size=6)
    found = asyncio.run(recipe.measure(made.ctx, [*made.probe_tasks, Task("u", "3+4=")]))
    assert set(found) <= {"probe/judge/pair_accuracy"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": "chain-medium"}, "model: the role 'proposer' cannot read it: .*the model's vocabulary lacks '@'"),
        ({"model": "chain-medium", "own_tasks": False}, "model: it cannot be asked for the skill 'judge': the model's vocabulary lacks ':' 'J'"),
        ({"coin": True, "frozen_judge": True}, "coin = true grades by chance: there is no judge that frozen_judge could keep"),
        ({"sampling": {"max_tokens": 150}}, "the role 'judge' has no room"),
    ],
)
def test_refused_before_the_first_round(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        session(**settings)
    if "model" in settings:
        session(**settings, coin=True, **({} if "own_tasks" in settings else {"own_tasks": False}))


CHAT = '{"prompt": [{"role": "user", "content": "3+4=?"}], "answer": "7"}\n'


@pytest.mark.parametrize("name", ["self", "self-rewarding", "expo", "score", "reflect-retry-reward", "correction-traces"])
def test_chat_tasks_are_refused_with_their_line(name: str, tmp_path: Path) -> None:
    tasks = tmp_path / "chat.jsonl"
    tasks.write_text(CHAT + CHAT.replace("3+4", "3+5"))
    with pytest.raises((DataError, SettingError)) as caught:
        ready(name, tasks=str(tasks))
    assert "chat" in str(caught.value) or "vocabulary lacks" in str(caught.value)


@pytest.mark.parametrize(("name", "text"), [("expo", "E:"), ("score", "?"), ("reflect-retry-reward", "!"), ("correction-traces", "?")])
def test_a_model_that_lacks_a_skill_s_characters_is_refused(name: str, text: str) -> None:
    with pytest.raises(SettingError, match="vocabulary lacks"):
        ready(name, model="chain-medium")
    ready(name, model="chain-skills")
