"""Self-Backtracking on countdown: search steered by the model's own backtrack token, then expert iteration."""

from typing import Any

from autotelic.replicas.base import Replica

BACK: dict[str, Any] = {"recipe": "self-backtracking", "rounds": 4, "pool_size": 1100, "probe_every": 2, "probe_samples": 0}

REPLICA = Replica(
    system="self-backtracking",
    recipes=("self-backtracking",),
    claim="A model that was taught to take wrong steps back solves more by search than one taught solutions alone, and then more without search.",
    quantities={"probe/search/depth_1": "above", "probe/search/depth_0": "above", "probe/accuracy": "up", "probe/back/found": "shown"},
    arms={"stepping back": BACK, "solutions alone": {**BACK, "model": "countdown-steps", "back_share": 0.0}},
    control="solutions alone",
)
