"""The named estimators of the KL divergence to a reference, from tokens that the policy sampled."""

from typing import Literal

from torch import Tensor

Estimator = Literal["k1", "k2", "k3"]


def kl_terms(logprobs: Tensor, reference: Tensor, estimator: Estimator) -> Tensor:
    """Per-token estimates of KL(policy || reference) from samples of the policy (Schulman, "Approximating KL Divergence", 2020).

    With d = log p - log ref: k1 = d (unbiased, noisy), k2 = d^2 / 2 (biased; its gradient is that of KL), k3 = exp(-d) - 1 + d (unbiased, >= 0;
    verl's low_var_kl). As a term of a loss, k1 has the expected gradient 0, whatever the reference, k2 that of KL(policy || reference), and k3 that of
    KL(reference || policy). Each times the ratio p / behavior p has the one of what it estimates.
    """
    d = logprobs - reference
    if estimator == "k1":
        return d
    return d.square() / 2 if estimator == "k2" else (-d).exp() - 1 + d
