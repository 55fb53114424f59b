"""The gate: a run that falls without it ends no worse than it began, and what it costs a run that is well."""

from typing import Any

from autotelic.systems.study import Study

RUN: dict[str, Any] = {"rounds": 40, "probe_every": 5, "probe_size": 400}
"""Half of the probe's tasks decide in the gate, and the verdict rests on the others."""
FALLS: dict[str, Any] = {"recipe": "srt", "model": "chain-good", "optimizer": {"learning_rate": 1e-3}, **RUN}
"""At a large rate the vote goes to one answer for everything."""
RISES: dict[str, Any] = {"recipe": "gold", "model": "chain-good", **RUN}
VOTES: dict[str, Any] = {"recipe": "srt", "model": "habits", "tasks": "habits", **RUN}
"""The majority of this base is right where its greedy answer is not, so a vote raises it."""


def gate(by: str) -> dict[str, Any]:
    """The setting of a gate with a champion."""
    return {"gate": {"by": by}}


STUDY = Study(
    system="gate",
    recipes=("srt",),
    claim="With a gate, a run by majority vote that otherwise falls hands over weights no worse than the first ones, and a run that rises still rises.",
    quantities={"verdict/accuracy": "above", "probe/accuracy": "shown", "probe/agreement": "shown", "gate/champion": "shown"},
    arms={
        "falls, gate by accuracy": {**FALLS, **gate("accuracy")},
        "falls, gate by votes": {**FALLS, **gate("votes")},
        "falls, no gate": FALLS,
        "rises with gold, gate by accuracy": {**RISES, **gate("accuracy")},
        "rises with gold, no gate": RISES,
        "rises by votes, gate by accuracy": {**VOTES, **gate("accuracy")},
        "rises by votes, gate by votes": {**VOTES, **gate("votes")},
        "rises by votes, no gate": VOTES,
    },
    control="falls, no gate",
    against={
        "rises with gold, gate by accuracy": "rises with gold, no gate",
        "rises with gold, no gate": None,
        "rises by votes, gate by accuracy": "rises by votes, no gate",
        "rises by votes, gate by votes": "rises by votes, no gate",
        "rises by votes, no gate": None,
    },
    finding="""\
The falling run ends no worse than it began, with either gate and with every seed: the first weights are handed over, right .76 of the time on the
half of the probe that does not decide, where the last weights of the run without a gate are right .22 of the time (difference +.54, interval +.48
to +.60) and all three verdicts say hacked. The gate does not heal the run. It goes back to the first weights again and again, and training falls
again from there: the weights under training are at .40 to .43 in round 40.

A gate costs a run that is well little. With gold labels it hands over weights of round 5 or 10, right .99 of the time, where all 40 rounds lead to
1.00 (difference -.008, interval -.034 to +.018): once nearly all tasks are right nothing can be better with certainty, so the champion stays.

From `habits` the vote first rises to .95 and more in five rounds with every seed, and with one seed then falls to .49. The gate by accuracy hands
over round 5's weights there (1.00). The gate by votes does not: it asks only that answers are kept on which the first weights agreed, and from that
base these are few, so it promotes every probed round and hands over .51. A gate without gold stops a collapse from what the first weights knew, and
not from what was learned since.""",
    outcome="replicated",
)
