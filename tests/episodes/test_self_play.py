"""Plays of environments by roles and scripted players, and the pool of opponents: what is shown, what is rewarded, what is counted."""

import asyncio
import json
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from autotelic.episodes.opponents import START, OpponentPool, PoolSettings, expected
from autotelic.episodes.yardsticks import choices, kuhn_strategy, negotiator, probe_games
from autotelic.learning.learner import Optimizer
from autotelic.policies.policy import Policy
from autotelic.policies.tokenizer import character_tokenizer
from autotelic.rounds.context import Context
from autotelic.rounds.playing import Rules, Seat, self_play
from autotelic.rounds.roles import Role
from autotelic.tasks.pool import TaskPool
from autotelic.types import Rollout, Sampling, Turn, TurnKind
from autotelic.worlds.games import Games, kuhn, negotiation, open_game
from autotelic.worlds.games.tictactoe import TicTacToe, perfect_player

Make = Callable[..., Policy]
WORLD = Games(play="kuhn+tictactoe+negotiation")
TOKENIZER = character_tokenizer(Games.alphabet, 96)
SIZE = len(TOKENIZER.inner)


class Told(Context):
    """A context whose roles say what they are told, in order, by the prompt of their rollout; without an entry they sample."""

    told: dict[str, list[str]]

    async def act(self, role: str, rollout: Rollout, **settings: Any) -> Turn:
        said = self.told.get(self.policies["solver"].tokenizer.decode(rollout.turns[0].tokens))
        if not said:
            return await super().act(role, rollout, **settings)
        tokens = [*TOKENIZER.encode(said.pop(0)), TOKENIZER.end_id]
        rollout.turns.append(Turn(TurnKind.ACTION, tokens, [0.0] * len(tokens), role, "solver", 0, text=TOKENIZER.decode(tokens)))
        rollout.text, rollout.answer = rollout.turns[-1].text, self.role(role).parse(rollout.turns[-1].text)
        return rollout.turns[-1]


def context(policy: Policy, told: dict[str, list[str]] | None = None, kind: type[Told] = Told) -> Told:
    policy.tokenizer = TOKENIZER
    ctx = kind(
        world=WORLD, pool=TaskPool([], 0), policies={"solver": policy}, roles={"solver": Role("solver", "solver", Sampling(max_tokens=6), WORLD.parse)},
        seed=0, optimizer=Optimizer(),
    )  # fmt: skip
    ctx.told = told or {}
    ctx.begin_round(1)
    return ctx


def play(ctx: Context, env: Any, seats: Sequence[Seat], rules: Rules | None = None, seed: int = 0) -> list[Rollout]:
    task = WORLD.task(f"kuhn {seed}")

    async def episode(ctx: Context, task: Any, index: int) -> list[Rollout]:
        return await self_play(ctx, task, index, env, seats, rules or Rules())

    return asyncio.run(ctx.play(episode, [task]))[0].rollouts


def deal(cards: str) -> int:
    """A seed of Kuhn poker that deals these cards."""
    for seed in range(100):
        game = kuhn.Kuhn()
        game.reset(seed)
        if game.deal == cards:
            return seed
    raise AssertionError


def test_a_play_of_kuhn_is_one_rollout_a_player_with_what_it_was_shown(policy: Make) -> None:
    ctx = context(policy(vocab_size=SIZE), {"k0J:": ["p", "p"], "k1Qp:": ["b"]})
    first, second = play(ctx, kuhn.Kuhn(), ["solver", "solver"], seed=deal("JQ"))
    decode = TOKENIZER.decode
    assert [(turn.kind, decode(turn.tokens)) for turn in first.turns] == [
        (TurnKind.PROMPT, "k0J:"), (TurnKind.ACTION, "p"), (TurnKind.OBSERVATION, "b:"), (TurnKind.ACTION, "p")
    ]  # fmt: skip
    assert [decode(turn.tokens) for turn in second.turns] == ["k1Qp:", "b"]
    assert "Q" not in decode(first.tokens) and "J" not in decode(second.tokens)
    assert first.rewards == {"outcome": -0.5} and second.rewards == {"outcome": 0.5}
    assert first.keys["game"] == "kuhn" and (first.keys["seat"], second.keys["seat"]) == (0, 1)
    assert first.keys["ending"] == "finished" and first.keys["outcome"] == "folded" and first.keys["offender"] is None
    assert ctx.metrics == {"games/plays": 1, "games/turns": 3, "games/finished": 1}


