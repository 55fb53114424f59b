"""Self-Backtracking on countdown: search steered by the model's own backtrack token, then expert iteration."""

from typing import Any

from autotelic.systems.study import Study

BACK: dict[str, Any] = {"recipe": "self-backtracking", "rounds": 4, "pool_size": 1100, "probe_every": 2, "probe_samples": 0}

STUDY = Study(
    system="self-backtracking",
    recipes=("self-backtracking",),
    claim="A model that was taught to take wrong steps back solves more by search than one taught solutions alone, and then more without search.",
    quantities={"probe/search/depth_1": "above", "probe/search/depth_0": "above", "probe/accuracy": "up", "probe/back/found": "shown"},
    arms={"stepping back": BACK, "solutions alone": {**BACK, "model": "countdown-steps", "back_share": 0.0}},
    control="solutions alone",
    finding="""\
Not seen. The base that was taught to step back takes back half of injected wrong steps and about a quarter of its own, and searching with it solves .42, searching with solutions alone .46; the
former is the weaker base at one try too (.39 against .46). Rollouts show why: the model writes the target as the last result (`7*7=37;`) and stops, and perplexity prefers such candidates. Training
on errors of that kind did not cure it, and expert iteration adds nothing within four rounds (it loses .1 at three times the rate, one seed). Pass@8 is near .7, so that the loss is in choosing.""",
    outcome="no",
)
