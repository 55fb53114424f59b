"""EEPO: sample, forget, sample again, against plain GRPO at equal samples."""

from autotelic.systems.study import Study

RUN = {"recipe": "eepo", "rounds": 30, "probe_every": 10, "optimizer": {"learning_rate": 3e-4}}

STUDY = Study(
    system="eepo",
    recipes=("eepo",),
    claim="Forgetting between the halves of a group keeps its answers diverse, and training on both halves ends at a higher accuracy than GRPO.",
    quantities={"probe/accuracy": "above", "probe/pass@8": "above", "probe/entropy": "above", "probe/pass@1": "shown"},
    arms={"eepo": RUN, "grpo": {**RUN, "forget": False}},
    control="grpo",
    finding="""\
Not seen. Forgetting between the halves leaves the second half a little worse and more varied; entropy on the probe ends .004 above GRPO's, within noise, and accuracy below it (.80 against
.87). On this world plain GRPO does not run out of variety: wrong answers die out as right ones are found. Stronger forgetting (a rate of 3e-4) slows learning further, and together with a
learning rate of 1e-3 it ends in one answer for everything (one seed each). The mechanism would need tasks on which the policy is sure and wrong.""",
    outcome="no",
)
