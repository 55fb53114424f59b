"""SPRec: likelihood and pairs in turn, beside either alone, where most problems have several solutions and one is given."""

from typing import Any

from autotelic.systems.study import Study

RUN: dict[str, Any] = {
    "tasks": "countdown-steps", "model": "countdown-steps", "tasks_per_round": 128, "rounds": 6, "probe_every": 2, "probe_sampling": {"temperature": 1.0},
}  # fmt: skip
CHAIN: dict[str, Any] = {**RUN, "tasks": "chain", "model": "chain-medium"}

STUDY = Study(
    system="sprec",
    recipes=("sprec",),
    claim="Likelihood on given answers followed by pairs against one's own likeliest answers is more accurate, and says more different things, than likelihood alone.",
    quantities={"probe/accuracy": "above", "probe/agreement": "below", "probe/entropy": "shown", "probe/pass@1": "shown", "probe/pass@8": "shown"},
    arms={
        "sprec": {"recipe": "sprec", **RUN},
        "spin": {"recipe": "spin", **RUN},
        "likelihood alone": {"recipe": "supervised", **RUN},
        "sprec, chain": {"recipe": "sprec", **CHAIN},
        "likelihood alone, chain": {"recipe": "supervised", **CHAIN},
    },
    control="likelihood alone",
    against={"sprec, chain": "likelihood alone, chain", "likelihood alone, chain": None},
)
