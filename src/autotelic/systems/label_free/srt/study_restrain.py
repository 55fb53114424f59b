"""RESTRAIN at the learning rate at which the vote collapses, whole and in parts."""

from typing import Any

from autotelic.systems.study import Study

FAST: dict[str, Any] = {"optimizer": {"learning_rate": 1e-3}, "rounds": 80, "probe_every": 20}

STUDY = Study(
    system="restrain",
    recipes=("restrain",),
    claim="Every answer as a label, and a penalty where no answer has many votes, keep the accuracy that the majority's answer alone loses in long training.",
    quantities={"probe/accuracy": "above", "probe/agreement": "below", "probe/pass@8": "shown", "probe/entropy": "shown"},
    arms={
        "restrain": {"recipe": "restrain", **FAST},
        "no penalty": {"recipe": "restrain", **FAST, "vote": {"min_share": 0.0}},
        "no weight of tasks": {"recipe": "restrain", **FAST, "prompt_weight": False},
        "the majority's label, nearly": {"recipe": "restrain", **FAST, "width": 0.1},
        "srt": {"recipe": "srt", **FAST, "scale": "std"},
        "gold": {"recipe": "gold", **FAST, "scale": "std"},
    },
    control="srt",
    finding="""\
At this rate it does not hold off collapse. From .40 accuracy falls to .18 in the mean of three seeds and with SRT to .14 (difference .04,
interval -.13 to +.20), while samples come to agree entirely (1.00 and .96) and pass@8 falls from .80 to .18 and .16. All 15 runs without labels
end as hacked, whichever of its parts they have; gold labels lead to .97 at the same rate. `chain-medium` begins with majorities of 8 that are
right .44 of the time, so that most of what is learned from is wrong from the start; what weights and penalties do from a better start is not
tried here.""",
    outcome="no",
)
