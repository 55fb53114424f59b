"""RAFT: training on the best of K samples."""

from autotelic.systems.arms import RANDOM, SUPERVISED
from autotelic.systems.study import Study

STUDY = Study(
    system="raft",
    recipes=("raft",),
    claim="Training on the best-scored of K samples raises the score of new samples.",
    quantities={"probe/accuracy": "up"},
    arms={"raft": {"recipe": "raft", "rounds": 20, "probe_every": 10}, "supervised": SUPERVISED, "random reward": RANDOM},
    control="random reward",
    finding="Accuracy goes from .40 to 1.00, as far as supervised training on gold completions takes it. The score is made from gold answers; the paper's is a learned reward model.",
    outcome="partly",
)
