"""Learning in two processes: the gradient, the metrics and the weights of one process; failures end in an error, never in a wait."""

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
import torch
from rows import KINDS, apart, data

from autotelic.errors import AutotelicError, SettingError, TrainingError
from autotelic.learning.learner import Learner, Optimizer, Updates
from autotelic.learning.objectives import NLL
from autotelic.policies.policy import Policy
from autotelic.types import Metrics

Make = Callable[..., Policy]


def learner(policy: Make, processes: int, **settings: Any) -> Learner:
    solver = policy()
    solver.model.initialize(torch.Generator().manual_seed(0), std=0.1)  # type: ignore[operator]
    return Learner(solver, Optimizer(processes=processes, **settings), 0)


def gradient(learner: Learner) -> torch.Tensor:
    return torch.cat([torch.zeros_like(p).flatten() if p.grad is None else p.grad.flatten() for p in learner.parameters])


@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_learn_what_one_does(kind: str, policy: Make) -> None:
    found: list[tuple[torch.Tensor, Metrics, torch.Tensor]] = []
    for processes in (1, 2):
        one = learner(policy, processes, learning_rate=1e-3, clip_norm=1e9, token_budget=300)
        rows, objective = data(kind)
        first = one.learn(rows, objective, reference=policy("reference", seed=1))
        after = gradient(one)
        one.policy.version = 0
        one.learn(rows, objective, Updates(batch_size=7, epochs=2), reference=policy("reference", seed=1))
        found.append((after, first, torch.cat([p.detach().flatten() for p in one.parameters])))
    (gradient_1, metrics_1, weights_1), (gradient_2, metrics_2, weights_2) = found
    assert apart(gradient_2, gradient_1) < 1e-5
    assert metrics_2 == pytest.approx(metrics_1, rel=1e-4, abs=1e-6)
    torch.testing.assert_close(weights_2, weights_1, atol=1e-4, rtol=1e-3)


def test_weights_put_in_from_outside_reach_the_other_process(policy: Make) -> None:
    one, two = learner(policy, 1, clip_norm=1e9), learner(policy, 2, clip_norm=1e9)
    rows, objective = data("likelihood")
    two.learn(rows, objective)
    two.policy.restore(one.policy.snapshot())
    one.learn(rows, objective)
    two.learn(rows, objective)
    assert apart(gradient(two), gradient(one)) < 1e-5


def test_a_bad_row_is_an_error_wherever_it_is_and_learning_goes_on(policy: Make) -> None:
    two = learner(policy, 2)
    for place in range(4):
        rows, objective = data("likelihood")
        rows[place * 8].weight = float("nan")
        with pytest.raises(TrainingError, match="the loss is not finite"):
            two.learn(rows, objective)
    assert two.learn(data("likelihood")[0], NLL())["learner/updates"] == 1


def test_one_row_leaves_nothing_for_the_other_process(policy: Make) -> None:
    one, two = learner(policy, 1, clip_norm=1e9), learner(policy, 2, clip_norm=1e9)
    for each in (one, two):
        each.learn(data("likelihood")[0][:1], NLL())
    assert apart(gradient(two), gradient(one)) < 1e-5


def test_a_process_that_dies_is_reported_and_replaced(policy: Make) -> None:
    two = learner(policy, 2)
    rows, objective = data("likelihood")
    two.learn(rows, objective)
    assert two._crew is not None
    os.kill(two._crew._processes[0].pid, signal.SIGKILL)
    with pytest.raises(AutotelicError, match="a learner process ended before its time"):
        two.learn(rows, objective)
    assert two.learn(rows, objective)["learner/updates"] == 1


def test_several_threads_are_refused(policy: Make) -> None:
    two = learner(policy, 2)
    torch.set_num_threads(2)
    try:
        with pytest.raises(SettingError, match=r"optimizer\.processes: each process has one thread; set threads to 1 instead of 2"):
            two.learn(*data("likelihood"))
    finally:
        torch.set_num_threads(1)
