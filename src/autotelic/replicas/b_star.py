"""B-STaR: temperature and threshold set by a controller."""

from typing import Any

from autotelic.replicas.base import Replica

FIXED: dict[str, Any] = {"recipe": "b-star", "rounds": 16, "probe_every": 8, "sampling": {"max_tokens": 64}, "controller": False}

REPLICA = Replica(
    system="b-star",
    recipes=("b-star",),
    claim="Choosing temperature and threshold every round by the balance score keeps pass@k where fixed settings lose it, and ends more accurate.",
    quantities={
        "probe/accuracy": "up",
        "probe/pass@8": "up",
        "balance/temperature": "shown",
        "balance/threshold": "shown",
        "balance/exploration": "shown",
        "balance/exploitation": "shown",
    },
    arms={
        "controller": {**FIXED, "controller": True, "dev": 96, "temperatures": [0.6, 0.8, 1.0, 1.2]},
        "fixed, temperature 1": FIXED,
        "fixed, temperature .6": {**FIXED, "temperature": 0.6},
        "fixed, threshold 0": {**FIXED, "threshold": 0.0},
    },
    control="fixed, temperature 1",
)
