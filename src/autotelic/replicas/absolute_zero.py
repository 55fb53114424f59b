"""Absolute Zero: a proposer that learns beside one that does not."""

from autotelic.replicas.base import Replica

_RUN = {"recipe": "absolute-zero", "rounds": 40, "probe_every": 20}

REPLICA = Replica(
    system="absolute-zero",
    recipes=("absolute-zero",),
    claim="A policy that poses its own problems about programs gets better at solving them, and poses harder ones as it does.",
    quantities={"probe/accuracy": "up", "proposals/ops/deduction": "above", "probe/pass@1": "up", "proposals/rate/deduction": "shown"},
    arms={
        "absolute zero": _RUN,
        "frozen proposer": {**_RUN, "proposer": "frozen"},
    },
    control="frozen proposer",
)
