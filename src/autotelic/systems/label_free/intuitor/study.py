"""Intuitor: self-certainty as the reward."""

from autotelic.systems.arms import LONG, RANDOM
from autotelic.systems.study import Study

STUDY = Study(
    system="intuitor",
    recipes=("intuitor",),
    claim="Rewarding a model's own certainty raises its accuracy about as far as gold labels do.",
    quantities={"probe/accuracy": "up", "probe/agreement": "shown", "probe/pass@8": "shown"},
    arms={"intuitor": {"recipe": "intuitor", **LONG}, "random reward": RANDOM},
    control="random reward",
    finding="It loses the task at this learning rate, with its KL term, in all three seeds; smaller rates were not tried.",
    outcome="no",
)
