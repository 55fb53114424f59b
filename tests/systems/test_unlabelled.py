"""Recipes that need no answers run on tasks without any: a round, behind the seal, and what they measure on the probe."""

import asyncio
import json
from pathlib import Path

import pytest
from rounds import play_round, ready

from autotelic.errors import SettingError
from autotelic.systems.registry import recipes
from autotelic.worlds import open_world

OWN_WORLD = {
    "easy-to-hard": "it runs on the world 'addition'",
    "absolute-zero": "it runs on the world 'programs'",
    "spice": "has no documents; set corpus=PATH",
    "spiral": "games are played here",
}
"""Recipes that make their own tasks, and so run on a world alone; with what they say of others."""
FREE = sorted(name for name, cls in recipes().items() if not (cls.about.needs_answers or cls.about.preferences) and name not in OWN_WORLD)


@pytest.fixture
def unlabelled(tmp_path: Path) -> Path:
    """Chains without answers."""
    path = tmp_path / "unlabelled.jsonl"
    path.write_text("".join(json.dumps({"prompt": task.prompt}) + "\n" for task in open_world("chain?ops=4").tasks(24, seed=1)))
    return path


@pytest.mark.parametrize("name", FREE)
def test_a_round_and_its_measures_need_no_answer(name: str, unlabelled: Path) -> None:
    session = ready(name, tasks=str(unlabelled))
    play_round(session)
    assert session.ctx.groups
    told = session.ctx.audited(session.world)
    measured = asyncio.run(session.recipe.measure(session.ctx, session.probe_tasks))
    assert not any("accuracy" in key or "purity" in key for key in (*session.ctx.metrics, *told, *measured)), "nobody knows what is right"


@pytest.mark.parametrize("name", sorted(OWN_WORLD))
def test_recipes_of_one_world_say_so(name: str, unlabelled: Path) -> None:
    with pytest.raises(SettingError, match=OWN_WORLD[name]):
        ready(name, tasks=str(unlabelled), model="chain-skills")
