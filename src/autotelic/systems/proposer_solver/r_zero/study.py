"""R-Zero: against a questioner that is not trained, one without the repetition penalty, and a solver without the filter."""

from autotelic.systems.study import Study

RUN = {"recipe": "r-zero", "rounds": 5, "probe_every": 1}

STUDY = Study(
    system="r-zero",
    recipes=("r-zero",),
    claim="Questioner and solver, taught in turns, raise the solver's accuracy; the questions grow harder and their labels less pure.",
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
    finding="""\
The questioner does what it is paid for: its questions grow from 2.6 to 4.2 operations. The solver gains nothing beyond what a questioner that is left alone
gives it. On this base a question divides the answers where the base believes something false, so that the band from .3 to .8 keeps questions whose
majority is wrong every second time (label/purity .47 at the start, .38 at the end, .23 below that of the fixed questioner); without the filter
labels are purer (.75) and the solver ends higher (.60), if not beyond doubt. The repetition penalty has nothing to do: with or without it a question's
cluster is two percent of its batch.""",
    outcome="no",
)
