"""Losses as pure functions over token tensors. No objective knows which recipe called it."""

from autotelic.learning.objectives.base import Batch, Objective, Totals
from autotelic.learning.objectives.likelihood import NLL, Unlikelihood
from autotelic.learning.objectives.mixture import Mixture, Term
from autotelic.learning.objectives.pairs import DPO, IPO, SPIN, SPPO, ScPO
from autotelic.learning.objectives.policy_gradient import PolicyGradient
from autotelic.learning.objectives.regression import TokenScore

__all__ = [
    "DPO",
    "IPO",
    "NLL",
    "SPIN",
    "SPPO",
    "Batch",
    "Mixture",
    "Objective",
    "PolicyGradient",
    "ScPO",
    "Term",
    "TokenScore",
    "Totals",
    "Unlikelihood",
]
