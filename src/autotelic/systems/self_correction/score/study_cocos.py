"""CoCoS: the reward of progress on second attempts, beside the second attempt alone."""

from typing import Any

from autotelic.systems.study import Study

SHORT: dict[str, Any] = {"rounds": 24, "tasks_per_round": 8, "probe_every": 6, "probe_samples": 0, "optimizer": {"learning_rate": 3e-4}}

STUDY = Study(
    system="cocos",
    recipes=("cocos",),
    claim="Paid for progress over the first attempt, second attempts get better, and better than when paid for themselves alone.",
    quantities={"probe/turns/second": "up", "probe/turns/gain": "above", "probe/turns/first": "shown", "probe/turns/right_to_wrong": "shown"},
    arms={
        "cocos": {"recipe": "cocos", **SHORT},
        "the second alone": {"recipe": "cocos", **SHORT, "alpha": 0.0, "objective": {"kl": 0.01}},
        "first attempts too": {"recipe": "cocos", **SHORT, "credit": "own"},
    },
    control="the second alone",
)
