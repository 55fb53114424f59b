"""LMSI: supervised training on the paths that reach the majority's answer."""

from autotelic.systems.arms import HABITS, PROBED_AT_ONE, RANDOM, RANDOM_HABITS
from autotelic.systems.study import Study

STUDY = Study(
    system="lmsi",
    recipes=("lmsi",),
    claim="Training on one's own paths to the majority's answer raises accuracy.",
    quantities={"probe/accuracy": "up", "probe/agreement": "shown", "probe/pass@8": "shown"},
    arms={
        "lmsi, habits": {"recipe": "lmsi", **HABITS, "rounds": 8, "probe_every": 4, **PROBED_AT_ONE},
        "random reward, habits": RANDOM_HABITS,
        "lmsi": {"recipe": "lmsi", "rounds": 8, "probe_every": 4, **PROBED_AT_ONE},
        "random reward": RANDOM,
    },
    control="random reward, habits",
    against={"lmsi": "random reward", "random reward": None},
    finding="""\
It depends on where it starts. From `habits`, whose greedy answers are right .14 of the time and its majorities of 8 .82, accuracy is 1.00 after 4
rounds and after 8, in each of five seeds (.35 after 20 rounds with a random reward), and so is nearly every single sample. From `chain-medium`,
whose majorities are right hardly more often than its greedy answers (.43 and .40), agreement rises to .98 and accuracy stays where it was, while
pass@8 falls by half: half of the labels that the base votes for are wrong, and are learned too.""",
    outcome="replicated",
)
