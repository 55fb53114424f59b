"""SELF: refine and check, against training on own answers."""

from autotelic.replicas.base import Replica

RUN = {"recipe": "self", "rounds": 6, "probe_every": 3}

REPLICA = Replica(
    system="self",
    recipes=("self",),
    claim="Rounds of training on answers refined and passed by the model itself raise its accuracy; refining at inference adds more.",
    quantities={"probe/accuracy": "up", "probe/refined/accuracy": "up", "probe/pass@8": "shown"},
    arms={
        "self": RUN,
        "no refining": {**RUN, "refine": False},
        "no check": {**RUN, "check": False},
        "own answers": {**RUN, "refine": False, "check": False},
    },
    control="own answers",
)
