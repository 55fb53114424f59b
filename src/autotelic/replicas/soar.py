"""SOAR: a teacher paid with the student's gain, against one paid by learnability and one paid at random."""

from autotelic.replicas.base import Replica

RUN = {"recipe": "soar", "rounds": 16, "probe_every": 8}

REPLICA = Replica(
    system="soar",
    recipes=("soar",),
    claim="A teacher paid with the student's gain on hard problems poses ones that teach it to solve them; pay by learnability collapses instead.",
    quantities={
        "probe/accuracy": "up",
        "teacher/gain": "shown",
        "proposals/length": "shown",
        "proposals/distinct": "shown",
        "label/purity": "shown",
    },
    arms={"soar": RUN, "learnability": {**RUN, "pay": "learnability"}, "random pay": {**RUN, "pay": "random"}},
    control="random pay",
)
