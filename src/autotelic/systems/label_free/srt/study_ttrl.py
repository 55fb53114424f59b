"""TTRL: the answer of a large electorate as the label, from a base whose majority is right where its greedy answer is not, and from one where it is not."""

from autotelic.systems.arms import GOLD_HABITS, HABITS, RANDOM_HABITS
from autotelic.systems.study import Study

STUDY = Study(
    system="ttrl",
    recipes=("ttrl",),
    claim="Reinforcement by the majority of many answers raises accuracy without labels, above the majority of the first weights.",
    quantities={"probe/accuracy": "up", "probe/agreement": "shown", "probe/majority@8": "shown", "probe/pass@8": "shown"},
    arms={
        "ttrl, habits": {"recipe": "ttrl", **HABITS},
        "random reward, habits": RANDOM_HABITS,
        "gold, habits": GOLD_HABITS,
        "ttrl": {"recipe": "ttrl", "rounds": 20, "probe_every": 5},
        "gold": {"recipe": "gold", "rounds": 20, "probe_every": 5},
    },
    control="random reward, habits",
    against={"ttrl": "gold", "gold": None},
    finding="""\
It depends on where it starts, at the same rate and over the same 20 rounds. From `habits`, whose greedy answers are right .14 of the time and its
majorities of 8 .82, accuracy rises to .93 in the mean of five seeds (.35 with a random reward, 1.00 with gold labels), in each of them to the first
majority or above it, up to 1.00: more than the vote it learned from. At round 10 it is .99; in four seeds it is lower at round 20 than at its top,
in one .83. From `chain-medium`, whose majorities are right .42 of the time and its greedy answers .40, accuracy goes from .40 to .42, unchanged in
all five, where gold labels lead to .85.""",
    outcome="replicated",
)
