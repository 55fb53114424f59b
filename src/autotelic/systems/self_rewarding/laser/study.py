"""LaSeR: a score of the answer read off one token after it."""

from typing import Any

from autotelic.systems.study import Study

LASER: dict[str, Any] = {
    "recipe": "laser", "rounds": 60, "tasks_per_round": 8, "probe_every": 20, "probe_size": 100, "probe_samples": 0, "score_after": 0,
    "blend_after": 30, "optimizer": {"learning_rate": 3e-4},
}  # fmt: skip

STUDY = Study(
    system="laser",
    recipes=("laser",),
    claim="A regression on one token after the answer teaches the policy to tell right answers from wrong ones beside getting better at them.",
    quantities={
        "probe/score/f1": "above",
        "probe/accuracy": "up",
        "probe/score/weighted_vote": "shown",
        "probe/score/plain_vote": "shown",
        "probe/score/recall_right": "shown",
        "probe/score/recall_wrong": "shown",
    },
    arms={"laser": LASER, "without the score": {**LASER, "coefficient": 0.0, "blend": 0.0}},
    control="without the score",
    finding="""\
Where the score is trained it comes to tell right answers from wrong ones in two seeds of three (balanced F1 .47, .17 and .53, against .05, .15 and .12 where it is
not), and over three seeds the difference is within noise. It costs no accuracy (.84 against .80), and a vote weighted by it is no better than a plain one (.80 and .79).
Larger coefficients and more updates a round did not help (one seed each). In earlier runs the constant of the score was measured on tasks of the probe.""",
    outcome="no",
)
