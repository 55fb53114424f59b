"""Reflect, Retry, Reward: only the reflection is credited for the retry."""

from typing import Any

from autotelic.systems.study import Study

REFLECT: dict[str, Any] = {
    "recipe": "reflect-retry-reward", "rounds": 30, "tasks_per_round": 12, "probe_every": 10, "probe_samples": 0, "optimizer": {"learning_rate": 2e-4}
}  # fmt: skip

STUDY = Study(
    system="reflect-retry-reward",
    recipes=("reflect-retry-reward",),
    claim="Rewarding the tokens of reflections after which the retry succeeds raises accuracy after a retry, and at the first try.",
    quantities={"probe/turns/second": "up", "probe/turns/retry": "up", "probe/turns/first": "shown"},
    arms={"reflections": REFLECT, "all tokens": {**REFLECT, "credit": "all"}},
    control="all tokens",
    finding="""\
Not seen. Retries after credited reflections succeed a little more often (.21 to .29, within noise) and first attempts get worse (.57 to .43). This base names the right equation in most
reflections to begin with, and fails in the second answer: what is credited is not what is missing, and the reward of a retry is mostly luck to the reflection. Crediting all tokens trains
the answer with the verifier's reward and raises everything. With a rate of 5e-4 accuracy collapses, with 1e-4 nothing moves (one seed each).""",
    outcome="no",
)
