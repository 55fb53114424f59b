"""EAST: questions weighed by how much their answers differ, beside questions that weigh alike."""

from typing import Any

from autotelic.systems.study import Study

RUN: dict[str, Any] = {
    "recipe": "east", "model": "chain-range", "tasks": "chain?ops=1-8", "tasks_per_round": 64, "updates": {"steps": 6}, "rounds": 8, "probe_every": 4,
    "probe_size": 400,
}  # fmt: skip

STUDY = Study(
    system="east",
    recipes=("east",),
    claim="Weighing questions by the entropy of their answers raises accuracy further than weighing them alike.",
    quantities={"probe/accuracy": "above", "probe/pass@1": "shown"},
    arms={"east": RUN, "power 2": {**RUN, "power": 2.0}, "all alike": {**RUN, "power": 0.0}},
    control="all alike",
    finding="""\
The weights make no difference that three seeds could show: accuracy goes from .32 to .88 with them and without (difference .00, interval -.15 to
+.15). With the square of the weight it ends at .79, which is within noise of both. Six steps a round for eight rounds already bring `chain-range`
from .32 to .88, so that little is left to gain; the paper's models are far from their limit.""",
    outcome="no",
)
