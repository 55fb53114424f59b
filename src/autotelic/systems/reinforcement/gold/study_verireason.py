"""VeriReason: wrong answers worth their likeness to the solution, where it has one form, and where problems have several solutions."""

from typing import Any

from autotelic.systems.arms import LONG, PROBED_AT_ONE
from autotelic.systems.study import Study

RIGHT: dict[str, Any] = {"recipe": "gold", "group_size": 8, "scale": "std"}
"""The recipe but for the stages."""
RUN: dict[str, Any] = {**LONG, **PROBED_AT_ONE, "probe_every": 10}
CHAIN: dict[str, Any] = {"model": "chain-weak", "sampling": {"temperature": 0.5}, **RUN}
COUNTDOWN: dict[str, Any] = {"model": "countdown-steps", "tasks": "countdown-steps", "sampling": {"temperature": 0.5, "max_tokens": 40}, **RUN}

STUDY = Study(
    system="verireason",
    recipes=("verireason",),
    claim="A reward in stages, of the form, the likeness to the solution and the right answer, raises accuracy further than the right answer alone.",
    quantities={"probe/accuracy": "above", "probe/pass@1": "shown", "probe/pass@8": "shown"},
    arms={
        "verireason": {"recipe": "verireason", **CHAIN},
        "right answers alone": {**RIGHT, **CHAIN},
        "verireason, several solutions": {"recipe": "verireason", **COUNTDOWN},
        "right answers alone, several solutions": {**RIGHT, **COUNTDOWN},
    },
    control="right answers alone",
    against={"verireason, several solutions": "right answers alone, several solutions", "right answers alone, several solutions": None},
    finding="""\
Accuracy goes from .29 to .83 with stages and to .76 without: a difference of .06 in the mean of three seeds that may be noise (interval -.03 to
+.16), and so it is with pass@1 (.67 and .61). On `countdown-steps`, where likeness to the one solution that is given says little of another right
one, neither reward moves anything in 40 rounds: accuracy goes from .49 to .45 and to .47, unchanged in all six runs.""",
    outcome="no",
)
