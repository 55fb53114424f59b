"""SCoRe: two attempts, learned in two stages."""

from typing import Any

from autotelic.systems.study import Study

SHORT: dict[str, Any] = {"rounds": 24, "tasks_per_round": 8, "probe_every": 6, "probe_samples": 0, "optimizer": {"learning_rate": 3e-4}}
SCORE: dict[str, Any] = {"recipe": "score", "stage_one": 12, "hold": 200, **SHORT}

STUDY = Study(
    system="score",
    recipes=("score",),
    claim="Two stages with a bonus for improvement make second answers better than first ones, where naive two-turn reinforcement stops editing.",
    quantities={
        "probe/turns/gain": "above",
        "probe/turns/wrong_to_right": "above",
        "probe/turns/second": "up",
        "probe/turns/first": "shown",
        "probe/turns/changed": "shown",
        "probe/turns/right_to_wrong": "shown",
    },
    arms={
        "score": SCORE,
        "naive two turns": {"recipe": "score", "stage_one": 0, "alpha": 0, "credit": "total", **SHORT},
        "one sum for both": {**SCORE, "credit": "total"},
        "own corrections": {"recipe": "correction-traces", **SHORT},
    },
    control="naive two turns",
    finding="""\
With six seeds: naive two-turn training stops editing (answers changed .15 to .002, gain 0), SCoRe goes on (.06 changed, second answers .06 better than first ones, interval .03 to .09). But the
gain is smaller than at the start, and naive training ends higher at both attempts (1.00 against .94), as the task can be solved outright. Crediting the first attempt with the sum of both rewards
makes first answers wrong on purpose (.57 to .54, once called hacked) and then mends them: gain .35. The first three seeds alone left the gain unclear, so three more were run.""",
    outcome="partly",
)
