"""RESTRAIN at the learning rate at which the vote collapses, whole and in parts."""

from typing import Any

from autotelic.systems.study import Study

FAST: dict[str, Any] = {"optimizer": {"learning_rate": 1e-3}, "rounds": 80, "probe_every": 20}

STUDY = Study(
    system="restrain",
    recipes=("restrain",),
    claim="Every answer as a label, and a penalty where no answer has many votes, keep the accuracy that the majority's answer alone loses in long training.",
    quantities={"probe/accuracy": "above", "probe/agreement": "below", "probe/pass@8": "shown", "probe/entropy": "shown"},
    arms={
        "restrain": {"recipe": "restrain", **FAST},
        "no penalty": {"recipe": "restrain", **FAST, "vote": {"min_share": 0.0}},
        "no weight of tasks": {"recipe": "restrain", **FAST, "prompt_weight": False},
        "the majority's label, nearly": {"recipe": "restrain", **FAST, "width": 0.1},
        "srt": {"recipe": "srt", **FAST, "scale": "std"},
        "gold": {"recipe": "gold", **FAST, "scale": "std"},
    },
    control="srt",
)
