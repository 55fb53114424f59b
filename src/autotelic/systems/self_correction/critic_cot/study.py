"""Critic-CoT on chains: critiques kept by what they lead to, beside critiques of other attempts."""

from typing import Any

from autotelic.systems.study import Study

SHORT: dict[str, Any] = {
    "recipe": "critic-cot", "model": "chain-skills", "tasks": "chain-skills", "rounds": 4, "tasks_per_round": 32, "tries": 4, "pool_size": 128,
    "probe_every": 4, "probe_samples": 0, "probe_size": 150, "optimizer": {"learning_rate": 3e-4},
}  # fmt: skip

STUDY = Study(
    system="critic-cot",
    recipes=("critic-cot",),
    claim="Trained on critiques that prove themselves, a critic names the wrong step more often, a vote among what it passes wins, and solving improves too.",
    quantities={
        "probe/critic/accuracy": "up",
        "probe/critic/vote": "up",
        "probe/accuracy": "up",
        "probe/critic/majority": "shown",
        "probe/turns/gain": "shown",
    },
    arms={
        "critic-cot": SHORT,
        "critiques of others": {**SHORT, "critic": "others"},
    },
    control="critiques of others",
    finding="""\
Seen, in four rounds of 32 tasks. Critiques of the policy's own solutions that name the right step go from .71 to .84, the vote of four samples that the critic passes from .60 to .80, beside .68 for the
majority of as many samples as cost the same, and plain accuracy from .51 to .74, although no solution is learned by itself: critics and refiners write the same equations. With the critiques of other
attempts the critic falls to .49, the vote to .50, and accuracy is .53. The gain of one refinement does not grow (.14 to .11), as first answers get better.""",
    outcome="replicated",
)
