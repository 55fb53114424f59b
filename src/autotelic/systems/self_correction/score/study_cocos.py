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
    finding="""\
Second attempts get better, .70 to .98 in 24 rounds, and as much so when they are paid for themselves alone (.98, difference .00, interval -.01 to
+.01). First attempts, which are not paid for, come along on the same weights, from .57 to .96 and .97, so that in either arm little is left for a
second attempt to gain: .02 and .01 (difference .01, -.01 to +.03). Where first attempts are paid for too, both end at 1.00. Right answers that
are made wrong go from .01 to none in all arms.""",
    outcome="no",
)
