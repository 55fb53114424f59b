"""The gate: a run that falls without it ends no worse than it began, and what it costs a run that is well."""

from typing import Any

from autotelic.systems.study import Study

RUN: dict[str, Any] = {"rounds": 40, "probe_every": 5, "probe_size": 400}
"""Half of the probe's tasks decide in the gate, and the verdict rests on the others."""
FALLS: dict[str, Any] = {"recipe": "srt", "model": "chain-good", "optimizer": {"learning_rate": 1e-3}, **RUN}
"""At a large rate the vote goes to one answer for everything."""
RISES: dict[str, Any] = {"recipe": "gold", "model": "chain-good", **RUN}
VOTES: dict[str, Any] = {"recipe": "srt", "model": "habits", "tasks": "habits", **RUN}
"""The majority of this base is right where its greedy answer is not, so a vote raises it."""


def gate(by: str) -> dict[str, Any]:
    """The setting of a gate with a champion."""
    return {"gate": {"by": by}}


STUDY = Study(
    system="gate",
    recipes=("srt",),
    claim="With a gate, a run by majority vote that otherwise falls hands over weights no worse than the first ones, and a run that rises still rises.",
    quantities={"verdict/accuracy": "above", "probe/accuracy": "shown", "probe/agreement": "shown", "gate/champion": "shown"},
    arms={
        "falls, gate by accuracy": {**FALLS, **gate("accuracy")},
        "falls, gate by votes": {**FALLS, **gate("votes")},
        "falls, no gate": FALLS,
        "rises with gold, gate by accuracy": {**RISES, **gate("accuracy")},
        "rises with gold, no gate": RISES,
        "rises by votes, gate by accuracy": {**VOTES, **gate("accuracy")},
        "rises by votes, gate by votes": {**VOTES, **gate("votes")},
        "rises by votes, no gate": VOTES,
    },
    control="falls, no gate",
    against={
        "rises with gold, gate by accuracy": "rises with gold, no gate",
        "rises with gold, no gate": None,
        "rises by votes, gate by accuracy": "rises by votes, no gate",
        "rises by votes, gate by votes": "rises by votes, no gate",
        "rises by votes, no gate": None,
    },
)
