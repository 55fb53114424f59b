"""SEC: categories drawn by a bandit that is paid in absolute advantage."""

from typing import Any

from autotelic.replicas.base import Replica

SHORT: dict[str, Any] = {
    "recipe": "sec",
    "rounds": 20,
    "probe_every": 5,
    "probe_size": 800,
    "probe_samples": 0,
    "sampling": {"max_tokens": 64},
    "optimizer": {"learning_rate": 3e-4},
}

REPLICA = Replica(
    system="sec",
    recipes=("sec",),
    claim="Drawing task categories by a bandit on mean absolute advantage makes a policy better than drawing them at random, most of all on the hardest.",
    quantities={
        "probe/accuracy/ops 8": "up",
        "probe/accuracy": "up",
        "frac_reward_zero_std": "shown",
        "curriculum/chance/ops 1": "shown",
        "curriculum/chance/ops 4": "shown",
        "curriculum/chance/ops 8": "shown",
    },
    arms={
        "sec": SHORT,
        "random": {**SHORT, "curriculum": "random"},
        "ordered": {**SHORT, "curriculum": "ordered"},
        "sec, undrawn arms keep their value": {**SHORT, "decay": False},
    },
    control="random",
    finding="""\
- The bandit does what it is paid for: single operations, soon solved, fall from an eighth of the draws to a hundredth, and groups without a signal are fewer than under random
  draws (.21 against .28 of them in the last round; the interval excludes zero).
- Accuracy does not follow. After 20 rounds it is .79 against .78, and .68 against .69 on the hardest level, far within the spread of three seeds; easy to hard is no better.
  All levels of a chain share the same equations, so that every level teaches every other, and random draws waste only a quarter of their groups.
- From a base that knows short chains and skips equations of long ones (tried once, not shipped) the bandit draws the hopeless levels most, because one answer in ten is right by
  luck and luck looks like signal: they stay at .1 to .2, and the others lose a little.""",
    outcome="no",
)
