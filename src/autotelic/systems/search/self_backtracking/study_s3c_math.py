"""S3c-Math in a world that slips: solutions with a repair, beside solutions alone."""

from typing import Any

from autotelic.systems.study import Study

REPAIR: dict[str, Any] = {
    "recipe": "s3c-math", "rounds": 24, "tasks_per_round": 128, "pool_size": 3072, "back_share": 1.0, "probe_every": 24, "probe_samples": 2,
    "updates": {"batch_size": 16}, "optimizer": {"learning_rate": 2e-3},
}  # fmt: skip

STUDY = Study(
    system="s3c-math",
    recipes=("s3c-math",),
    claim="Taught to take wrong steps back at once, a model is right more often where the world slips than one taught as many rounds of right solutions.",
    quantities={
        "probe/accuracy": "up",
        "probe/back/found": "up",
        "probe/back/false_alarms": "shown",
        "probe/pass@1": "shown",
        "probe/tokens": "shown",
    },
    arms={
        "repairs": REPAIR,
        "solutions alone": {**REPAIR, "back_share": 0.0},
    },
    control="solutions alone",
    finding="""\
Seen, where a tenth of the written results slip. After 24 rounds a third of wrong steps are followed by the token that takes them back, and .7% of right ones; greedy accuracy goes from .61 to .68, and
stays at .60 where as many rounds show right solutions alone (difference .08, interval .04 to .12). Solutions alone are half as many lessons a round. Accuracy of samples at temperature 1 does not rise
(.63 to .62). It takes a high learning rate: at 1e-3 and 45 updates nothing is taken back, and accuracy of samples fell from .65 to .46 (one seed). The unmasked arm and own wrong steps were not run long
enough to say anything.""",
    outcome="replicated",
)
