"""CREAM: trust by consistency, against full and against constant trust."""

from autotelic.replicas.base import Replica

RUN = {"recipe": "cream", "rounds": 8, "probe_every": 2}

REPLICA = Replica(
    system="cream",
    recipes=("cream",),
    claim="Weighting pairs by how consistent the ranking is with that of the version before keeps self-rewarding from getting worse over its iterations.",
    quantities={"probe/accuracy": "above", "probe/pass@1": "above", "probe/pass@8": "shown"},
    arms={"cream": RUN, "per task": {**RUN, "per_task": True}, "full trust": {**RUN, "trust": 1.0}},
    control="full trust",
)
