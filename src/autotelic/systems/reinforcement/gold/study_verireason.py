"""VeriReason: wrong answers worth their likeness to the solution, from a base that is mostly wrong."""

from autotelic.systems.arms import LONG, PROBED_AT_ONE
from autotelic.systems.study import Study

RUN = {"model": "chain-weak", **LONG, **PROBED_AT_ONE}

STUDY = Study(
    system="verireason",
    recipes=("verireason",),
    claim="A reward in stages, of the form, the likeness to the solution and the right answer, raises accuracy further than the right answer alone.",
    quantities={"probe/accuracy": "above", "probe/pass@8": "shown"},
    arms={
        "verireason": {"recipe": "verireason", **RUN},
        "right answers alone": {"recipe": "gold", **RUN, "group_size": 8, "scale": "std", "sampling": {"temperature": 0.5}},
    },
    control="right answers alone",
)
