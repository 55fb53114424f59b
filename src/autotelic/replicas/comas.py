"""CoMAS: agents that reward one another, against agents of which only one part learns, and one agent alone."""

from autotelic.replicas.base import Replica

RUN = {"recipe": "comas", "rounds": 16, "probe_every": 8, "optimizer": {"learning_rate": 2e-4}}

REPLICA = Replica(
    system="comas",
    recipes=("comas",),
    claim="Agents that learn from how they score one another beat untrained agents, and more agents gain more.",
    quantities={"probe/agents/accuracy": "up", "probe/vote/accuracy": "up", "probe/accuracy": "shown"},
    arms={
        "comas": RUN,
        "one agent": {**RUN, "agents": 1},
        "only solving learns": {**RUN, "learns": ["solve"]},
        "random reward": {"recipe": "random-reward", "model": "chain-skills", "rounds": 16, "probe_every": 8, "optimizer": {"learning_rate": 2e-4}},
    },
    control="random reward",
)
