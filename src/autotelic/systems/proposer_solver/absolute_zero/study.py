"""Absolute Zero: a proposer that learns beside one that does not."""

from autotelic.systems.study import Study

_RUN = {"recipe": "absolute-zero", "rounds": 40, "probe_every": 20}

STUDY = Study(
    system="absolute-zero",
    recipes=("absolute-zero",),
    claim="A policy that poses its own problems about programs gets better at solving them, and poses harder ones as it does.",
    quantities={"probe/accuracy": "up", "proposals/ops/deduction": "above", "probe/pass@1": "up", "proposals/rate/deduction": "shown"},
    arms={
        "absolute zero": _RUN,
        "frozen proposer": {**_RUN, "proposer": "frozen"},
    },
    control="frozen proposer",
    finding="""\
The proposer comes to pose longer programs (2.4 to 3.2 steps, .81 above a proposer that stays) of which the solver solves fewer (.38 against .62). The solver gets better (.42 to .49), and as
much so beside the frozen proposer (.51): on this small language what is learned from longer programs does not carry over to the probe's mix within forty rounds. Induction beyond one
letter hardly moves in either arm. A learning rate of 1e-3 destroys accuracy (one seed).""",
    outcome="partly",
)
