"""EVOL-RL: the vote with a reward for what is new, beside the vote alone."""

from autotelic.systems.arms import LONG
from autotelic.systems.study import Study

STUDY = Study(
    system="evol-rl",
    recipes=("evol-rl",),
    claim="Paying for novel texts beside the majority's answer keeps the entropy and the pass@8 that the majority alone loses.",
    quantities={"probe/entropy": "above", "probe/pass@8": "above", "probe/pass@1": "shown", "probe/accuracy": "shown", "probe/tokens": "shown"},
    arms={
        "evol-rl": {"recipe": "evol-rl", **LONG},
        "evol-rl, no entropy bonus": {"recipe": "evol-rl", **LONG, "objective": {"entropy": 0.0}},
        "majority alone": {"recipe": "ttrl", **LONG},
    },
    control="majority alone",
)
