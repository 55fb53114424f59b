"""CREAM: trust by consistency, against full and against constant trust."""

from autotelic.systems.study import Study

RUN = {"recipe": "cream", "rounds": 8, "probe_every": 2}

STUDY = Study(
    system="cream",
    recipes=("cream",),
    claim="Weighting pairs by how consistent the ranking is with that of the version before keeps self-rewarding from getting worse over its iterations.",
    quantities={"probe/accuracy": "above", "probe/pass@1": "above", "probe/pass@8": "shown"},
    arms={"cream": RUN, "per task": {**RUN, "per_task": True}, "full trust": {**RUN, "trust": 1.0}},
    control="full trust",
    finding="""\
The ranking by log-ratio is good for two rounds after the seeds (pairs in the right order .70, accuracy .29 to .55 in round 4) and then feeds on itself: .4 of the pairs, and accuracy far below the start
after eight rounds in every arm. Consistency with the version before stays at .93 to .97 all along, as both versions share their errors, so that trust is nearly full and brakes
nothing. Fewer rounds, or a stop when judge/pair_accuracy falls, would keep the gain; the method itself does not see it.""",
    outcome="no",
)
