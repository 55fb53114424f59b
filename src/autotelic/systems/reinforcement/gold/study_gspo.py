"""GSPO, and other surrogates, where four updates are made on one batch of samples."""

from typing import Any

from autotelic.systems.arms import LONG
from autotelic.systems.study import Study

FOUR: dict[str, Any] = {**LONG, "updates": {"batch_size": 128}}

STUDY = Study(
    system="gspo",
    recipes=("gspo",),
    claim="With several updates on a batch, ratios of whole answers train further than ratios of tokens.",
    quantities={"probe/accuracy": "above", "probe/pass@8": "shown", "probe/entropy": "shown"},
    arms={
        "gspo": {"recipe": "gspo", **LONG},
        "grpo": {"recipe": "gold", **FOUR, "scale": "std", "objective": {"aggregation": "sequence", "clip_high": 0.2}},
        "dr-grpo": {"recipe": "dr-grpo", **LONG},
        "dapo": {"recipe": "dapo", **LONG},
        "cispo": {"recipe": "cispo", **LONG},
        "sapo": {"recipe": "sapo", **LONG},
    },
    control="grpo",
)
