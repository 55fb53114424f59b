"""R-Zero: against a questioner that is not trained, one without the repetition penalty, and a solver without the filter."""

from autotelic.replicas.base import Replica

RUN = {"recipe": "r-zero", "rounds": 5, "probe_every": 1}

REPLICA = Replica(
    system="r-zero",
    recipes=("r-zero",),
    claim="Questioner and solver, taught in turns, raise the solver's accuracy, while the labels of the ever harder questions grow less pure.",
    quantities={
        "probe/accuracy": "up",
        "label/purity": "down",
        "proposals/length": "shown",
        "proposals/distinct": "shown",
        "proposals/repetition": "shown",
        "filter/kept": "shown",
    },
    arms={
        "r-zero": RUN,
        "no penalty": {**RUN, "penalty": 0.0},
        "no filter": {**RUN, "keep": (0.0, 1.0)},
        "fixed questioner": {**RUN, "asker": "frozen"},
    },
    control="fixed questioner",
)
