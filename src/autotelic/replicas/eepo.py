"""EEPO: sample, forget, sample again, against plain GRPO at equal samples."""

from autotelic.replicas.base import Replica

RUN = {
    "recipe": "eepo",
    "tasks": "chain",
    "model": "chain-weak",
    "rounds": 24,
    "probe_every": 12,
    "entropy_below": 10.0,
    "optimizer": {"learning_rate": 3e-4},
}

REPLICA = Replica(
    system="eepo",
    recipes=("eepo",),
    claim="Forgetting between the halves of a group keeps its answers diverse, and training on both halves ends at a higher accuracy than GRPO.",
    quantities={"probe/accuracy": "above", "probe/pass@8": "above", "probe/entropy": "above", "probe/pass@1": "shown"},
    arms={"eepo": {**RUN, "forget_rate": 1e-4}, "grpo": {**RUN, "forget": False}},
    control="grpo",
)
