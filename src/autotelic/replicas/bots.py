"""BOTS: tasks drawn by posteriors over their success rates."""

from typing import Any

from autotelic.replicas.base import Replica

SHORT: dict[str, Any] = {
    "recipe": "bots",
    "rounds": 30,
    "probe_every": 10,
    "probe_size": 800,
    "probe_samples": 0,
    "sampling": {"max_tokens": 64},
    "optimizer": {"learning_rate": 3e-4},
}

REPLICA = Replica(
    system="bots",
    recipes=("bots",),
    claim="Training on tasks whose posterior success rate is near one half gives more groups with a signal than uniform draws, and faster learning.",
    quantities={"signal/mixed_so_far": "above", "probe/accuracy": "up", "probe/accuracy/ops 8": "up"},
    arms={
        "both": SHORT,
        "explicit only": {**SHORT, "implicit": 0.0},
        "implicit only": {**SHORT, "implicit": 1.0},
        "uniform": {**SHORT, "select": "uniform"},
    },
    control="uniform",
    finding="""\
- Of 960 groups trained on in 30 rounds, 695 had right and wrong answers under uniform draws, 697 with both kinds of evidence, 713 with a task's own outcomes only and 721
  with implicit evidence only; accuracy ends at .88 to .91 in all arms. No interval excludes zero.
- There is little to win here: nearly three of four groups have a signal however they are drawn, and with one answer in ten right by luck even the hardest level keeps one.
  Implicit evidence gains most, as the level of a chain says nearly all of its difficulty. A pool with many solved or hopeless tasks was not tried.""",
    outcome="no",
)
