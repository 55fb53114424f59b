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
)
