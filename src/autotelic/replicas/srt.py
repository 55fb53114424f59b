"""SRT and TTRL: the majority's answer as the label."""

from autotelic.replicas.base import Replica
from autotelic.replicas.chain import GOLD, LONG, RANDOM

REPLICA = Replica(
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
        "gold": GOLD,
        "gold, weak base": {**GOLD, "model": "chain-weak"},
        "random reward": RANDOM,
    },
    control="random reward",
    against={"srt, weak base": "gold, weak base", "srt, good base": None, "gold, weak base": None},
    finding="""\
Agreement rises from .61 to .92 and accuracy stays where it was, while pass@8 falls: the vote sharpens what the base says most often. Where that is mostly right
(`chain-good`), single samples get better; where it is mostly wrong (`chain-weak`), they get worse, and where the loss is significant the run is called hacked. TTRL's
settings and a vote threshold of .6 change little. The rise of accuracy that the paper has on large models does not show on these bases.""",
    outcome="partly",
)
