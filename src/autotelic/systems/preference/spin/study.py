"""SPIN: given completions against the model's own."""

from autotelic.systems.arms import RANDOM, SUPERVISED
from autotelic.systems.study import Study

STUDY = Study(
    system="spin",
    recipes=("spin",),
    claim="Telling given completions from one's own raises the accuracy of the model it starts from, and further than more supervised training does.",
    quantities={"probe/accuracy": "up", "probe/pass@1": "shown"},
    arms={"spin": {"recipe": "spin", "rounds": 8, "probe_every": 4}, "supervised": SUPERVISED, "random reward": RANDOM},
    control="random reward",
    finding="""\
Accuracy goes from .40 to .97. Supervised training on such completions reaches 1.00 here, so that what SPIN adds to it has no room to show; samples at temperature 1
are right less often (.82) than after supervised training (.99).""",
    outcome="partly",
)
