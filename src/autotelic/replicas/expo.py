"""ExPO: own explanations of given answers, against expert solutions and plain GRPO."""

from autotelic.replicas.base import Replica

RUN = {"recipe": "expo", "rounds": 20, "probe_every": 10, "tasks_per_round": 64, "group_size": 2, "optimizer": {"learning_rate": 3e-4}}

REPLICA = Replica(
    system="expo",
    recipes=("expo",),
    claim="Training on own explanations of given answers solves more than plain GRPO, most of all where no sample was right.",
    quantities={"probe/accuracy": "up", "probe/pass@1": "up"},
    arms={"expo": RUN, "expert solutions": {**RUN, "instead": "expert"}, "grpo": {**RUN, "instead": "nothing"}},
    control="grpo",
)
