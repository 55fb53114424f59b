"""LMSI: supervised training on the paths that reach the majority's answer."""

from autotelic.systems.arms import PROBED_AT_ONE, RANDOM
from autotelic.systems.study import Study

STUDY = Study(
    system="lmsi",
    recipes=("lmsi",),
    claim="Training on one's own paths to the majority's answer raises accuracy.",
    quantities={"probe/accuracy": "up", "probe/agreement": "shown", "probe/pass@8": "shown"},
    arms={"lmsi": {"recipe": "lmsi", "rounds": 8, "probe_every": 4, **PROBED_AT_ONE}, "random reward": RANDOM},
    control="random reward",
    finding="Agreement rises to .98 and accuracy stays where it was, while pass@8 falls by half: half of the labels that the base votes for are wrong, and are learned too.",
    outcome="no",
)
