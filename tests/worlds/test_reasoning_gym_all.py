"""Every data set of reasoning-gym through its adapter: gold answers verify, wrong ones do not, seeds repeat within a process."""

import pytest

from autotelic.tasks.validate import validate
from autotelic.worlds import ReasoningGym
from autotelic.worlds.reasoning_gym import REFUSED

factory = pytest.importorskip("reasoning_gym.factory")

WITHOUT_GOLD = {"boxnet", "rush_hour"}
"""The library gives no answer for these; their scorers still work on a model's."""


@pytest.mark.slow
@pytest.mark.parametrize("dataset", sorted(set(factory.DATASETS) - set(REFUSED)))
def test_gold_verifies(dataset):
    world = ReasoningGym(dataset)
    count = 8 if dataset == "propositional_logic" else 3
    report = validate(world, count, seed=1)
    assert report.without_gold == (count if dataset in WITHOUT_GOLD else 0)
    assert not report.rejected, str(report)
    # From contradictory premises, which this data set sometimes has, everything follows.
    assert len(report.accepted) <= (2 if dataset == "propositional_logic" else 0), str(report)
    if dataset != "codeio":
        assert world.tasks(3, seed=1) == ReasoningGym(dataset).tasks(3, seed=1)
