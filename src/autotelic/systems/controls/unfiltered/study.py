"""Collapse of self-trained language models: training on everything that one sampled."""

from typing import Any

from autotelic.systems.arms import PROBED_AT_ONE
from autotelic.systems.study import Study

OWN: dict[str, Any] = {"recipe": "unfiltered", "optimizer": {"learning_rate": 3e-4}, "probe_every": 5, **PROBED_AT_ONE}
"""40 rounds of 256 texts."""
FILTERED: dict[str, Any] = {
    "recipe": "lmsi",
    "optimizer": {"learning_rate": 3e-4},
    "rounds": 40,
    "tasks_per_round": 16,
    "group_size": 16,
    "sampling": {"temperature": 1.0},
    "updates": {"batch_size": 64},
    "probe_every": 5,
    **PROBED_AT_ONE,
}
"""As many samples, of which those that agree with the majority of their group are kept."""

STUDY = Study(
    system="unfiltered",
    recipes=("unfiltered",),
    catalogue=(136,),
    paper="arXiv:2404.02305",
    claim="A model that goes on training on its own samples gets worse, the faster the larger the learning rate, and its text ends in repetitions.",
    quantities={
        "probe/lessons/loss": "up",
        "probe/accuracy": "down",
        "probe/texts/distinct": "down",
        "probe/texts/longest_repeat": "up",
        "probe/entropy": "shown",
        "probe/pass@8": "shown",
        "loss": "shown",
    },
    arms={
        "own samples": OWN,
        "learning rate 2e-3": OWN | {"optimizer": {"learning_rate": 2e-3}},
        "temperature .6": OWN | {"sampling": {"temperature": 0.6}},
        "a quarter lessons": OWN | {"real": 0.25},
        "lessons alone": OWN | {"real": 1.0},
        "the majority's paths": FILTERED,
    },
    control="lessons alone",
    against={"learning rate 2e-3": "own samples", "temperature .6": "own samples"},
    finding="""\
- The loss on held-out lessons of the base's teacher rises in every run: from .040 to .13 nats a token, and with a learning rate of 2e-3 to .46. Accuracy falls from .40 to .29 and
  to .15, and right answers among eight samples from .80 to .60 and .49. Over three seeds, which draw problems of their own, the interval of the fall in accuracy just touches zero.
- The loss of training says nothing of this. At temperature .6 it goes to .0002 while the loss on lessons rises to .17: the policy says the same every time (entropy .002, eight
  samples with a right one among them .39) and is as often right as before. At temperature 1 it is the other way round: entropy rises, and equations no longer follow from one another.
- With lessons by the base's own teacher, who errs, as a quarter of the texts, hardly any of this happens (.044; accuracy .39), and lessons alone leave the model where it was. What keeps the
  model is text that is not its own, right or wrong.
- A filter does not keep it by itself. Trained on the majority's paths alone, out of as many samples, the model ends with an accuracy of .35 and .39 for eight samples: on this base the
  majority is wrong as often as right where the teacher was unsure.
- Loops of a few tokens are not shown. Completions are 39 tokens long, and their repeats stay as long as they were; only at 2e-3 a single sample of the last rounds ends in a run of one
  digit. Loops need long open text, which no base here writes.
- The paper trains GPT-2 on text without a task, and larger models collapse faster there; size was not varied.""",
    outcome="partly",
)
