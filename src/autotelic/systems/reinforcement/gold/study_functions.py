"""Gold on code: functions in Python, judged by unit tests in the sandbox, beside votes over what was written and a reward without information."""

from typing import Any

from autotelic.systems.study import Study

RUN: dict[str, Any] = {
    "model": "functions",
    "tasks": "functions",
    "optimizer": {"learning_rate": 3e-4},
    "rounds": 12,
    "probe_every": 12,
}

STUDY = Study(
    system="functions",
    recipes=("gold",),
    claim="Reinforcement by unit tests that are run in a sandbox raises the share of functions that a model writes right.",
    quantities={"probe/accuracy": "up", "probe/pass@1": "up", "probe/pass@8": "shown", "probe/majority@8": "shown"},
    arms={"gold": {"recipe": "gold", **RUN}, "srt": {"recipe": "srt", **RUN}, "random reward": {"recipe": "random-reward", **RUN}},
    control="random reward",
)
