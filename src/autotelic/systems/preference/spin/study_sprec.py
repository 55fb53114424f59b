"""SPRec: likelihood and pairs in turn, beside either alone, where most problems have several solutions and one is given."""

from typing import Any

from autotelic.systems.arms import PROBED_AT_ONE
from autotelic.systems.study import Study

CHAIN: dict[str, Any] = {"tasks_per_round": 128, "rounds": 6, "probe_every": 2, **PROBED_AT_ONE}
RUN: dict[str, Any] = {"tasks": "countdown-steps", "model": "countdown-steps", "sampling": {"max_tokens": 40}, **CHAIN}

STUDY = Study(
    system="sprec",
    recipes=("sprec",),
    claim="Likelihood on given answers followed by pairs against one's own likeliest answers is more accurate, and says more different things, than likelihood alone.",
    quantities={"probe/accuracy": "above", "probe/agreement": "below", "probe/entropy": "shown", "probe/pass@1": "shown", "probe/pass@8": "shown"},
    arms={
        "sprec": {"recipe": "sprec", **RUN},
        "spin": {"recipe": "spin", **RUN},
        "likelihood alone": {"recipe": "supervised", **RUN},
        "sprec, chain": {"recipe": "sprec", **CHAIN},
        "likelihood alone, chain": {"recipe": "supervised", **CHAIN},
    },
    control="likelihood alone",
    against={"sprec, chain": "likelihood alone, chain", "likelihood alone, chain": None},
    finding="""\
It says more different things, and is right less often. On `countdown-steps` samples agree with their majority .41 of the time, after likelihood
alone .46 (difference -.06, interval -.09 to -.03), and entropy is higher by .02. But accuracy falls from .49 to .44, where likelihood alone keeps
it at .49 (-.05, -.08 to -.02), and pass@1 is lower by .05 (.03 to .06). Pairs alone, as SPIN, lose more accuracy (.40) and gain no difference. On
`chain`, where a problem has one solution, it is the same but for accuracy: 1.00 and .99 greedily, pass@1 .77 and .82, agreement .78 and .83.""",
    outcome="partly",
)
