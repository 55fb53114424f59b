"""Language Self-Play: a challenger paid what the solver loses, beside other pay and a challenger that is left as it was."""

from typing import Any

from autotelic.systems.study import Study

SHORT: dict[str, Any] = {
    "recipe": "lsp", "model": "chain-short", "rounds": 100, "probe_every": 50, "probe_size": 320, "probe_samples": 4, "group_size": 16,
    "proposer_every": 2, "optimizer": {"learning_rate": 2e-4},
}  # fmt: skip
"""From a base that is sure of up to four operations, with the settings under which SQLM's challenger finds what is next."""
SKILLED: dict[str, Any] = {"recipe": "lsp", "rounds": 60, "probe_every": 30}

STUDY = Study(
    system="lsp",
    recipes=("lsp",),
    claim="Playing against a challenger that is paid what one loses makes a policy better without data, as long as the quality of questions is paid for too.",
    quantities={
        "probe/accuracy": "up",
        "proposals/length": "up",
        "proposals/valid": "shown",
        "proposals/distinct": "shown",
        **{f"probe/accuracy/ops {ops}": "shown" for ops in (4, 5, 6, 7, 8)},
    },
    arms={
        "lsp": SHORT,
        "questions that are none left out": {**SHORT, "invalid": None},
        "paid for doubt": {**SHORT, "pay": "half"},
        "random pay": {**SHORT, "pay": "random"},
        "fixed challenger": {**SHORT, "proposer": "frozen"},
        "lsp, chain-skills": SKILLED,
        "fixed challenger, chain-skills": {**SKILLED, "proposer": "frozen"},
    },
    control="fixed challenger",
    against={"lsp, chain-skills": "fixed challenger, chain-skills", "fixed challenger, chain-skills": None},
)
