"""SPIRAL on Kuhn poker: the baseline by role, and what keeps self-play from going round in circles."""

from typing import Any

from autotelic.systems.study import Study

PLAIN: dict[str, Any] = {
    "recipe": "spiral", "tasks": "games?play=kuhn", "rounds": 1000, "tasks_per_round": 256, "probe_every": 50, "probe_size": 60, "epochs": 4,
    "final_rate": 0.0, "optimizer": {"learning_rate": 1e-3},
}  # fmt: skip
HELD: dict[str, Any] = {**PLAIN, "drop_zero": False, "refresh": 100, "objective": {"kl": 0.2}}

STUDY = Study(
    system="spiral",
    recipes=("spiral",),
    claim="Self-play on zero-sum games with a baseline by role makes a policy that is harder to beat.",
    quantities={"probe/nashconv": "down", "probe/accuracy": "up", "probe/value_first": "shown"},
    arms={
        "spiral": PLAIN,
        "no baseline": {**PLAIN, "baseline": "none"},
        "KL to a moving reference": HELD,
        "KL, baseline by card": {**HELD, "baseline": "shown"},
    },
    control="no baseline",
    finding="""\
In Kuhn poker plain self-play finds no equilibrium, with or without the baseline: within tens of rounds it bets always (NashConv .667), then goes
from one policy of certain moves to another (.29 to 1.45 along the six runs) and ends between .45 and .83. Its own outcomes, 0 on average, cannot
show it. With a KL of 0.2 to a copy that is renewed every 100 rounds, which is not in the paper, and all else equal (no reward of a play is 0), it
ends at .051, .037 and .041, and the value at -.058, -.056 and -.056 (-.056 at equilibrium), in 95 s. The coefficient decides: ten refreshes at 1.0
leave .167 even where learning is exact, and in an earlier version of this file 1.0 and seven refreshes ended at .17 to .22. At 0.1 the noise of
sampling wins (.18, one seed, 512 plays a round); 0.2 with 512 plays a round gives .032 (one seed). A baseline by the first thing a player is
shown, which in Kuhn poker is its card, or its card and the other's move, ends at .021, .128 and .023, so it cannot be told apart from that by
role: the second seed was at .08 by round 400, went out to .40 by round 850 and came back to .128.""",
    outcome="no",
)
