"""SPICE: questions about documents, beside questions about nothing."""

from autotelic.replicas.base import Replica

_RUN = {"recipe": "spice", "rounds": 80, "probe_every": 40}

REPLICA = Replica(
    system="spice",
    recipes=("spice",),
    claim="Questions grounded in documents go on teaching where ungrounded self-play is limited.",
    quantities={"probe/accuracy": "up", "probe/pass@1": "up", "questions/true": "above", "questions/rate": "shown"},
    arms={
        "spice": _RUN,
        "ungrounded": {**_RUN, "grounded": False},
        "answers unchecked": {**_RUN, "checked": False},
    },
    control="ungrounded",
)
