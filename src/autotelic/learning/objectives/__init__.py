"""Losses as pure functions over token tensors. No objective knows which recipe called it."""

from autotelic.learning.objectives.base import Batch, Objective, Seen, TextObjective, Totals
from autotelic.learning.objectives.likelihood import NLL, Unlikelihood
from autotelic.learning.objectives.mixture import Mixture, Term
from autotelic.learning.objectives.pairs import DPO, SPPO, PairObjective
from autotelic.learning.objectives.policy_gradient import PolicyGradient
from autotelic.learning.objectives.regression import TokenScore
from autotelic.learning.objectives.unpaired import KTO

__all__ = [
    "DPO",
    "KTO",
    "NLL",
    "SPPO",
    "Batch",
    "Mixture",
    "Objective",
    "PairObjective",
    "PolicyGradient",
    "Seen",
    "Term",
    "TextObjective",
    "TokenScore",
    "Totals",
    "Unlikelihood",
]
