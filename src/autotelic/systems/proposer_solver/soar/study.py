"""SOAR: a teacher paid with the student's gain, against one paid by learnability and one paid at random."""

from autotelic.systems.study import Study

RUN = {
    "recipe": "soar", "rounds": 10, "probe_every": 5, "tasks": "chain?ops=6", "pool_size": 512,
    "steps": 8, "hard": 128, "optimizer": {"learning_rate": 1e-3},
}  # fmt: skip

STUDY = Study(
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
    finding="""\
Students learn from what a teacher poses that was never paid for it: promotion by gain, which all arms have, takes the hard tasks from .56 to .83, and
pay by gain adds .015 to it, within the noise. The gain of a data set has a spread of about .1 beside differences that are no larger, and ten updates of
the teacher see forty of them. Pay by learnability is the lowest of the three, and shows what the paper says of it: problems grow to eight operations
and beyond with labels that are wrong (purity .16), or the teacher poses one problem over and over (.07 of them distinct). The tasks are hard for
this base, not out of its reach as the paper's are.""",
    outcome="no",
)
