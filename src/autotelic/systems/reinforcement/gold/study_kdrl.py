"""KDRL: a teacher beside the reward, from a weaker base than the teacher's."""

from typing import Any

from autotelic.systems.study import Study

RUN: dict[str, Any] = {"group_size": 8, "rounds": 12, "probe_every": 4, "optimizer": {"learning_rate": 3e-4}}

STUDY = Study(
    system="kdrl",
    recipes=("kdrl",),
    claim="A pull towards a better model beside the reward raises accuracy further than the reward alone.",
    quantities={"probe/accuracy": "up", "probe/pass@1": "above", "probe/pass@8": "shown"},
    arms={
        "kdrl": {"recipe": "kdrl", **RUN},
        "constant pull": {"recipe": "kdrl", **RUN, "last_kl": 1.0},
        "pull on wrong answers": {"recipe": "kdrl", **RUN, "where": "wrong"},
        "pull on failed groups": {"recipe": "kdrl", **RUN, "where": "failed"},
        "reward alone": {"recipe": "gold", **RUN, "scale": "std", "objective": {"clip_high": 0.2}},
    },
    control="reward alone",
)
