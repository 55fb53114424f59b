"""A trial of a study: its model and tasks are opened, its numbers taken and held against what it declares. No run, nothing is trained and nothing written."""

import asyncio

from autotelic.errors import DataError
from autotelic.measures.metrics import check
from autotelic.runs.evaluating import Ask, asking, opened
from autotelic.runs.settings import RunSettings
from autotelic.systems.study import Trial
from autotelic.types import Metrics


def tried(trial: Trial, seed: int) -> list[Metrics]:
    """The numbers of a trial, step by step.

    Raises:
        DataError: it gave none.
        SettingError: the world or the model lacks what it needs.
        MetricError: a number that it does not declare, or that is out of its range.
    """
    given = opened(trial.model, trial.tasks, RunSettings(), Ask(limit=trial.count, sampling=trial.sampling, seed=seed))
    ctx = asking(given, trial.roles(given.world), seed)
    steps = asyncio.run(trial.steps(ctx, given.tasks))
    if not any(steps):
        raise DataError(f"{type(trial).__name__}: no numbers were taken")
    for numbers in steps:
        check(numbers, trial.metrics)
    return steps
