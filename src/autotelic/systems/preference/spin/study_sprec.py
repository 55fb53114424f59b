"""SPRec: likelihood and pairs in turn, beside either alone."""

from typing import Any

from autotelic.systems.study import Study

RUN: dict[str, Any] = {"tasks_per_round": 128, "rounds": 6, "probe_every": 2}

STUDY = Study(
    system="sprec",
    recipes=("sprec",),
    claim="Likelihood on given answers followed by pairs against one's own likeliest answers is more accurate, and says more different things, than likelihood alone.",
    quantities={"probe/accuracy": "above", "probe/distinct": "above", "probe/pass@1": "shown"},
    arms={
        "sprec": {"recipe": "sprec", **RUN, "probe_sampling": {"temperature": 1.0}},
        "spin": {"recipe": "spin", **RUN, "probe_sampling": {"temperature": 1.0}},
        "likelihood alone": {"recipe": "supervised", **RUN, "probe_sampling": {"temperature": 1.0}},
    },
    control="likelihood alone",
)
