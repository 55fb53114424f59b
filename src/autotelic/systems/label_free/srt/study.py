"""SRT and TTRL: the majority's answer as the label."""

from autotelic.systems.arms import GOLD, LONG, RANDOM
from autotelic.systems.study import Study

FAST = {"optimizer": {"learning_rate": 1e-3}, "rounds": 80, "probe_every": 20}
"""Three times the learning rate of the other arms, and twice their rounds."""

STUDY = Study(
    system="srt",
    recipes=("srt",),
    claim="Reinforcement by majority vote first raises accuracy as gold labels would, then agreement goes on to its maximum while accuracy crashes.",
    quantities={"probe/accuracy": "up", "probe/agreement": "up", "probe/pass@1": "shown", "probe/pass@8": "shown"},
    arms={
        "srt": {"recipe": "srt", **LONG},
        "srt, threshold .6": {"recipe": "srt", "vote": {"min_share": 0.6, "denominator": "all"}, **LONG},
        "ttrl": {"recipe": "srt", "group_size": 64, "trained": 32, "scale": "std", "vote": {"denominator": "all"}, "tasks_per_round": 16, **LONG},
        "srt, weak base": {"recipe": "srt", "model": "chain-weak", **LONG},
        "srt, good base": {"recipe": "srt", "model": "chain-good", **LONG},
        "srt, weak base, fast": {"recipe": "srt", "model": "chain-weak", **FAST},
        "srt, good base, fast": {"recipe": "srt", "model": "chain-good", **FAST},
        "gold": GOLD,
        "gold, weak base": {**GOLD, "model": "chain-weak"},
        "gold, weak base, fast": {**GOLD, "model": "chain-weak", **FAST},
        "gold, good base, fast": {**GOLD, "model": "chain-good", **FAST},
        "random reward": RANDOM,
    },
    control="random reward",
    against={
        "srt, weak base": "gold, weak base",
        "srt, good base": None,
        "gold, weak base": None,
        "srt, weak base, fast": "gold, weak base, fast",
        "srt, good base, fast": "gold, good base, fast",
        "gold, weak base, fast": None,
        "gold, good base, fast": None,
    },
    finding="""\
At a learning rate of 3e-4 agreement rises from .61 to .92 and accuracy stays where it was, while pass@8 falls: the vote sharpens what the base says
most often. Where that is mostly right (`chain-good`), single samples get better; where it is mostly wrong (`chain-weak`), they get worse, and where
the loss is significant the run is called hacked. TTRL's settings and a vote threshold of .6 change little.

At 1e-3 the crash is whole, from the good base as from the weak one, in every seed, and every verdict says hacked: agreement goes to 1.00 and .98,
accuracy from .76 to .18 and from .29 to .19. What is left is the share of the problems whose answer is 0: the solutions have come to end in
`0-0=0;0*0=0;#0` whatever was asked (runs of one seed and 160 rounds), since one answer to everything agrees with itself. A majority that is right
more often than not at the start is no protection: from the good base .53 of the majorities are true in round 1, and .25 in round 17 (one seed). It
is the vote and not the rate: with gold labels the same rate and rounds lead to 1.00 and .98. These arms, called fast, were declared after runs of
one seed at 1e-3 had been looked at; 60 rounds at 3e-4 from `chain-range` gave no crash (.23 to .27, one seed). The rise of accuracy before the
crash that the paper has on large models does not show on these bases.""",
    outcome="partly",
)
