"""SPIRAL on Kuhn poker and tic-tac-toe: the baseline by role, and what keeps self-play from going round in circles."""

from typing import Any

from autotelic.replicas.base import Replica

HELD: dict[str, Any] = {"drop_zero": False, "epochs": 4, "final_rate": 0.0, "optimizer": {"learning_rate": 1e-3}}
"""What goes with a KL term to a moving reference."""
KUHN: dict[str, Any] = {"recipe": "spiral", "tasks": "games?play=kuhn", "rounds": 100, "tasks_per_round": 512, "probe_every": 20, "probe_size": 60}

REPLICA = Replica(
    system="spiral",
    recipes=("spiral",),
    claim="Self-play on zero-sum games with a baseline by role makes a policy that is harder to beat.",
    quantities={"probe/nashconv": "down", "probe/accuracy": "up", "probe/value_first": "shown"},
    arms={
        "spiral": {**KUHN},
        "no baseline": {**KUHN, "baseline": "none"},
        "KL to a moving reference": {**KUHN, **HELD, "rounds": 250, "probe_every": 50, "refresh": 35, "objective": {"kl": 1.0}},
    },
    control="no baseline",
    finding="""\
In Kuhn poker plain self-play ends, in five of six runs, at always betting: NashConv .667, which its own outcomes (0 on average) cannot show. The baseline by role makes no difference to that within noise
(.34 in one seed of three). A KL of 1.0 to a copy that is renewed every 35 rounds, with a falling rate, brings it to .17 to .22 and the value to -.036 (-.056 at equilibrium) in a minute; it was
still falling. The .02 that longer training with more plays is said to reach was not tried.""",
    outcome="no",
)
