"""ScPO: the most-voted answer preferred to the least-voted."""

from autotelic.systems.arms import GOLD_HABITS, HABITS, PROBED_AT_ONE, RANDOM, RANDOM_HABITS
from autotelic.systems.study import Study

STUDY = Study(
    system="scpo",
    recipes=("scpo",),
    claim="Preferring the most-voted to the least-voted answer raises accuracy nearly as far as gold labels do.",
    quantities={"probe/accuracy": "up", "probe/agreement": "shown", "probe/pass@8": "shown"},
    arms={
        "scpo, habits": {"recipe": "scpo", **HABITS, "rounds": 8, "probe_every": 4, **PROBED_AT_ONE},
        "random reward, habits": RANDOM_HABITS,
        "gold, habits": GOLD_HABITS,
        "scpo": {"recipe": "scpo", "rounds": 8, "probe_every": 4, **PROBED_AT_ONE},
        "random reward": RANDOM,
    },
    control="random reward, habits",
    against={"scpo": "random reward", "random reward": None},
    finding="""\
It depends on where it starts. From `habits`, whose greedy answers are right .14 of the time and its majorities of 8 .82, accuracy rises to .99 in 4
rounds and is .98 after 8, in the mean of five seeds, where 20 rounds with gold labels lead to 1.00 and 20 with a random reward to .35. From
`chain-medium`, whose majorities are right hardly more often than its greedy answers (.43 and .40), agreement rises from .61 to .77 and accuracy
stays where it was: where the majority is wrong it is preferred all the same.""",
    outcome="replicated",
)
