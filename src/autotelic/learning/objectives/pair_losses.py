"""Losses of one pair: pure functions of two numbers a pair, h_w of the chosen side and h_l of the rejected one, and of beta.

h is how much more likely a side is than under the reference, in log-probability (`pairs` says over what). Names are those of TRL.
"""

from collections.abc import Callable, Sequence
from math import log
from typing import Literal

from torch import Tensor
from torch.nn.functional import logsigmoid, relu

PairLoss = Callable[[Tensor, Tensor, float], Tensor]
"""h_w (P,), h_l (P,) and beta to losses (P,)."""

Divergence = Literal["reverse_kl", "forward_kl", "js"]

EXO_SMOOTHING = 1e-3
DISCOPOP_TAU = 0.05


def sigmoid(chosen: Tensor, rejected: Tensor, beta: float) -> Tensor:
    """-log sigmoid(beta (h_w - h_l)): DPO (arXiv:2305.18290), and SPIN's logistic loss (arXiv:2401.01335)."""
    return -logsigmoid(beta * (chosen - rejected))


def hinge(chosen: Tensor, rejected: Tensor, beta: float) -> Tensor:
    """max(0, 1 - beta (h_w - h_l)): SLiC (arXiv:2305.10425), and SPIN's hinge."""
    return relu(1 - beta * (chosen - rejected))


def ipo(chosen: Tensor, rejected: Tensor, beta: float) -> Tensor:
    """(h_w - h_l - 1 / (2 beta))^2: IPO (arXiv:2310.12036), on sums over tokens as in the paper, or on means over tokens as in TRL."""
    return (chosen - rejected - 1 / (2 * beta)).square()


def exo_pair(chosen: Tensor, rejected: Tensor, beta: float) -> Tensor:
    """KL(Bernoulli(sigmoid(beta (h_w - h_l))) || Bernoulli(1 - .001)): EXO (arXiv:2402.00856), the reverse of DPO's direction."""
    margin = beta * (chosen - rejected)
    right = margin.sigmoid() * (logsigmoid(margin) - log(1 - EXO_SMOOTHING))
    return right + (-margin).sigmoid() * (logsigmoid(-margin) - log(EXO_SMOOTHING))


def nca_pair(chosen: Tensor, rejected: Tensor, beta: float) -> Tensor:
    """-log sigmoid(beta h_w) - (log sigmoid(-beta h_w) + log sigmoid(-beta h_l)) / 2: NCA (arXiv:2402.05369), which keeps h_w from sinking."""
    return -logsigmoid(beta * chosen) - 0.5 * logsigmoid(-beta * chosen) - 0.5 * logsigmoid(-beta * rejected)


def bco_pair(chosen: Tensor, rejected: Tensor, beta: float) -> Tensor:
    """-log sigmoid(beta h_w) - log sigmoid(-beta h_l): BCO (arXiv:2404.04656), when the mean of h over the step has been taken off both."""
    return -logsigmoid(beta * chosen) - logsigmoid(-beta * rejected)


def apo_zero(chosen: Tensor, rejected: Tensor, beta: float) -> Tensor:
    """1 - sigmoid(beta h_w) + sigmoid(beta h_l): APO-zero (arXiv:2408.06266), for chosen sides that are better than the policy."""
    return (-beta * chosen).sigmoid() + (beta * rejected).sigmoid()


def apo_down(chosen: Tensor, rejected: Tensor, beta: float) -> Tensor:
    """sigmoid(beta h_w) + 1 - sigmoid(beta (h_w - h_l)): APO-down (arXiv:2408.06266), for chosen sides that are worse than the policy."""
    return (beta * chosen).sigmoid() + (-beta * (chosen - rejected)).sigmoid()


def discopop(chosen: Tensor, rejected: Tensor, beta: float) -> Tensor:
    """(1 - m) -log sigmoid(x) + m exp(-x), x = beta (h_w - h_l), m = sigmoid(x / .05): DiscoPOP (arXiv:2406.08414)."""
    margin = beta * (chosen - rejected)
    share = (margin / DISCOPOP_TAU).sigmoid()
    return -logsigmoid(margin) * (1 - share) + (-margin).exp() * share


def odds(chosen: Tensor, rejected: Tensor, beta: float) -> Tensor:
    """-beta log sigmoid(log odds_w - log odds_l), with odds p / (1 - p) of the geometric mean p of the tokens: ORPO's term (arXiv:2403.07691)."""
    return -beta * logsigmoid(log_odds(chosen) - log_odds(rejected))


def log_odds(mean: Tensor) -> Tensor:
    """log(p / (1 - p)) of a mean log-probability log p."""
    return mean - (-mean.exp().clamp(max=1 - 1e-7)).log1p()


def divergence_score(h: Tensor, divergence: Divergence) -> Tensor:
    """f'(p / ref) of log(p / ref) = h for the divergence that holds the policy near the reference: f-DPO (arXiv:2309.16240).

    reverse_kl: h; forward_kl: 1 - exp(-h); js (Jensen-Shannon): log 2 + log sigmoid(h).
    """
    if divergence == "reverse_kl":
        return h
    return 1 - (-h).exp() if divergence == "forward_kl" else log(2) + logsigmoid(h)


def rank_shifts(policy: Sequence[float], reference: Sequence[float]) -> list[float]:
    """What turns h_w - h_l of each pair into the difference of two margins of equal rank: AOT (arXiv:2406.05882), from the margins of all pairs of a step
    under the policy and under the reference."""
    shifts = [0.0] * len(policy)
    for place, matched in zip(sorted(range(len(policy)), key=policy.__getitem__), sorted(reference), strict=True):
        shifts[place] = reference[place] - matched
    return shifts


PAIR_LOSSES: dict[str, PairLoss] = {
    "sigmoid": sigmoid, "hinge": hinge, "ipo": ipo, "exo_pair": exo_pair, "nca_pair": nca_pair, "bco_pair": bco_pair, "apo_zero": apo_zero,
    "apo_down": apo_down, "discopop": discopop, "aot": sigmoid, "odds": odds,
}  # fmt: skip
"""By name. Those of LOOKING see h after something that depends on the whole step was added."""
LOOKING = ("bco_pair", "aot")
