"""KDRL: a teacher beside the reward, from a weaker base than the teacher's."""

from typing import Any

from autotelic.systems.study import Study

RUN: dict[str, Any] = {"group_size": 8, "rounds": 12, "probe_every": 4, "optimizer": {"learning_rate": 3e-4}}

STUDY = Study(
    system="kdrl",
    recipes=("kdrl",),
    claim="A pull towards a better model beside the reward raises accuracy further than the reward alone.",
    quantities={"probe/accuracy": "up", "probe/pass@1": "above", "probe/pass@8": "shown"},
    arms={
        "kdrl": {"recipe": "kdrl", **RUN},
        "constant pull": {"recipe": "kdrl", **RUN, "last_kl": 1.0},
        "pull on wrong answers": {"recipe": "kdrl", **RUN, "where": "wrong"},
        "pull on failed groups": {"recipe": "kdrl", **RUN, "where": "failed"},
        "reward alone": {"recipe": "gold", **RUN, "scale": "std", "objective": {"clip_high": 0.2}},
    },
    control="reward alone",
    finding="""\
With the pull, accuracy goes from .40 to .81 in 12 rounds; with the reward alone to .74: .08 more in the mean of three seeds (interval .06 to .09).
That samples are right more often cannot be told: pass@1 ends at .63 and .62 (difference .01, -.05 to +.06). It matters little where the pull is:
on wrong answers and on groups that failed it gives as much accuracy (+.08 and +.08, both intervals above zero), and on wrong answers pass@1 is
.03 higher (.02 to .03); a pull that is not let go of gives a little less (+.05, -.00 to +.10).""",
    outcome="partly",
)
