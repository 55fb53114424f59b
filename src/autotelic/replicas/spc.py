"""SPC: a critic against a generator that learns, against one that does not."""

from autotelic.replicas.base import Replica

RUN = {"recipe": "spc", "rounds": 20, "probe_every": 10, "optimizer": {"learning_rate": 2e-4}}

REPLICA = Replica(
    system="spc",
    recipes=("spc",),
    claim="A critic that plays against a generator of subtle errors gets better at finding the errors that solvers make.",
    quantities={"probe/accuracy": "up", "probe/accuracy/natural errors": "up", "probe/accuracy/right solutions": "shown"},
    arms={"spc": RUN, "frozen generator": {**RUN, "train_generator": False}},
    control="frozen generator",
)
