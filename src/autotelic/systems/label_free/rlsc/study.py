"""RLSC: samples weighted by their own probability."""

from autotelic.systems.arms import LONG, PROBED_AT_ONE, RANDOM
from autotelic.systems.study import Study

STUDY = Study(
    system="rlsc",
    recipes=("rlsc",),
    claim="A few updates towards the model's own mode raise its accuracy.",
    quantities={"probe/accuracy": "up", "probe/agreement": "shown", "probe/pass@8": "shown"},
    arms={"rlsc": {"recipe": "rlsc", **LONG, **PROBED_AT_ONE}, "random reward": RANDOM},
    control="random reward",
    finding="""\
Agreement rises and accuracy stays where it was, or falls a little, while pass@8 falls: the mode is sharpened, right or wrong. Under a random reward accuracy is lost,
so the signal keeps what noise would destroy; it adds nothing.""",
    outcome="no",
)
