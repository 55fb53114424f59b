"""One play of an environment: at each turn the role of the player who is to move is asked; what others see of the move is shown to
them; the outcome is the reward. One rollout per player.

It neither chooses opponents (`episodes.opponents`) nor makes advantages of the rewards.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum
from random import Random
from typing import TYPE_CHECKING, Any

from pydantic import Field

from autotelic.errors import AutotelicError, EpisodeError
from autotelic.types import Environment, Rollout, Settings, StopReason, Task

if TYPE_CHECKING:
    from autotelic.rounds.context import Context

Seat = str | Callable[[Any, Random], str]
"""A player: the name of a role, or a scripted player that is given the environment and a generator."""


class Ending(StrEnum):
    """Why a play ended."""

    FINISHED = "finished"
    """By the rules of the game."""
    ILLEGAL = "illegal"
    """A player made a move that is not legal, or none that its role's parser could read."""
    NO_ROOM = "no_room"
    """A player's context is full."""
    TOO_LONG = "too_long"
    """More turns than the rules allow."""


class Rules(Settings):
    """What the outcome is worth where the game does not say. Penalties as in SPIRAL (arXiv:2506.24119); other endings are worth 0 to everyone."""

    illegal: float = Field(-1.5, ge=-10.0, le=10.0)
    """The reward of the player who makes an illegal move."""
    others: float = Field(0.5, ge=-10.0, le=10.0)
    """The reward of every other player then."""
    turns: int = Field(100, ge=1)
    """The most turns of a play."""


async def self_play(ctx: "Context", task: Task, index: int, env: Environment, seats: Sequence[Seat], rules: Rules) -> list[Rollout]:
    """Play `env` from `task.hidden["seed"]`; the rollouts of the roles' players that came to move, by seat.

    A rollout holds what its player was shown and its own moves. Its rewards are "outcome", or "illegal" where the play ended by an illegal move; its
    keys are game, seat, ending, outcome (the environment's word), moves (which turns of the play its actions are, from 1) and offender (the seat that made
    the illegal move, or None). `ctx.count` counts plays, turns and endings under games/.

    Raises:
        EpisodeError: the environment raised.
    """
    with _guarded(env.name):
        env.reset(task.hidden["seed"])
        player = env.to_move
    rollouts: dict[int, Rollout] = {}
    ending, turns = Ending.FINISHED, 0
    while player is not None and ending is Ending.FINISHED:
        if turns == rules.turns:
            ending = Ending.TOO_LONG
            break
        turns += 1
        move: str | None = None
        if callable(speaker := seats[player]):
            with _guarded(env.name):
                move = speaker(env, ctx.random("scripted", task.id, index, turns))
        else:
            move, ending = await _asked(ctx, task, index, env, player, speaker, turns, rollouts)
        if ending is Ending.FINISHED:
            with _guarded(env.name):
                legal = move is not None and env.step(move)
                player = env.to_move if legal else player
            ending = Ending.FINISHED if legal else Ending.ILLEGAL
    _reward(env, rollouts, ending, player, rules)
    for name, by in (("plays", 1), ("turns", turns), (ending.value, 1)):
        ctx.count(f"games/{name}", by)
    return [rollouts[seat] for seat in sorted(rollouts)]


async def _asked(
    ctx: "Context", task: Task, index: int, env: Environment, player: int, role: str, number: int, rollouts: dict[int, Rollout]
) -> tuple[str | None, Ending]:
    """A role's move, the play's `number`-th, None when it does not parse; and whether the play can go on."""
    with _guarded(env.name):
        shown = env.observe(player)
    if player not in rollouts:
        own = Task(f"{task.id}/{index}/{player}", shown, tags={**task.tags, "parents": [task.id]})
        rollouts[player] = ctx.begin(role, own)
        rollouts[player].keys |= {"game": env.name, "seat": player}
    else:
        ctx.observe(rollouts[player], shown)
    rollouts[player].keys.setdefault("moves", []).append(number)
    turn = await ctx.act(role, rollouts[player])
    no_room = not turn.tokens and turn.stop is StopReason.LENGTH
    return rollouts[player].answer, Ending.NO_ROOM if no_room else Ending.FINISHED


def _reward(env: Environment, rollouts: dict[int, Rollout], ending: Ending, last: int | None, rules: Rules) -> None:
    """Write rewards and keys; `last` is the player whose turn it was when the play ended otherwise than by its rules."""
    won, word = [0.0] * env.players, ending.value
    if ending is Ending.FINISHED:
        with _guarded(env.name):
            won, word = env.rewards(), env.outcome
    illegal = ending is Ending.ILLEGAL
    for seat, rollout in rollouts.items():
        if illegal:
            rollout.rewards["illegal"] = rules.illegal if seat == last else rules.others
        else:
            rollout.rewards["outcome"] = float(won[seat])
        rollout.keys |= {"ending": ending.value, "outcome": word, "offender": last if illegal else None}


class _guarded:
    """A context: whatever an environment or a scripted player raises inside ends this play only. Entered twice a turn, so not made by contextlib."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        # Environments of other libraries raise what they please.
        if isinstance(error, Exception) and not isinstance(error, AutotelicError):
            raise EpisodeError(f"{self.name}: {type(error).__name__}: {error}") from error
