"""RLSP: length paid for beside the right answer."""

from autotelic.systems.arms import LONG, PROBED_AT_ONE
from autotelic.systems.study import Study

RUN = {**LONG, **PROBED_AT_ONE}

STUDY = Study(
    system="rlsp",
    recipes=("rlsp",),
    claim="A reward for length beside the one for right answers makes texts longer, and answers right more often than the latter alone.",
    quantities={"probe/accuracy": "above", "probe/tokens": "above", "probe/truncated": "shown"},
    arms={
        "rlsp": {"recipe": "rlsp", **RUN},
        "bounded": {"recipe": "rlsp", **RUN, "bounded": True},
        "right answers alone": {"recipe": "gold", **RUN, "sampling": {"temperature": 0.7}, "objective": {"kl": 0.05, "clip_high": 0.2}},
    },
    control="right answers alone",
)
