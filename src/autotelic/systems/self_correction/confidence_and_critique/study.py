"""Confidence against critique (arXiv:2412.19513): self-correction as two rates, between which prompts and temperatures choose."""

from autotelic.systems.self_correction.looking import SecondLook
from autotelic.systems.study import Study

STUDY = Study(
    system="confidence-and-critique",
    catalogue=(302,),
    paper="arXiv:2412.19513",
    trial=SecondLook,
    claim="Words that doubt an answer raise the share of wrong answers that are put right and lower the share of right ones that stay; words that trust it do the reverse.",
    quantities={"look/mended": "above", "look/kept": "below", "look/accuracy": "shown", "look/rss": "shown", "look/changed": "shown"},
    arms={
        "doubt": {"says": "doubt"},
        "trust": {"says": "trust"},
        "again": {},
        "again, sampled": {"second": 1.0},
        "doubt, sampled": {"says": "doubt", "second": 1.0},
        "trust, sampled": {"says": "trust", "second": 1.0},
    },
    control="trust",
    against={"doubt, sampled": "trust, sampled", "again, sampled": "again"},
)
