"""ExIt: single steps of improvement from a buffer of past attempts."""

from typing import Any

from autotelic.systems.study import Study

SHORT: dict[str, Any] = {
    "recipe": "exit",
    "rounds": 20,
    "probe_every": 10,
    "probe_size": 100,
    "probe_samples": 0,
    "sampling": {"max_tokens": 48},
    "optimizer": {"learning_rate": 3e-4},
}

STUDY = Study(
    system="exit",
    recipes=("exit",),
    claim="Training single steps from a buffer of past attempts makes attempts improve on one another, further than the depth trained on.",
    quantities={"probe/improvement": "up", "probe/step 8": "up", "probe/step 1": "shown", "buffer/depth": "shown"},
    arms={"exit": SHORT, "no buffer": {**SHORT, "replay": 0.0}},
    control="no buffer",
    finding="""\
- The base loses by trying again: .52 of first attempts are right and .32 of eighth ones, because it was taught to copy half the time and to solve afresh half the time.
- Both arms learn to solve, and as they do, later attempts catch up. With the buffer the eighth attempt ends a little above the control's in every seed (.95 against .91), at a
  mean trained depth of one; the change from first to eighth attempt is +.03 against -.04, an interval that just holds zero.
- What is learned is not to spoil an attempt: hardly anything is mended, because a chain that is wrong is wrong in an equation that the model does not know, at any attempt.
- Longer without the buffer retrying falls apart (one seed, 30 rounds: .94 of first and .57 of eighth attempts right, against .94 and .95 with it).""",
    outcome="partly",
)
