"""SELF: refine and check, against training on own answers."""

from autotelic.systems.study import Study

RUN = {"recipe": "self", "rounds": 6, "probe_every": 3}

STUDY = Study(
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
    finding="""\
Accuracy goes from .54 to .98 in six rounds, .43 above training on own answers, which gains nothing (.55); refining at inference is worth .13 at first and nothing
once the answers are right. Either half of the method is enough here: answers that are refined and not checked lead to .96, answers that are checked and not refined
to .97. The lessons that every round replays, by a teacher who errs like the base's, teach nothing by themselves: the control has them too. In earlier runs, whose
lessons were solutions of the pool's tasks without errors, the control rose to .85.""",
    outcome="replicated",
)
