"""ExPO: own explanations of given answers, against expert solutions and plain GRPO."""

from autotelic.systems.study import Study

RUN = {"recipe": "expo", "rounds": 20, "probe_every": 10, "tasks_per_round": 64, "group_size": 2, "optimizer": {"learning_rate": 3e-4}}

STUDY = Study(
    system="expo",
    recipes=("expo",),
    claim="Training on own explanations of given answers solves more than plain GRPO, most of all where no sample was right.",
    quantities={"probe/accuracy": "up", "probe/pass@1": "up"},
    arms={"expo": RUN, "expert solutions": {**RUN, "instead": "expert"}, "grpo": {**RUN, "instead": "nothing"}},
    control="grpo",
    finding="""\
Not seen. Plain GRPO solves this world from two samples a task (.54 to 1.00), so that own explanations have no room to help, and on one seed of three training on them lost nearly everything: an
explanation that ends in the given digit by a wrong way is a wrong lesson, one task in six still gets one, and nothing holds the likelihood term back. Expert solutions in its place
do no harm. Problems of seven operations, where no more than a tenth is solved, were tried with one seed: explanations reach the answer there as seldom as plain samples do.""",
    outcome="no",
)
