"""Language Self-Play: a challenger paid what the solver loses, beside other pay and a challenger that is left as it was."""

from typing import Any

from autotelic.systems.study import Study

RUN: dict[str, Any] = {"recipe": "lsp", "rounds": 60, "probe_every": 30}

STUDY = Study(
    system="lsp",
    recipes=("lsp",),
    claim="Playing against a challenger that is paid what one loses makes a policy better without data, as long as the quality of questions is paid for too.",
    quantities={"probe/accuracy": "up", "proposals/length": "up", "proposals/valid": "shown", "proposals/distinct": "shown"},
    arms={
        "lsp": RUN,
        "questions that are none left out": {**RUN, "invalid": None},
        "paid for doubt": {**RUN, "pay": "half"},
        "random pay": {**RUN, "pay": "random"},
        "fixed challenger": {**RUN, "proposer": "frozen"},
    },
    control="fixed challenger",
)
