"""Intuitor: self-certainty as the reward."""

from autotelic.systems.arms import GOLD_HABITS, HABITS, LONG, RANDOM, RANDOM_HABITS
from autotelic.systems.study import Study

STUDY = Study(
    system="intuitor",
    recipes=("intuitor",),
    claim="Rewarding a model's own certainty raises its accuracy about as far as gold labels do.",
    quantities={"probe/accuracy": "up", "probe/agreement": "shown", "probe/pass@8": "shown"},
    arms={
        "intuitor, habits": {"recipe": "intuitor", **HABITS},
        "intuitor, habits, larger rate": {"recipe": "intuitor", **HABITS, "optimizer": {"learning_rate": 3e-4}, "rounds": 40},
        "random reward, habits": RANDOM_HABITS,
        "gold, habits": GOLD_HABITS,
        "intuitor": {"recipe": "intuitor", **LONG},
        "random reward": RANDOM,
    },
    control="random reward, habits",
    against={"intuitor": "random reward", "random reward": None},
    finding="""\
It depends on where it starts, and on when it stops. From `habits`, whose greedy answers are right .14 of the time and its majorities of 8 .82, at
the rate that is shipped, accuracy is 1.00 after 10 rounds and .90 after 20 in the mean of five seeds, .35 with a random reward and 1.00 with gold
labels: the top is as high as with gold labels, and the fall has begun, in two seeds to .80. At 3e-4 it reaches .96 to 1.00 within 5 rounds and is
at .13 to .26 after 40, below the start in one seed of five, with pass@8 down from .99 to .28: the verdict is hacked in all five. From
`chain-medium`, whose majorities are right hardly more often than its greedy answers (.43 and .40), it loses the task at 3e-4 in all three seeds
(.40 to .10), with its KL term; smaller rates were not tried there.""",
    outcome="partly",
)
