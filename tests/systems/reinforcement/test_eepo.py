"""EEPO: when it forgets, and with which optimizer."""

from typing import Any

import pytest
from rounds import play_round, ready

from autotelic.errors import SettingError
from autotelic.runs.opening import Session
from autotelic.systems.reinforcement.eepo.recipe import SampleThenForget


def eepo(**settings: Any) -> tuple[SampleThenForget, Session]:
    made = ready("eepo", **settings)
    assert isinstance(made.recipe, SampleThenForget)
    return made.recipe, made


def test_it_forgets_where_the_mean_entropy_of_the_last_rounds_is_below_the_threshold() -> None:
    recipe, made = eepo(entropy_below=0.3, window=3)
    found = [recipe.sure(made.ctx, entropy) for entropy in (0.5, 0.2, 0.1, 0.1, 0.9, 0.1)]
    assert found == [False, False, True, True, False, False]  # means .5, .35, .267, .133, .367, .367
    assert made.ctx.state["entropies"] == [0.1, 0.9, 0.1]
    assert [eepo(entropy_below=None)[0].sure(made.ctx, 9.0), eepo(entropy_below=0.0)[0].sure(made.ctx, 0.0)] == [True, False]


def test_the_gate_acts_in_a_round() -> None:
    for threshold, forgot in ((None, 1.0), (0.0, 0.0)):
        _, made = eepo(entropy_below=threshold)
        play_round(made)
        assert made.ctx.metrics["explore/forgot"] == forgot
        assert "explorer" not in made.ctx.policies


def test_the_step_that_unlearns_has_the_optimizer_of_the_recipe_at_a_rate_of_its_own() -> None:
    _, made = eepo(forget_rate=0.02, optimizer={"learning_rate": 3e-4, "betas": [0.8, 0.9], "clip_norm": 0.5, "warmup": 10, "weight_decay": 0.1})
    own = made.ctx.optimizers["explorer"]
    assert own == made.recipe.optimizer.model_copy(update={"learning_rate": 0.02, "warmup": 0})
    assert (own.betas, own.clip_norm, own.weight_decay) == ((0.8, 0.9), 0.5, 0.1)


def test_a_threshold_above_the_largest_entropy_is_refused() -> None:
    with pytest.raises(
        SettingError, match="entropy_below = 10: the entropy of 20 tokens is never above 3 nats, so that the threshold decides nothing"
    ):
        eepo(entropy_below=10)
    eepo(entropy_below=10, forget=False)
