"""Intrinsic self-correction (arXiv:2406.15673): what a second look is worth, by temperature and by what is said before it."""

from autotelic.systems.self_correction.looking import SecondLook
from autotelic.systems.study import Study

STUDY = Study(
    system="intrinsic-self-correction",
    catalogue=(324,),
    paper="arXiv:2406.15673",
    trial=SecondLook,
    claim="Asked to answer again in fair words, greedily, a model corrects itself; a second answer that is sampled, or a hint that there is an error, makes right answers wrong.",
    quantities={"look/accuracy": "up", "look/kept": "above", "look/mended": "shown", "look/rss": "shown", "look/changed": "shown"},
    arms={
        "again, greedily": {},
        "again, sampled": {"second": 1.0},
        "both sampled": {"first": 1.0, "second": 1.0},
        "told of an error": {"says": "doubt"},
        "told of none": {"says": "trust"},
    },
    control="again, sampled",
)
