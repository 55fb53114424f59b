"""Self-Rewarding LM: the judge learns with the policy, against a judge that stays."""

from autotelic.replicas.base import Replica

RUN = {"recipe": "self-rewarding", "rounds": 6, "probe_every": 2}

REPLICA = Replica(
    system="self-rewarding",
    recipes=("self-rewarding",),
    claim="Iterations of training on own judgements of own answers raise the quality of the answers, and the judge gets better too.",
    quantities={"probe/accuracy": "up", "probe/judge/pair_accuracy": "up", "probe/pass@8": "shown"},
    arms={"self-rewarding": RUN, "pool's tasks": {**RUN, "own_tasks": False}, "frozen judge": {**RUN, "frozen_judge": True}},
    control="frozen judge",
)
