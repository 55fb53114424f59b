"""SimpleRL-Zoo, reinforcement by gold labels, beside rewards that say nothing about the truth."""

from autotelic.systems.arms import GOLD, LONG, RANDOM, SUPERVISED
from autotelic.systems.study import Study

STUDY = Study(
    system="gold",
    recipes=("gold",),
    claim="Reinforcement with a reward of 1 for a right answer raises the accuracy of a base model.",
    quantities={"probe/accuracy": "up"},
    arms={
        "gold": GOLD,
        "supervised": SUPERVISED,
        "random reward": RANDOM,
        "format only": {"recipe": "format-only", **LONG},
        "entropy only": {"recipe": "entropy-only", **LONG},
    },
    control="random reward",
    finding="""\
With gold labels accuracy goes from .40 to .99. A reward without information is not harmless: at a learning rate of 3e-4, `random reward` and `entropy only` lose about half
of the accuracy in 40 updates. What a method loses less than they do, its signal has kept.""",
    outcome="replicated",
)
