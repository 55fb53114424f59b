"""RLCCF: models with different weaknesses that vote together."""

from autotelic.systems.arms import LONG
from autotelic.systems.study import Study

STUDY = Study(
    system="rlccf",
    recipes=("rlccf",),
    claim="Models that learn from their weighted vote get better each, and so does their majority, beyond what each gains from its own vote.",
    quantities={"probe/models/accuracy": "up", "probe/vote/accuracy": "up", "probe/models/least": "shown", "rewards/agreement/mean": "shown"},
    arms={
        "rlccf": {"recipe": "rlccf", **LONG},
        "not weighted": {"recipe": "rlccf", "weighted": False, **LONG},
        "each alone": {"recipe": "rlccf", "together": False, **LONG},
        "three of one base": {"recipe": "rlccf", "bases": ["chain-medium", "chain-medium"], **LONG},
    },
    control="each alone",
    against={"three of one base": None},
    finding="""\
Three bases whose teachers were unsure of different equations: each alone raises its agreement from .61 to .85 and learns nothing (accuracy .45), and voting together, on as many
samples of each, they go to .86, their greedy majority from .53 to .93, the weakest from .40 to .77. Difference is what does it: three copies of one base stay at .40. The weights
by self-consistency show no gain here: without them it ends at .88 and .94.""",
    outcome="replicated",
)
