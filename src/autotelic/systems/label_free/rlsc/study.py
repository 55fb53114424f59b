"""RLSC: samples weighted by their own probability."""

from autotelic.systems.arms import HABITS, LONG, PROBED_AT_ONE, RANDOM, RANDOM_HABITS
from autotelic.systems.study import Study

STUDY = Study(
    system="rlsc",
    recipes=("rlsc",),
    claim="A few updates towards the model's own mode raise its accuracy.",
    quantities={"probe/accuracy": "up", "probe/agreement": "shown", "probe/pass@8": "shown"},
    arms={
        "rlsc, habits": {"recipe": "rlsc", **HABITS, **PROBED_AT_ONE},
        "random reward, habits": RANDOM_HABITS,
        "rlsc": {"recipe": "rlsc", **LONG, **PROBED_AT_ONE},
        "random reward": RANDOM,
    },
    control="random reward, habits",
    against={"rlsc": "random reward", "random reward": None},
    finding="""\
It depends on where it starts. From `habits`, whose greedy answers are right .14 of the time and its majorities of 8 .82, accuracy rises to .96 in
the mean of five seeds (.35 with a random reward), with pass@8 nearly where it was, and is lower at the end than at its top in two seeds, .86 the
lowest. From `chain-medium`, whose majorities are right hardly more often than its greedy answers (.43 and .40), agreement rises and accuracy stays
where it was or falls a little, while pass@8 falls: the mode is sharpened, right or wrong. Under a random reward accuracy is lost there, so the
signal keeps what noise would destroy; it adds nothing.""",
    outcome="replicated",
)
