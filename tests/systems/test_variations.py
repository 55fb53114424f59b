"""Variations: each is its recipe with other settings or one step otherwise, and runs."""

import json
from pathlib import Path

import pytest
from command import call
from rounds import play_round, ready
from small import small

from autotelic.systems.registry import recipes

VARIATIONS = {name: cls for name, cls in recipes().items() if cls.about.kind == "variation"}


@pytest.mark.parametrize("name", VARIATIONS)
def test_settings_that_are_declared_again_keep_their_types_and_bounds(name: str) -> None:
    cls = VARIATIONS[name]
    above = recipes()[str(cls.about.of)]
    assert cls.__base__ is above
    for field, theirs in above.model_fields.items():
        mine = cls.model_fields[field]
        assert (mine.annotation, mine.metadata) == (theirs.annotation, theirs.metadata), field
    own = set(vars(cls)) - set(vars(above))
    assert cls().model_dump() != above().model_dump() or own, "it differs in nothing"


@pytest.mark.parametrize("name", VARIATIONS)
def test_it_plays_its_rounds(name: str) -> None:
    """Two rounds in memory, behind the seal where it needs no answers. That runs are saved and resumed is tested on the recipes that they vary."""
    session = ready(name, rounds=2)
    updates = 0.0
    for number in (1, 2):
        play_round(session, number)
        updates += session.ctx.metrics.get("learner/updates", 0.0)
    assert updates >= 1.0


def test_it_is_run_and_resumed_by_its_name(tmp_path: Path) -> None:
    settings = [f"{key}={value}" for key, value in small("ttrl").items() if key != "recipe"]
    assert call("run", "ttrl", *settings, "--rounds", 1, "--out", tmp_path / "run").status == 0
    assert call("resume", tmp_path / "run", "--rounds", 2).status == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text(encoding="utf-8"))
    assert (config["recipe"]["name"], config["recipe"]["settings"]["vote"]["denominator"]) == ("ttrl", "all")
    assert len((tmp_path / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()) == 3
