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
)
