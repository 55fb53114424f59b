"""A real language model: methods with labels and without, all from SmolLM2-135M-Instruct, on arithmetic stories in English, beside controls."""

from typing import Any

from autotelic.systems.study import Study

RUN: dict[str, Any] = {
    "model": "models/smollm2",
    "tasks": "word-problems",
    "rounds": 8,
    "probe_size": 100,
    "probe_samples": 4,
    "probe_every": 8,
    "sampling": {"temperature": 0.7, "max_tokens": 64},
}
"""`make smollm` puts the model there. At temperature .7 samples are right about as often as they are for its own users; at 1 most are noise.
The learning rate is the default for a model of this size, 2e-5."""
GROUPS: dict[str, Any] = {**RUN, "tasks_per_round": 16, "group_size": 8}
"""128 completions a round for all that sample."""
EPOCH: dict[str, Any] = {"updates": {"batch_size": 32, "epochs": 1}}

STUDY = Study(
    system="real",
    recipes=("srt", "ttrl", "lmsi", "scpo", "intuitor", "rlsc"),
    claim="On a real model label-free methods raise held-out accuracy, about as gold labels do.",
    quantities={
        "probe/accuracy": "above",
        "probe/pass@1": "shown",
        "probe/pass@4": "shown",
        "probe/majority@4": "shown",
        "probe/agreement": "shown",
        "tokens/sampled": "shown",
    },
    arms={
        "srt": {"recipe": "srt", **GROUPS},
        "gold": {"recipe": "gold", **GROUPS},
        "random reward": {"recipe": "random-reward", **GROUPS},
        "lmsi": {"recipe": "lmsi", **GROUPS, **EPOCH},
        "intuitor": {"recipe": "intuitor", **GROUPS},
        "rlsc": {"recipe": "rlsc", **GROUPS},
        "scpo": {"recipe": "scpo", **GROUPS},
        "ttrl": {"recipe": "ttrl", **RUN, "tasks_per_round": 2},
        "entropy alone": {"recipe": "entropy-only", **GROUPS},
        "format only": {"recipe": "format-only", **GROUPS},
        "supervised": {"recipe": "supervised", **RUN, "tasks_per_round": 128},
        "raft": {"recipe": "raft", **GROUPS, **EPOCH},
        "rest": {"recipe": "rest", **GROUPS, "rounds": 2, "tasks_per_round": 64},
        "expo": {"recipe": "expo", **GROUPS},
        "self-rewarding": {"recipe": "self-rewarding", **GROUPS, "own_tasks": False},
        "spin": {"recipe": "spin", **RUN, "tasks_per_round": 128},
    },
    control="random reward",
    seeds=1,
    finding="""\
Not on this model. With gold labels greedy accuracy goes from .29 to .63 in eight rounds, and where the likelihood of right samples (RAFT, ReST) or of
gold solutions against one's own (SPIN) is raised, to .55 to .59; learned from worked solutions alone it is .89. SRT, ScPO, Intuitor and RLSC raise
agreement from .45 to .90 and more, and accuracy falls to .12 to .16: single samples, majorities and the best of four are then all about as often
right as the greedy answer, since all say the same. TTRL (.38), LMSI (.32) and Self-Rewarding (.30) are not certainly better than the first weights, and
neither are entropy alone (.32) and a reward for the format (.34). `autotelic eval` says so beforehand: the majority of eight samples is right on .32 of
the problems, and the greedy answer on .31. One seed each, on two cores that others used too, so that the minutes are not to be quoted.""",
    outcome="no",
)
