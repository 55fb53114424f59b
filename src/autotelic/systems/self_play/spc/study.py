"""SPC: a critic against a generator that learns, against one that does not."""

from autotelic.systems.study import Study

RUN = {"recipe": "spc", "rounds": 20, "probe_every": 10, "optimizer": {"learning_rate": 2e-4}}

STUDY = Study(
    system="spc",
    recipes=("spc",),
    claim="A critic that plays against a generator of subtle errors gets better at finding the errors that solvers make.",
    quantities={"probe/accuracy": "up", "probe/accuracy/natural errors": "up", "probe/accuracy/right solutions": "shown"},
    arms={"spc": RUN, "frozen generator": {**RUN, "train_generator": False}},
    control="frozen generator",
    finding="""\
The critic names the first wrong step of natural errors in .48 of the cases at first and .52 after twenty rounds, within noise, and as often beside a generator that does not learn. It catches
most of what the generator hides from the start (mean reward .4), because a hidden error is a wrong equation like any other here; what it misses are the solver's own errors, which it
shares, having come from the same base, and which no game between the two brings up.""",
    outcome="no",
)
