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
    finding="""\
The challenger learns to ask: of its questions .10 are valid at first and .99 at the end, where a challenger that is left as it was gets to .20
through the weights that it shares. Payment for what the solver loses does not make the solver better. Accuracy goes from .53 to .56 and with the
fixed challenger to .57 (difference -.01, interval -.19 to +.17): questions end at 16 characters, which are seven operations, where the solver is
right .14 of the time and cannot learn, and at five it is right only .35. A challenger paid for doubt, as SQLM's, leads to .72 (+.15, .03 to .27),
and one paid at random to .66 (+.09, .08 to .10). Without the penalty for questions that are none .68 of them are valid, and accuracy is .55. From
`chain-skills`, whose questions are valid from the start, accuracy goes from .51 to .76 with either challenger (difference .01, -.04 to +.05).""",
    outcome="no",
)
