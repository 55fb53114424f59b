"""EVOL-RL: the vote with a reward for what is new, beside the vote alone."""

from typing import Any

from autotelic.systems.arms import LONG
from autotelic.systems.study import Study

HABITS: dict[str, Any] = {"model": "habits", "tasks": "habits", **LONG}

STUDY = Study(
    system="evol-rl",
    recipes=("evol-rl",),
    claim="Paying for novel texts beside the majority's answer keeps the entropy and the pass@8 that the majority alone loses.",
    quantities={"probe/entropy": "above", "probe/pass@8": "above", "probe/pass@1": "shown", "probe/accuracy": "shown", "probe/tokens": "shown"},
    arms={
        "evol-rl": {"recipe": "evol-rl", **LONG},
        "no entropy bonus": {"recipe": "evol-rl", **LONG, "objective": {"entropy": 0.0}},
        "majority and entropy bonus": {"recipe": "ttrl", **LONG, "objective": {"clip_high": 0.28, "entropy": 0.003, "kl": 0.001}},
        "majority alone": {"recipe": "ttrl", **LONG},
        "evol-rl, habits": {"recipe": "evol-rl", **HABITS},
        "majority alone, habits": {"recipe": "ttrl", **HABITS},
    },
    control="majority alone",
    against={"evol-rl, habits": "majority alone, habits", "majority alone, habits": None},
)
