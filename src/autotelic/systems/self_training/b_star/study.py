"""B-STaR: temperature and threshold set by a controller."""

from typing import Any

from autotelic.systems.study import Study

FIXED: dict[str, Any] = {"recipe": "b-star", "rounds": 16, "probe_every": 8, "sampling": {"max_tokens": 64}, "controller": False}

STUDY = Study(
    system="b-star",
    recipes=("b-star",),
    claim="Choosing temperature and threshold every round by the balance score keeps pass@k where fixed settings lose it, and ends more accurate.",
    quantities={
        "probe/accuracy": "up",
        "probe/pass@8": "up",
        "balance/temperature": "shown",
        "balance/threshold": "shown",
        "balance/exploration": "shown",
        "balance/exploitation": "shown",
    },
    arms={
        "controller": {**FIXED, "controller": True, "dev": 96, "temperatures": [0.6, 0.8, 1.0, 1.2]},
        "fixed, temperature 1": FIXED,
        "fixed, temperature .6": {**FIXED, "temperature": 0.6},
        "fixed, threshold 0": {**FIXED, "threshold": 0.0},
    },
    control="fixed, temperature 1",
    finding="""\
- The controller ends where the better fixed settings do (accuracy .84, pass@8 .96; temperature 1: .80 and .94; temperature .6: .82 and .96), without being told them, and above temperature 1 by .04, an interval that
  holds zero, at nearly twice the time. A threshold that lets wrong solutions in costs .29 of accuracy and .11 of pass@8 against the same temperature with a threshold of one half.
- The pair it picks moves from about 1.1 and .57 to .60 and .37: hot and strict while few answers are right, cool and lenient when most are.
- Nothing is lost here that a controller could keep: pass@8 rises under every fixed setting. With 32 instead of 96 tasks to choose on, the pair jumped about from round to round.
- On countdown, where no steps are written out, training on own right answers raised nothing under any setting in 12 rounds (one seed).""",
    outcome="no",
)
