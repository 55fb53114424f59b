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
The score of the last token comes to tell right answers from wrong ones where it is trained (balanced F1 about .5, against .07 where it is not), at no cost in accuracy. It does so badly: right
answers are recognized about as often as not, and a vote weighted by it is no better than a plain one. Larger coefficients and more updates a round did not help (one seed each).""",
    outcome="partly",
)
