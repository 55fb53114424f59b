"""SPIRAL: its advantage with golden numbers, what it trains on, its probe, and what merging equal plays leaves unchanged."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small import small

from autotelic.bases.places import shipped
from autotelic.errors import SettingError
from autotelic.learning.examples import merged, written
from autotelic.learning.learner import Learner, Optimizer
from autotelic.learning.objectives import PolicyGradient
from autotelic.policies.policy import Policy
from autotelic.runs import loop
from autotelic.runs.opening import plan
from autotelic.runs.progress import Progress
from autotelic.systems.self_play.spiral.recipe import Spiral
from autotelic.types import Example, Rollout, Task

TASK = Task("kuhn-1", "kuhn 1")


class State:
    """As much of a context as `credit` looks at."""

    def __init__(self) -> None:
        self.state: dict[str, object] = {}


def rollout(seat: int, reward: float, game: str = "kuhn") -> Rollout:
    return Rollout("r", TASK, [], rewards={"outcome": reward}, keys={"game": game, "seat": seat})


def advantages(recipe: Spiral, rollouts: list[Rollout], ctx: State | None = None) -> list[float]:
    recipe.credit(ctx or State(), rollouts)  # type: ignore[arg-type]
    return [float(rollout.advantage) for rollout in rollouts]  # type: ignore[arg-type]


def test_role_conditioned_advantages_by_hand() -> None:
    """decay .95: baselines 0, .05, -.0025, .047625, each read before its update."""
    assert advantages(Spiral(), [rollout(0, r) for r in (1, -1, 1, 1)]) == pytest.approx([1, -1.05, 1.0025, 0.952375])


def test_seats_and_games_have_baselines_of_their_own() -> None:
    mixed = [rollout(0, 1), rollout(1, -1), rollout(0, -1), rollout(1, 1), rollout(0, 1, "tictactoe")]
    assert advantages(Spiral(), mixed) == pytest.approx([1, -1, -1.05, 1.05, 1])
    # One baseline for both seats: 0, .05, -.0025, -.052375.
    assert advantages(Spiral(baseline="game"), mixed) == pytest.approx([1, -1.05, -0.9975, 1.052375, 1])
    assert advantages(Spiral(baseline="none"), mixed) == [1, -1, -1, 1, 1]


def test_baselines_by_what_a_player_was_first_shown() -> None:
    jack, king = Task("a", "k0J:"), Task("b", "k0K:")
    own = [replace(rollout(0, reward), task=task) for task, reward in ((jack, -1), (king, 1), (jack, -1), (king, 1))]
    assert advantages(Spiral(baseline="shown"), own) == pytest.approx([-1, 1, -0.95, 0.95])


def test_baselines_go_on_where_they_were() -> None:
    ctx = State()
    whole = advantages(Spiral(), [rollout(0, r) for r in (1, -1, 1, 1)])
    parts = advantages(Spiral(), [rollout(0, r) for r in (1, -1)], ctx)
    ctx.state = json.loads(json.dumps(ctx.state))
    assert parts + advantages(Spiral(), [rollout(0, r) for r in (1, 1)], ctx) == whole


def test_the_rate_falls_linearly_to_its_last_round() -> None:
    recipe = Spiral(rounds=5, final_rate=0.0)
    assert [recipe.rate(number) for number in (1, 3, 5, 9)] == [1.0, 0.5, 0.0, 0.0]
    assert Spiral(rounds=5).rate(4) == 1.0


@pytest.mark.parametrize("aggregation", ["token", "sequence", "constant"])
def test_merging_equal_plays_leaves_the_update_as_it_was(policy: Callable[..., Policy], aggregation: str) -> None:
    rows: list[Example] = []
    for text, advantage in (("12", 1.0), ("12", -0.5), ("345", 0.25), ("12", 1.0), ("345", -1.0), ("6", 0.0)):
        made = policy().tokenizer.encode(text)
        item = written("r", [5, 6], made)
        rows.append(replace(item, advantage=[advantage * m for m in item.mask], old_logprobs=[-1.0] * len(item.tokens), version=None))
    objective = PolicyGradient(aggregation=aggregation, allow_off_policy=True, kl=0.1, kl_estimator="k2")
    rows = [replace(row, old_logprobs=None) for row in rows]
    few = merged(rows, "token" if aggregation == "token" else "sequence")
    assert len(few) == 3
    after = []
    for data in (rows, few):
        mine = policy()
        reference = mine.clone("reference")
        with torch.no_grad():
            for parameter in reference.model.parameters():
                parameter.mul_(1.01)
        learner = Learner(mine, Optimizer(learning_rate=1e-2, clip_norm=1e9), 0)
        metrics = learner.learn(data, objective, None, reference)
        after.append((metrics["grad_norm"], mine.snapshot()))
    assert after[0][0] == pytest.approx(after[1][0], rel=1e-4)


def test_games_are_refused_to_other_worlds() -> None:
    with pytest.raises(SettingError, match="games are played here, not tasks of 'chain'"):
        plan({**small("spiral"), "tasks": "chain", "model": "chain-medium"})


def run(tmp_path: Path, **more: object) -> list[dict[str, float]]:
    outcome = loop.start(small("spiral", rounds=3, probe_every=3, out=str(tmp_path / "run"), **more), Progress(quiet=True))
    lines = (outcome.folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["metrics"] for line in lines]


def test_a_run_on_all_three_games_with_opponents_and_a_reference(tmp_path: Path) -> None:
    rows = run(
        tmp_path,
        tasks="games",
        opponents={"share": 0.5, "every": 1, "most": 2, "choose": "rating"},
        refresh=1,
        drop_zero=False,
        objective={"kl": 0.2},
    )
    first, last = rows[0], rows[-1]
    assert 0.5 < first["probe/nashconv"] < 1.2, "a model that plays at random can be exploited"
    assert {
        "probe/value_first",
        "probe/gain",
        "probe/illegal/kuhn",
        "probe/accuracy/kuhn best response",
        "probe/accuracy/tictactoe perfect",
    } <= {name.removesuffix(" first").removesuffix(" second") for name in last}
    assert last["opponents/count"] == 2 and last["opponents/rating"] != 1000 and "kl" in last
    assert last["games/plays"] == 16 and last["games/turns"] > 16


def test_a_game_without_fixed_opponents_is_measured_against_the_first_weights(tmp_path: Path) -> None:
    from autotelic.worlds.games import GAMES
    from autotelic.worlds.games.kuhn import Kuhn

    class Mine(Kuhn):
        name = "mine"

    GAMES["mine"] = Mine
    try:
        rows = run(tmp_path, tasks="games?play=mine")
    finally:
        del GAMES["mine"]
    assert "probe/accuracy/mine first weights second" in rows[-1] and "probe/nashconv" not in rows[-1]


def trained(recipe: Spiral, rewards: list[float], baseline: float) -> list[float]:
    """The advantages of what is trained on of plays in one seat, whose baseline is known and stays."""
    ctx, rollouts = State(), [rollout(0, reward) for reward in rewards]
    ctx.state["baselines"] = {repr(("kuhn", 0)): baseline}
    recipe.credit(ctx, rollouts)  # type: ignore[arg-type]
    return [float(each.advantage) for each in rollouts if each.trained]  # type: ignore[arg-type]


def test_draws_are_trained_on_and_advantages_of_zero_are_not() -> None:
    still = Spiral(decay=1.0)
    assert trained(still, [0.0, 1.0, 0.5], 0.5) == [-0.5, 0.5], "the draw is worse than the baseline; what equals it is dropped"
    assert trained(still, [0.0, 1.0, -1.0], 0.0) == [1.0, -1.0]
    assert trained(Spiral(decay=1.0, drop_zero=False), [0.0, 0.5], 0.5) == [-0.5, 0.0]
    assert trained(Spiral(baseline="none"), [0.0, 1.0, -1.0], 0.0) == [1.0, -1.0], "without a baseline a draw is worth exactly 0"


def test_a_small_gain_is_learned_beside_a_large_one() -> None:
    """Two kinds of deal, met equally often: in one the right move wins 1, in the other .2, the other move 0. The update of the chance p of the right
    move is p (1 - p) (A(right) - A(other)), which must be positive for both, whatever the baseline that they share. With rewards of 0 left out, the
    second would be p (1 - p) (.2 - b) < 0 as soon as b > .2: it unlearned its right move."""
    for b in (0.1, 0.3, 0.6):
        for win in (1.0, 0.2):
            right, other = trained(Spiral(decay=1.0), [win, 0.0], b)
            assert right - other == pytest.approx(win)


def test_what_is_dropped_is_kept_for_the_record(tmp_path: Path) -> None:
    """Negotiations: what is dropped has no part in the update, but moved the baselines, and the store says that it was not trained on."""
    session = plan({**small("spiral", tasks="games?play=negotiation"), "model": str(shipped()["games"])})
    ctx = session.ctx
    learned = []
    ctx.learn = lambda policy, data, *rest: learned.append(list(data)) or {}  # type: ignore[method-assign, assignment, func-returns-value]
    for drop in (True, False):
        ctx.begin_round(1)
        ctx.state.clear()
        asyncio.run(Spiral(drop_zero=drop, baseline="none", tasks_per_round=48).round(ctx))
        rollouts = [rollout for group in ctx.groups for rollout in group]
        assert all(each.trained == (each.advantage != 0 or not drop) for each in rollouts)
    assert any(each.advantage == 0 for each in rollouts) and len(learned[0]) < len(learned[1])


def test_a_reference_that_is_renewed_needs_a_kl_term() -> None:
    with pytest.raises(SettingError, match=r"refresh renews the reference of the KL term, and objective\.kl is 0"):
        plan(small("spiral", refresh=5))
