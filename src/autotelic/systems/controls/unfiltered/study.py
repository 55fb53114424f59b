"""Collapse of self-trained language models: training on everything that one sampled."""

from typing import Any

from autotelic.systems.arms import PROBED_AT_ONE
from autotelic.systems.study import Study

OWN: dict[str, Any] = {"recipe": "unfiltered", "optimizer": {"learning_rate": 3e-4}, "probe_every": 5, **PROBED_AT_ONE}
"""40 rounds of 256 texts."""
FILTERED: dict[str, Any] = {
    "recipe": "lmsi",
    "optimizer": {"learning_rate": 3e-4},
    "rounds": 40,
    "tasks_per_round": 16,
    "group_size": 16,
    "sampling": {"temperature": 1.0},
    "updates": {"batch_size": 64},
    "probe_every": 5,
    **PROBED_AT_ONE,
}
"""As many samples, of which those that agree with the majority of their group are kept."""

STUDY = Study(
    system="unfiltered",
    recipes=("unfiltered",),
    catalogue=(136,),
    claim="A model that goes on training on its own samples gets worse, the faster the larger the learning rate, and its text ends in repetitions.",
    quantities={
        "probe/lessons/loss": "up",
        "probe/accuracy": "down",
        "probe/texts/distinct": "down",
        "probe/texts/longest_repeat": "up",
        "probe/entropy": "shown",
        "probe/pass@8": "shown",
        "loss": "shown",
    },
    arms={
        "own samples": OWN,
        "learning rate 2e-3": OWN | {"optimizer": {"learning_rate": 2e-3}},
        "temperature .6": OWN | {"sampling": {"temperature": 0.6}},
        "a quarter lessons": OWN | {"real": 0.25},
        "lessons alone": OWN | {"real": 1.0},
        "the majority's paths": FILTERED,
    },
    control="lessons alone",
    against={"learning rate 2e-3": "own samples", "temperature .6": "own samples"},
)
