"""RLSP: length paid for beside the right answer, where answering at length is what helps, and where length is fixed by the task."""

from typing import Any

from autotelic.systems.arms import LONG, PROBED_AT_ONE
from autotelic.systems.study import Study

HABITS: dict[str, Any] = {"model": "habits", "tasks": "habits", **LONG, **PROBED_AT_ONE, "probe_every": 10}
CHAIN: dict[str, Any] = {**LONG, **PROBED_AT_ONE}
RIGHT: dict[str, Any] = {"recipe": "gold", "sampling": {"temperature": 0.7}, "objective": {"kl": 0.05, "clip_high": 0.2}}
"""The recipe but for length."""

STUDY = Study(
    system="rlsp",
    recipes=("rlsp",),
    claim="A reward for length beside the one for right answers makes texts longer, and answers right more often than the latter alone.",
    quantities={"probe/accuracy": "above", "probe/tokens": "above", "probe/pass@1": "shown", "probe/truncated": "shown"},
    arms={
        "rlsp": {"recipe": "rlsp", **HABITS},
        "bounded": {"recipe": "rlsp", **HABITS, "bounded": True},
        "right answers alone": {**RIGHT, **HABITS},
        "rlsp, chain": {"recipe": "rlsp", **CHAIN},
        "right answers alone, chain": {**RIGHT, **CHAIN},
    },
    control="right answers alone",
    against={"rlsp, chain": "right answers alone, chain", "right answers alone, chain": None},
    finding="""\
Nothing is left for the reward for length to add here. From `habits`, which answers at once and wrong or at length and right, right answers alone
lead to 27 tokens and an accuracy of 1.00 in every run, and so does the reward for length beside it. What it adds is speed: samples, which are
right .47 of the time at first, are at the end .97 of the time with it and .90 without (difference .07, interval .04 to .10), and a bonus within
bounds gives .01 of that (.005 to .014). On `chain`, where the length of an answer is fixed by its task, accuracy (.97 and .97), pass@1 (.79 and
.79) and length (39 tokens) are the same.""",
    outcome="no",
)
