"""EEPO: sample, forget, sample again, against plain GRPO at equal samples."""

from autotelic.replicas.base import Replica

RUN = {"recipe": "eepo", "rounds": 30, "probe_every": 10, "optimizer": {"learning_rate": 3e-4}}

REPLICA = Replica(
    system="eepo",
    recipes=("eepo",),
    claim="Forgetting between the halves of a group keeps its answers diverse, and training on both halves ends at a higher accuracy than GRPO.",
    quantities={"probe/accuracy": "above", "probe/pass@8": "above", "probe/entropy": "above", "probe/pass@1": "shown"},
    arms={"eepo": RUN, "grpo": {**RUN, "forget": False}},
    control="grpo",
)
