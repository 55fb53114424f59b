"""Polychromic objectives: sets of answers rewarded for being right and different, where problems have several solutions."""

from typing import Any

from autotelic.systems.study import Study

RUN: dict[str, Any] = {"tasks": "countdown-steps", "model": "countdown-steps", "rounds": 30, "probe_every": 15, "optimizer": {"learning_rate": 3e-4}}
GOLD: dict[str, Any] = {"recipe": "gold", **RUN, "group_size": 8, "sampling": {"max_tokens": 40}}

STUDY = Study(
    system="polychromic",
    recipes=("polychromic",),
    claim="Rewarding sets for being right and different keeps the pass@8 that rewarding single answers loses.",
    quantities={"probe/pass@8": "above", "probe/entropy": "above", "probe/pass@1": "shown", "probe/accuracy": "shown"},
    arms={
        "polychromic": {"recipe": "polychromic", **RUN},
        "single answers": GOLD,
        "single answers, slower": {**GOLD, "optimizer": {"learning_rate": 1e-4}},
        "single answers, entropy bonus": {**GOLD, "objective": {"entropy": 0.01}},
    },
    control="single answers",
    finding="""\
Entropy is kept, and rises: from .12 to .14, where single answers bring it to .09 (difference .05, interval .04 to .06). That pass@8 is kept
cannot be told: it falls from .76 to .70 and with single answers to .68 (difference .03, -.03 to +.08), and the price is pass@1, .30 instead of
.38 (-.17 to +.00). To learn slower keeps more: single answers at a third of the rate end with a pass@8 of .72, above those at the whole rate in
every seed (+.05, .03 to .06), and a pass@1 of .37. The entropy bonus makes no difference that three seeds could show.""",
    outcome="partly",
)
