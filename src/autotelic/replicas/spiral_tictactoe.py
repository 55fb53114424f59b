"""SPIRAL on tic-tac-toe, against a perfect and a random opponent."""

from typing import Any

from autotelic.replicas.base import Replica
from autotelic.replicas.spiral import HELD

PLAIN: dict[str, Any] = {
    "recipe": "spiral", "tasks": "games?play=tictactoe", "rounds": 40, "tasks_per_round": 256, "probe_every": 20, "probe_size": 100
}  # fmt: skip

REPLICA = Replica(
    system="spiral-tictactoe",
    recipes=("spiral",),
    claim="Self-play with a baseline by role makes a policy that is harder to beat.",
    quantities={"probe/accuracy/tictactoe perfect": "up", "probe/accuracy/tictactoe random": "up"},
    arms={
        "spiral": PLAIN,
        "no baseline": {**PLAIN, "baseline": "none"},
        "KL to a moving reference": {**PLAIN, **HELD, "refresh": 10, "objective": {"kl": 0.2}},
    },
    control="no baseline",
    finding="""\
Forty rounds are enough to stop losing by illegal moves, which is most of what is gained against a random opponent (.36 to between .54 and .63); against perfect play nothing moves (.05), and neither
the baseline nor the KL term can be told apart from nothing at three seeds. Draws in every game, and cycling after them, need longer runs than these.""",
    outcome="no",
)