@pytest.mark.parametrize(("told", "offender"), [({"k0K:": ["x"]}, 0), ({"k0K:": ["p"], "k1Qp:": ["bb"]}, 1), ({"k0K:": [" "]}, 0)])
def test_an_illegal_move_of_either_player_costs_that_player(policy: Make, told: dict[str, list[str]], offender: int) -> None:
    """' ' does not parse, which is as illegal. A player that never came to move has no rollout."""
    ctx = context(policy(vocab_size=SIZE), told)
    rollouts = play(ctx, kuhn.Kuhn(), ["solver", "solver"], seed=deal("KQ"))
    rewards = {rollout.keys["seat"]: rollout.rewards for rollout in rollouts}
    assert rewards == ({0: {"illegal": -1.5}} if offender == 0 else {0: {"illegal": 0.5}, 1: {"illegal": -1.5}})
    assert all(rollout.keys["ending"] == "illegal" and rollout.keys["offender"] == offender for rollout in rollouts)
    assert ctx.metrics["games/illegal"] == 1 and "games/finished" not in ctx.metrics


class Broken(TicTacToe):
    """Raises where it is told to."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where = where

    def __getattribute__(self, name: str) -> Any:
        if name != "where" and name == object.__getattribute__(self, "__dict__").get("where"):
            raise RuntimeError("the environment broke")
        return super().__getattribute__(name)


@pytest.mark.parametrize("where", ["reset", "to_move", "observe", "step", "rewards", "outcome"])
def test_an_environment_that_raises_is_a_counted_failure(policy: Make, where: str) -> None:
    ctx = context(policy(vocab_size=SIZE), {"t0:": ["1", "2", "3"], "t11:": ["4", "5"]})
    assert play(ctx, Broken(where), ["solver", "solver"]) == []
    assert ctx.metrics["episodes/failed"] == 1 and not ctx.groups


def test_a_scripted_player_that_raises_is_one_too(policy: Make) -> None:
    ctx = context(policy(vocab_size=SIZE), {})

    def broken(env: Any, random: random.Random) -> str:
        raise ZeroDivisionError

    assert play(ctx, kuhn.Kuhn(), [broken, "solver"]) == []
    assert ctx.metrics["episodes/failed"] == 1


def test_a_play_longer_than_the_context_ends_without_a_winner(policy: Make) -> None:
    ctx = context(policy(vocab_size=SIZE, context=9), {"t0:": ["1", "2"], "t11:": ["4"]})
    rollouts = play(ctx, TicTacToe(), ["solver", "solver"])
    assert ctx.metrics["rollouts/no_room"] == 1 and ctx.metrics["games/no_room"] == 1 and "games/finished" not in ctx.metrics
    assert [rollout.rewards for rollout in rollouts] == [{"outcome": 0.0}, {"outcome": 0.0}]
    assert all(rollout.keys["ending"] == "no_room" for rollout in rollouts)


def test_a_play_with_more_turns_than_allowed_ends_without_a_winner(policy: Make) -> None:
    ctx = context(policy(vocab_size=SIZE), {"t0:": ["1", "2"], "t11:": ["4", "5"]})
    rollouts = play(ctx, TicTacToe(), ["solver", "solver"], Rules(turns=3))
    assert [rollout.rewards for rollout in rollouts] == [{"outcome": 0.0}, {"outcome": 0.0}]
    assert ctx.metrics["games/too_long"] == 1 and ctx.metrics["games/turns"] == 3


def test_textarena_in_an_episode(policy: Make) -> None:
    """Scripted moves by its own rules to the end; and a policy that knows nothing of its format makes an illegal move at once."""
    pytest.importorskip("textarena")
    tokenizer = character_tokenizer("".join(map(chr, range(32, 127))) + "\n", 2048)
    ctx = context(policy(vocab_size=len(tokenizer.inner), context=2048))
    ctx.policies["solver"].tokenizer = tokenizer

    def line(moves: list[str]) -> Seat:
        return lambda env, random: moves.pop(0)

    env = open_game("textarena:TicTacToe-v0")
    assert play(ctx, env, [line(["[0]", "[1]", "[2]"]), line(["[3]", "[4]"])]) == [] and env.rewards() == [1.0, -1.0]
    rollouts = play(ctx, open_game("textarena:KuhnPoker-v0"), ["solver", "solver"])
    assert len(rollouts) == 1 and rollouts[0].rewards == {"illegal": -1.5} and rollouts[0].keys["game"] == "textarena:KuhnPoker-v0"
    assert "Kuhn Poker" in tokenizer.decode(rollouts[0].turns[0].tokens)


def test_probabilities_of_moves_are_those_of_sampling(policy: Make) -> None:
    """A move's probability, multiplied out by hand from the next-token distribution: its character, then the end token."""
    ctx = context(policy(vocab_size=SIZE))
    game = kuhn.Kuhn()
    game.deal, game.moves = "KQ", ["p", "b"]
    (found,), illegal = choices(ctx, "solver", [game.decision()])
    prompt = [*TOKENIZER.encode_prompt("k0K:p"), TOKENIZER.end_id, *TOKENIZER.encode("b:")]
    raw = {}
    for move in "pb":
        (token,) = TOKENIZER.encode(move)
        now, then = ctx.policies["solver"].next_logprobs([prompt, [*prompt, token]])
        raw[move] = float((now[token] + then[TOKENIZER.end_id]).exp())
    assert illegal == pytest.approx(1 - sum(raw.values()), abs=1e-6)
    assert found == pytest.approx({move: chance / sum(raw.values()) for move, chance in raw.items()}, rel=1e-4)
    strategy, _ = kuhn_strategy(ctx, "solver")
    assert strategy.keys() == set(kuhn.SETS) and strategy["Kpb"] == pytest.approx(found["b"], rel=1e-4)
    plan, _ = negotiator(ctx, "solver")
    assert len(plan) == 100 and all(sum(choice.values()) == pytest.approx(1) for choice in plan.values())
    assert -1 < negotiation.expected_gain(plan, 0) < negotiation.best_gain(0)


