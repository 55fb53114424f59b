"""SRT and TTRL: the majority's answer as the label."""

from autotelic.systems.arms import GOLD, GOLD_HABITS, HABITS, LONG, RANDOM, RANDOM_HABITS
from autotelic.systems.study import Study

FAST = {"optimizer": {"learning_rate": 1e-3}, "rounds": 80, "probe_every": 20}
"""Three times the learning rate of the other arms, and twice their rounds."""

STUDY = Study(
    system="srt",
    recipes=("srt",),
    claim="Reinforcement by majority vote first raises accuracy as gold labels would, then agreement goes on to its maximum while accuracy crashes.",
    quantities={"probe/accuracy": "up", "probe/agreement": "up", "probe/pass@1": "shown", "probe/pass@8": "shown"},
    arms={
        "srt, habits": {"recipe": "srt", **HABITS},
        "random reward, habits": RANDOM_HABITS,
        "gold, habits": GOLD_HABITS,
        "srt, habits, fast": {"recipe": "srt", **HABITS, **FAST, "probe_every": 5},
        "gold, habits, fast": {"recipe": "gold", **HABITS, **FAST, "probe_every": 5},
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
    control="random reward, habits",
    against={
        "srt, habits, fast": "gold, habits, fast",
        "gold, habits, fast": None,
        **dict.fromkeys(("srt", "srt, threshold .6", "ttrl", "gold"), "random reward"),
        "srt, weak base": "gold, weak base",
        "srt, good base": None,
        "gold, weak base": None,
        "srt, weak base, fast": "gold, weak base, fast",
        "srt, good base, fast": "gold, good base, fast",
        "gold, weak base, fast": None,
        "gold, good base, fast": None,
        "random reward": None,
    },
    finding="""\
It depends on where it starts. From `habits`, whose greedy answers are right .14 of the time and its majorities of 8 .82, all of the claim shows. At
the rate that is shipped accuracy rises to .95 in 20 rounds, in the mean of five seeds, .35 with a random reward and 1.00 with gold labels; one seed
is on its way down by then (1.00 to .78). At 1e-3 it reaches .97 or more within 5 rounds in every seed, as with gold labels, and then falls, to .20
to .41 after 80, with agreement still at .88 to .95; gold labels stay at 1.00. As .20 to .41 is above the .14 of the start, the verdict, which
compares first and last weights, is improved in two of the five runs that crashed and hacked in three.

From the bases of chain arithmetic the first half does not show: their majorities are right hardly more often than their greedy answers
(`chain-medium`: .43 and .40) or less often (`chain-good`: .65 and .76). At 3e-4 agreement rises from .61 to .92 and accuracy stays where it was,
while pass@8 falls: the vote sharpens what the base says most often. Where that is mostly right (`chain-good`), single samples get better; where it
is mostly wrong (`chain-weak`), they get worse, and where the loss is significant the run is called hacked. TTRL's settings and a vote threshold of
.6 change little.

At 1e-3 the crash is whole, from the good base as from the weak one, in every seed, and every verdict says hacked: agreement goes to 1.00 and .98,
accuracy from .76 to .18 and from .29 to .19. What is left is the share of the problems whose answer is 0: the solutions have come to end in
`0-0=0;0*0=0;#0` whatever was asked (runs of one seed and 160 rounds), since one answer to everything agrees with itself. A majority that is right
more often than not at the start is no protection: from the good base .53 of the majorities are true in round 1, and .25 in round 17 (one seed). It
is the vote and not the rate: with gold labels the same rate and rounds lead to 1.00 and .98. These arms, called fast, were declared after runs of
one seed at 1e-3 had been looked at; 60 rounds at 3e-4 from `chain-range` gave no crash (.23 to .27, one seed).""",
    outcome="replicated",
)
