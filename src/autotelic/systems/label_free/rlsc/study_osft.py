"""OSFT: training on one's own cold samples, beside samples at the temperature of training."""

from typing import Any

from autotelic.systems.arms import PROBED_AT_ONE
from autotelic.systems.study import Study

RUN: dict[str, Any] = {"recipe": "osft", "model": "chain-good", "rounds": 20, "probe_every": 10, **PROBED_AT_ONE}

STUDY = Study(
    system="osft",
    recipes=("osft",),
    claim="Likelihood on one's own samples, drawn colder than it is scored, raises how often samples are right, without any reward.",
    quantities={"probe/pass@1": "up", "probe/agreement": "up", "probe/accuracy": "shown", "probe/pass@8": "shown"},
    arms={
        "osft": RUN,
        "colder": {**RUN, "sampling": {"temperature": 0.3}},
        "equal temperatures": {**RUN, "objective": {"temperature": 0.6}},
        "osft, weak base": {**RUN, "model": "chain-weak"},
    },
    control="equal temperatures",
    against={"osft, weak base": None},
    finding="""\
Both quantities move as claimed: from `chain-good` the share of right samples rises from .52 to .70 and agreement from .62 to .89. Sampled at the
temperature that is scored, the same loss makes the model worse, in every seed: greedy accuracy falls from .76 to .58. The gap between the two
temperatures is the whole of the method; at .3 in place of .6 the rise is larger (.52 to .81), and greedy accuracy rises too, from .76 to .84.

What rises is how sure the model is, not what it knows. With the temperature of the method greedy accuracy stays where it was (.76 to .74), pass@8
falls from .94 to .85, and from `chain-weak`, whose likeliest answer is mostly wrong, agreement rises as much (.65 to .88) and no more samples are
right than before (.31 to .28).""",
    outcome="replicated",
)
