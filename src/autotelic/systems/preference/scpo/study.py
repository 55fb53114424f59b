"""ScPO: the most-voted answer preferred to the least-voted."""

from autotelic.systems.arms import PROBED_AT_ONE, RANDOM
from autotelic.systems.study import Study

STUDY = Study(
    system="scpo",
    recipes=("scpo",),
    claim="Preferring the most-voted to the least-voted answer raises accuracy nearly as far as gold labels do.",
    quantities={"probe/accuracy": "up", "probe/agreement": "shown", "probe/pass@8": "shown"},
    arms={"scpo": {"recipe": "scpo", "rounds": 8, "probe_every": 4, **PROBED_AT_ONE}, "random reward": RANDOM},
    control="random reward",
    finding="Agreement rises from .61 to .77 and accuracy stays where it was: where the majority is wrong it is preferred all the same.",
    outcome="no",
)
