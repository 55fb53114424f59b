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
Accuracy goes from .54 to .99 in six rounds, .15 above training on own answers alone; refining at inference is worth .13 at first and nothing once the answers are right.
The check adds nothing here: refined answers are as good without it (.99). The control rises too (.54 to .85), because the lessons that every round replayed in these
runs were written by a teacher without errors, on tasks of the pool; as the recipe is now, they are by a teacher who errs like the base's, on tasks of their own.""",
    outcome="replicated",
)
