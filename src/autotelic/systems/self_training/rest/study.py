"""ReST: training on samples above a rising threshold of a score."""

from autotelic.systems.arms import RANDOM, SUPERVISED
from autotelic.systems.study import Study

STUDY = Study(
    system="rest",
    recipes=("rest",),
    claim="Sampling once and training on what scores above a rising threshold raises the score of new samples.",
    quantities={"probe/accuracy": "up"},
    arms={"rest": {"recipe": "rest", "rounds": 8, "probe_every": 4}, "supervised": SUPERVISED, "random reward": RANDOM},
    control="random reward",
    finding="Accuracy goes from .40 to .98, as far as supervised training on gold completions takes it. The score is made from gold answers; the paper's is a learned reward model.",
    outcome="partly",
)
