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
With the consistency of the two rankings as the confidence of every pair, accuracy goes from .29 to .48 in three seeds of three, and .14 above full trust, under
which it first rises faster (.48 after four rounds, .50 after six) and then falls back to .34, unchanged in every seed: what the paper says. Consistency by task instead of the round's mean gives .41, with a wide interval. Sampled accuracy moves likewise.
In earlier runs both orders of a pair were two losses that could fall into different updates, and accuracy ended below the start in every arm: one loss a pair,
and a first preference round that ranks by the likelihood of the first version, as the authors' code does, are what has changed.""",
    outcome="replicated",
)
