"""1-shot RLVR: reinforcement on one task alone, another for each seed, beside rewards that know nothing of it."""

from typing import Any

from autotelic.systems.study import Study

RUN: dict[str, Any] = {"optimizer": {"learning_rate": 3e-4}, "rounds": 30, "probe_every": 2}
HABITS: dict[str, Any] = {"model": "habits", "tasks": "habits", **RUN}
ONE: dict[str, Any] = {"pool_size": 1, "tasks_per_round": 1, "group_size": 128}
LONG: dict[str, Any] = {"rounds": 120, "probe_every": 8}

STUDY = Study(
    system="one-shot-rlvr",
    paper="arXiv:2504.20571",
    catalogue=(53,),
    claim="Reinforcement on one task raises held-out accuracy about as far as on a pool of them, and goes on raising it after the one task is solved.",
    quantities={"probe/accuracy": "up", "probe/pass@1": "up", "probe/pass@8": "shown", "probe/tokens": "shown", "rewards/correct/mean": "shown"},
    arms={
        "one task": {"recipe": "gold", **HABITS, **ONE},
        "one task, KL term": {"recipe": "gold", **HABITS, **ONE, "objective": {"kl": 0.05}},
        "one task, 120 rounds": {"recipe": "gold", **HABITS, **ONE, **LONG},
        "one task, 1e-4, 120 rounds": {"recipe": "gold", **HABITS, **ONE, **LONG, "optimizer": {"learning_rate": 1e-4}},
        "all tasks": {"recipe": "gold", **HABITS, "tasks_per_round": 8, "group_size": 16},
        "format only": {"recipe": "format-only", **HABITS, **ONE},
        "entropy alone": {"recipe": "random-reward", "share": 0.0, "objective": {"entropy": 0.01}, **HABITS, **ONE},
        "random reward": {"recipe": "random-reward", **HABITS, **ONE},
        "one task, chain-medium": {"recipe": "gold", **RUN, **ONE},
        "one task, chain-weak": {"recipe": "gold", "model": "chain-weak", **RUN, **ONE},
    },
    control="random reward",
    against={"one task, chain-medium": None, "one task, chain-weak": None},
)
