"""GSPO, and other surrogates, where four updates are made on one batch of samples, for so few rounds that none is at its limit."""

from typing import Any

from autotelic.systems.study import Study

RUN: dict[str, Any] = {"optimizer": {"learning_rate": 3e-4}, "rounds": 8, "probe_every": 2}
FOUR: dict[str, Any] = {**RUN, "updates": {"batch_size": 128}}

STUDY = Study(
    system="gspo",
    recipes=("gspo",),
    claim="With several updates on a batch, ratios of whole answers train further than ratios of tokens.",
    quantities={
        "probe/accuracy": "above",
        "probe/pass@1": "shown",
        "probe/pass@8": "shown",
        "probe/entropy": "shown",
        "clip_ratio/region_mean": "shown",
    },
    arms={
        "gspo": {"recipe": "gspo", **RUN},
        "gspo, clips of .2": {"recipe": "gspo", **RUN, "objective": {"clip_low": 0.2, "clip_high": 0.2}},
        "grpo": {"recipe": "gold", **FOUR, "scale": "std", "objective": {"aggregation": "sequence", "clip_high": 0.2}},
        "grpo, one update": {"recipe": "gold", **RUN, "scale": "std", "objective": {"aggregation": "sequence", "clip_high": 0.2}},
        "dr-grpo": {"recipe": "dr-grpo", **RUN},
        "dapo": {"recipe": "dapo", **RUN},
        "cispo": {"recipe": "cispo", **RUN},
        "sapo": {"recipe": "sapo", **RUN},
    },
    control="grpo",
)
