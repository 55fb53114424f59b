"""Polychromic objectives: sets of answers rewarded for being right and different, where problems have several solutions."""

from typing import Any

from autotelic.systems.study import Study

RUN: dict[str, Any] = {"tasks": "countdown-steps", "model": "countdown-steps", "rounds": 30, "probe_every": 15, "optimizer": {"learning_rate": 3e-4}}
GOLD: dict[str, Any] = {"recipe": "gold", **RUN, "group_size": 8, "sampling": {"max_tokens": 40}}

STUDY = Study(
    system="polychromic",
    recipes=("polychromic",),
    claim="Rewarding sets for being right and different keeps the pass@8 that rewarding single answers loses.",
    quantities={"probe/pass@8": "above", "probe/entropy": "above", "probe/pass@1": "shown", "probe/accuracy": "shown"},
    arms={
        "polychromic": {"recipe": "polychromic", **RUN},
        "single answers": GOLD,
        "single answers, slower": {**GOLD, "optimizer": {"learning_rate": 1e-4}},
        "single answers, entropy bonus": {**GOLD, "objective": {"entropy": 0.01}},
    },
    control="single answers",
)