class Perfect(Told):
    """A context whose solver plays tic-tac-toe perfectly, from what it was shown and has said."""

    async def act(self, role: str, rollout: Rollout, **settings: Any) -> Turn:
        said = [TOKENIZER.decode(turn.tokens) for turn in rollout.turns]
        game = TicTacToe()
        game.moves = [c for text in (said[0][2:], *said[1:]) for c in text if c.isdigit()]
        tokens = [*TOKENIZER.encode(perfect_player(game, random.Random(rollout.id))), TOKENIZER.end_id]
        rollout.turns.append(Turn(TurnKind.ACTION, tokens, [0.0] * len(tokens), role, "solver", 0, text=TOKENIZER.decode(tokens)))
        rollout.answer = rollout.turns[-1].text
        return rollout.turns[-1]


def test_a_draw_is_the_most_against_a_perfect_player_and_half_of_it_against_others(policy: Make) -> None:
    ctx = context(policy(vocab_size=SIZE), kind=Perfect)
    tasks = [WORLD.task(f"tictactoe {seed}") for seed in range(8)]
    result = asyncio.run(probe_games(ctx, "solver", Games(play="tictactoe"), tasks))
    assert result.slices == [f"tictactoe {name} {seat}" for name in ("perfect", "random") for seat in ("first", "second")]
    assert result.accuracy("tictactoe perfect first") == result.accuracy("tictactoe perfect second") == 1.0
    scores = {o.correct for o in result.outcomes if "random" in o.slice}
    assert scores <= {0.5, 1.0} and 1.0 in scores
    ctx = context(policy(vocab_size=SIZE))
    ctx.told = {"t0:": ["x"] * 8}
    lost = asyncio.run(probe_games(ctx, "solver", Games(play="tictactoe"), tasks))
    assert lost.accuracy("tictactoe perfect first") == 0.0, "an illegal move is no draw"


