"""SQLM: a proposer that is trained, against one that is not and one that is paid at random."""

from autotelic.replicas.base import Replica

RUN = {"recipe": "sqlm", "rounds": 80, "probe_every": 40}

REPLICA = Replica(
    system="sqlm",
    recipes=("sqlm",),
    claim="A policy that is paid for asking what it is in two minds about, and for agreeing with its majority, gets better at held-out problems without data.",
    quantities={
        "probe/accuracy": "up",
        "proposals/length": "up",
        "proposals/distinct": "shown",
        "label/purity": "shown",
        "probe/accuracy/ops 6": "shown",
        "probe/accuracy/ops 8": "shown",
    },
    arms={
        "sqlm": RUN,
        "half": {**RUN, "pay": "half"},
        "random pay": {**RUN, "pay": "random"},
        "fixed proposer": {**RUN, "proposer": "frozen"},
    },
    control="fixed proposer",
)
