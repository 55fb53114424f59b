"""Self-Rewarding LM: the judge learns with the policy, against a judge that stays and a coin."""

from autotelic.systems.study import Study

RUN = {"recipe": "self-rewarding", "rounds": 6, "probe_every": 2}

STUDY = Study(
    system="self-rewarding",
    recipes=("self-rewarding",),
    claim="Iterations of training on own judgements of own answers raise the quality of the answers, and the judge gets better too.",
    quantities={"probe/accuracy": "up", "probe/judge/pair_accuracy": "up", "probe/pass@8": "shown"},
    arms={
        "self-rewarding": RUN,
        "pool's tasks": {**RUN, "own_tasks": False},
        "frozen judge": {**RUN, "frozen_judge": True},
        "coin": {**RUN, "coin": True},
    },
    control="coin",
    finding="""\
Accuracy goes from .54 to .89 in six rounds, where grading by a coin leaves it where it was; with the weights of the start as the judge it goes to .86, so that little of the gain is owed to
a judge that learns. The judge puts a right answer above a wrong one in .58 of the probe's pairs at first and .60 at last, within noise: it does not get better. It is a better judge of
steps than of answers, because this base was taught to grade on text made by a program that knows the truth; a pair it orders wrongly often has a better way to a worse end.""",
    outcome="partly",
)