# ---- opponents


def test_elo() -> None:
    assert expected(1000, 1000) == 0.5
    assert expected(1000, 1400) == pytest.approx(1 / 11)
    pool = OpponentPool(PoolSettings(step=10), {})
    pool.state["past"]["a"] = {"rating": START, "plays": 0, "born": 1}
    pool.record("a", 1.0)
    assert pool.state["current"] == START + 5 and pool.ratings == {"a": START - 5} and pool.state["past"]["a"]["plays"] == 1
    pool.record("unknown", 1.0)
    assert pool.state["current"] == START + 5


def test_checkpoints_are_kept_up_to_a_number_and_play_with_their_own_weights(policy: Make) -> None:
    ctx = context(policy(vocab_size=SIZE))
    pool = OpponentPool(PoolSettings(share=1.0, most=2), ctx.state)
    assert pool.pick(ctx, random.Random(0)) == "solver", "there is no past yet"
    names = [pool.add(ctx) for _ in range(3)]
    assert list(pool.ratings) == names[1:] and names[0] not in ctx.policies and set(names[1:]) < set(ctx.policies)
    picked = [pool.pick(ctx, random.Random(seed)) for seed in range(40)]
    assert set(picked) == set(names[1:])
    assert ctx.roles[names[2]].policy == names[2]
    assert json.loads(json.dumps(ctx.state)) == ctx.state


def test_by_rating_the_stronger_are_met_more_often(policy: Make) -> None:
    ctx = context(policy(vocab_size=SIZE))
    pool = OpponentPool(PoolSettings(share=1.0, choose="rating"), ctx.state)
    weak, strong = pool.add(ctx), pool.add(ctx)
    pool.state["past"][weak]["rating"], pool.state["past"][strong]["rating"] = START - 400, START + 400
    picked = [pool.pick(ctx, random.Random(seed)) for seed in range(400)]
    assert picked.count(strong) / 400 == pytest.approx(10 / 11, abs=0.04)


def test_a_checkpoint_that_is_gone_is_counted_and_the_current_weights_play(policy: Make) -> None:
    ctx = context(policy(vocab_size=SIZE))
    pool = OpponentPool(PoolSettings(share=1.0), ctx.state)
    name = pool.add(ctx)
    ctx.drop(name)
    assert pool.pick(ctx, random.Random(0)) == "solver"
    assert ctx.metrics == {"opponents/missing": 1} and not pool.ratings and name not in ctx.roles


def test_what_the_past_plays_is_rated_and_not_trained_on(policy: Make) -> None:
    ctx = context(policy(vocab_size=SIZE), {"k0K:": ["b"], "k1Qb:": ["b"]})
    pool = OpponentPool(PoolSettings(share=1.0, step=8), ctx.state)
    name = pool.add(ctx)
    ctx.roles[name] = Role(name, name, Sampling(max_tokens=6), WORLD.parse)
    rollouts = play(ctx, kuhn.Kuhn(), ["solver", name], seed=deal("KQ"))
    own = pool.settle(rollouts)
    assert [rollout.keys["seat"] for rollout in own] == [0] and own[0].trained
    assert not rollouts[1].trained and rollouts[1].keys["role"] == "opponent" and rollouts[1].keys["opponent"] == name
    assert pool.state["current"] == START + 4
    ctx.told = {"k0K:": ["x"]}
    play(ctx, kuhn.Kuhn(), ["solver", name], seed=deal("KQ"))
    ctx.told = {"k0K:": ["p"], "k1Qp:": ["x"]}
    pool.settle(play(ctx, kuhn.Kuhn(), [name, "solver"], seed=deal("KQ")))
    assert pool.state["current"] < START + 4, "an illegal move loses"
