"""Gold on code: functions in Python, judged by unit tests in the sandbox, beside votes over what was written and a reward without information."""

from typing import Any

from autotelic.systems.study import Study

RUN: dict[str, Any] = {
    "model": "functions",
    "tasks": "functions",
    "optimizer": {"learning_rate": 3e-4},
    "rounds": 12,
    "probe_every": 12,
}

STUDY = Study(
    system="functions",
    recipes=("gold",),
    claim="Reinforcement by unit tests that are run in a sandbox raises the share of functions that a model writes right.",
    quantities={"probe/accuracy": "up", "probe/pass@1": "up", "probe/pass@8": "shown", "probe/majority@8": "shown"},
    arms={"gold": {"recipe": "gold", **RUN}, "srt": {"recipe": "srt", **RUN}, "random reward": {"recipe": "random-reward", **RUN}},
    control="random reward",
    finding="""\
Gold tests raise it, in every seed: the share of functions that are written right greedily goes from .63 to .91, and that of samples from .50 to .80.
Votes do not: agreement on what was written (SRT) leaves greedy accuracy at .57 and takes a third off what eight samples reach (.88 to .65), and two of
three verdicts say hacked. A random reward makes all three runs worse (.63 to .43), so part of the gain over the control is the control's loss.""",
    outcome="replicated",
)
