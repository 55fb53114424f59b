"""One play of an environment: at each turn the role of the player who is to move is asked; what others see of the move is shown to
them; the outcome is the reward. One rollout per player. With one player it is how a task that opens an environment is attempted (`attempt`).

It neither chooses opponents (`episodes.opponents`) nor makes advantages of the rewards.
"""

import signal
import threading
from collections.abc import Callable, Sequence
from enum import StrEnum
from random import Random
from types import FrameType
from typing import Any, Protocol

from pydantic import Field

from autotelic.errors import AutotelicError, DataError, EpisodeError
from autotelic.policies.speaker import Speaker
from autotelic.rounds.roles import Role
from autotelic.types import Environment, Rollout, Settings, StopReason, Task, Turn, TurnKind, World

Seat = str | Callable[[Any, Random], str]
"""A player: the name of a role, or a scripted player that is given the environment and a generator."""
Begin = Callable[[int, str], Rollout]
"""The rollout of a seat's player, which is shown its first text."""
LONGEST = 100
"""Characters of a token, at most: a text with more than this for each token that there is room for is not tokenized at all."""
OPENING = "opening"
"""Under this key a rollout of an attempt has the first text that its player was shown."""


class Asker(Protocol):
    """What a play needs of the context."""

    def role(self, name: str) -> Role: ...
    def speaker(self, role: str) -> Speaker: ...
    def random(self, *parts: object) -> Random: ...
    def count(self, name: str, by: float = 1.0) -> None: ...
    def begin(self, role: str, task: Task) -> Rollout: ...
    def opened(self, role: str, task: Task, shown: str | None, index: int) -> Rollout: ...
    def observe(self, rollout: Rollout, shown: str | Sequence[int]) -> None: ...
    async def act(self, role: str, rollout: Rollout, **settings: Any) -> Turn: ...


class Ending(StrEnum):
    """Why a play ended."""

    FINISHED = "finished"
    """By the rules of the game."""
    ILLEGAL = "illegal"
    """A player made a move that is not legal, or none that its role's parser could read."""
    NO_ROOM = "no_room"
    """A player's context is full, or has no room for what is to be shown."""
    TOO_LONG = "too_long"
    """More turns than the rules allow."""
    OVER = "over"
    """Before the first move."""
    RAISED = "raised"
    """The environment raised an error, or showed what is no text that the player can read."""
    TIMED_OUT = "timed_out"
    """The environment took longer than the rules allow."""

    @property
    def failed(self) -> bool:
        """Whether it was the environment that failed, so that nothing is to be learned from the play."""
        return self in (Ending.OVER, Ending.RAISED, Ending.TIMED_OUT)


class Rules(Settings):
    """What the outcome is worth where the game does not say. Penalties as in SPIRAL (arXiv:2506.24119); other endings are worth 0 to everyone."""

    illegal: float = Field(-1.5, ge=-10.0, le=10.0)
    """The reward of the player who makes an illegal move."""
    others: float = Field(0.5, ge=-10.0, le=10.0)
    """The reward of every other player then."""
    turns: int = Field(100, ge=1)
    """The most turns of a play."""
    seconds: float = Field(10.0, gt=0.0)
    """The most that an environment may take to answer one call."""


ALONE = Rules(illegal=0.0, others=0.0)
"""For one player: who makes an illegal move wins nothing."""


class Fault(EpisodeError):
    """What an environment did instead of answering."""

    ending = Ending.RAISED


class Late(Fault):
    """It did not answer in time."""

    ending = Ending.TIMED_OUT


class Full(Fault):
    """Its first text is longer than the player's context."""

    ending = Ending.NO_ROOM


async def self_play(
    ctx: Asker, task: Task, index: int, env: Environment, seats: Sequence[Seat], rules: Rules, begin: Begin | None = None, **settings: Any
) -> list[Rollout]:
    """Play `env` from `task.hidden["seed"]`; the rollouts of the roles' players that came to move, by seat.

    A rollout holds what its player was shown and its own moves. Its rewards are "outcome", or "illegal" where the play ended by an illegal move; its
    keys are game, seat, ending, outcome (the environment's word), moves (which turns of the play its actions are, from 1) and offender (the seat that made
    the illegal move, or None). `ctx.count` counts plays, turns and endings under games/. `begin` opens a seat's rollout otherwise than as a task of its
    own, and `settings` override the sampling of moves.

    Raises:
        Fault: the environment raised an error, or took too long.
    """
    with _guarded(env.name, rules.seconds):
        env.reset(task.hidden["seed"])
        player = env.to_move
    rollouts: dict[int, Rollout] = {}
    ending, turns = Ending.OVER if player is None else Ending.FINISHED, 0
    while player is not None and ending is Ending.FINISHED:
        if turns == rules.turns:
            ending = Ending.TOO_LONG
            break
        turns += 1
        move: str | None = None
        if callable(speaker := seats[player]):
            with _guarded(env.name, rules.seconds):
                move = speaker(env, ctx.random("scripted", task.id, index, turns))
        else:
            shown = _shown(env, player, rules)
            if player not in rollouts:
                rollouts[player] = begin(player, shown) if begin else _begun(ctx, speaker, task, index, env, player, shown)
                shown = ""
            move, ending = await _asked(ctx, env, speaker, rollouts[player], shown, turns, settings)
        if ending is Ending.FINISHED:
            with _guarded(env.name, rules.seconds):
                legal = move is not None and env.step(move)
                player = env.to_move if legal else player
            ending = Ending.FINISHED if legal else Ending.ILLEGAL
    _reward(env, rollouts, ending, player, rules)
    for name, by in (("plays", 1), ("turns", turns), (ending.value, 1)):
        ctx.count(f"games/{name}", by)
    return [rollouts[seat] for seat in sorted(rollouts)]


def _shown(env: Environment, player: int, rules: Rules) -> str:
    """What an environment shows a player."""
    with _guarded(env.name, rules.seconds):
        shown = env.observe(player)
        if not isinstance(shown, str):
            raise TypeError(f"an observation is no text: {type(shown).__name__}")
    return shown


def _begun(ctx: Asker, role: str, task: Task, index: int, env: Environment, player: int, shown: str) -> Rollout:
    """The rollout of a player of a game: what it is shown first is a task of its own."""
    rollout = ctx.begin(role, Task(f"{task.id}/{index}/{player}", shown, tags={**task.tags, "parents": [task.id]}))
    rollout.keys |= {"game": env.name, "seat": player}
    return rollout


async def _asked(
    ctx: Asker, env: Environment, role: str, rollout: Rollout, shown: str, number: int, settings: dict[str, Any]
) -> tuple[str | None, Ending]:
    """A role's move, the play's `number`-th, None when it does not parse; and whether the play can go on."""
    if shown and not shows(ctx, env, rollout, shown):
        return None, Ending.NO_ROOM
    rollout.keys.setdefault("moves", []).append(number)
    turn = await ctx.act(role, rollout, **settings)
    no_room = not turn.tokens and turn.stop is StopReason.LENGTH
    return move_of(rollout, env), Ending.NO_ROOM if no_room else Ending.FINISHED


def move_of(rollout: Rollout, env: Environment) -> str | None:
    """The move that a player just made: what its role's parser reads in a game, and the text itself where there is one player, whose last move alone
    need hold an answer. None where it was cut off."""
    return rollout.answer if env.players > 1 else None if rollout.truncated else rollout.text.strip()


def shows(ctx: Asker, env: Environment, rollout: Rollout, shown: str) -> bool:
    """Show a player a text, if its context has room for it.

    Raises:
        Fault: the player cannot read it.
    """
    room = ctx.speaker(rollout.role).context - len(rollout.tokens)
    if len(shown) <= LONGEST * room:
        try:
            ctx.observe(rollout, shown)
        except DataError as error:
            raise Fault(f"{env.name}: {error}") from error
        if len(rollout.turns[-1].tokens) < room:
            return True
        rollout.turns.pop()
    ctx.count("rollouts/no_room")
    return False


def _reward(env: Environment, rollouts: dict[int, Rollout], ending: Ending, last: int | None, rules: Rules) -> None:
    """Write rewards and keys; `last` is the player whose turn it was when the play ended otherwise than by its rules."""
    won, word = [0.0] * env.players, ending.value
    if ending is Ending.FINISHED:
        with _guarded(env.name, rules.seconds):
            won, word = env.rewards(), env.outcome
    illegal = ending is Ending.ILLEGAL
    for seat, rollout in rollouts.items():
        if illegal:
            rollout.rewards["illegal"] = rules.illegal if seat == last else rules.others
        else:
            rollout.rewards["outcome"] = float(won[seat])
        rollout.keys |= {"ending": ending.value, "outcome": word, "offender": last if illegal else None}


def environment(world: World, task: Task) -> Environment | None:
    """The environment that a task opens to one player; None where the task is put to a model as it is."""
    opens: Callable[[Task], Environment] | None = getattr(world, "open", None)
    try:
        env = opens(task) if opens is not None else None
    except DataError:  # not a task of this world
        return None
    return env if env is not None and env.players == 1 else None


def opening(env: Environment, task: Task, rules: Rules = ALONE) -> Task:
    """The task as the environment's one player is shown it.

    Raises:
        Fault: the environment raised an error, took too long, or was over at once.
    """
    with _guarded(env.name, rules.seconds):
        env.reset(task.hidden["seed"])
        over = env.to_move is None
    if not over:
        return task.changed(prompt=_shown(env, 0, rules))
    raise Fault(f"{env.name}: it is over before the first move")


async def attempt(ctx: Asker, env: Environment, role: str, task: Task, index: int, rollout: Rollout | None = None, **settings: Any) -> Rollout:
    """Play `env`, whose one player is `role`: the rollout of that play, or `rollout` with the play behind what it holds.

    Its `text` is all moves, one a line, and its `answer` what the role's parser finds in them; None unless the play ended by its rules. Its keys are those
    of `self_play`, but for `env`, the environment's name, `won`, its reward, and `opening`, its first text, in the place of game, seat, moves and rewards.
    A play whose environment failed has an ending that says how, no text, and is not trained on.
    """
    found = rollout

    def begin(player: int, shown: str) -> Rollout:
        nonlocal found
        found = found or ctx.opened(role, task, shown, index)
        return found

    before = len(rollout.turns) if rollout else 0
    ending, told = Ending.OVER, ""
    try:
        await self_play(ctx, task, index, env, [role], ALONE, begin, **settings)
    except Fault as fault:
        ending, told = fault.ending, str(fault)
        ctx.count(f"games/{ending.value}")
    found = found or ctx.opened(role, task, None, index)
    won = [found.rewards.pop(name) for name in ("outcome", "illegal") if name in found.rewards]
    if won:
        ending, told = Ending(found.keys["ending"]), found.keys["outcome"]
    for name in ("moves", "offender"):
        found.keys.pop(name, None)
    found.keys |= {"env": env.name, "ending": ending.value, "outcome": told, "won": sum(won)}
    found.text = "" if ending.failed else "\n".join(turn.text.strip() for turn in found.turns[before:] if turn.kind is TurnKind.ACTION)
    found.answer = ctx.role(role).parse(found.text) if ending is Ending.FINISHED else None
    found.trained = found.trained and not ending.failed
    return found


class _Alarm(BaseException):
    """Raised in the middle of an environment that takes too long; no `except Exception` in it holds that back."""


class _guarded:
    """A context: whatever an environment or a scripted player raises inside ends this play only, and so does one that takes too long, where a process has
    alarms and this is its main thread. Entered twice a turn, so not made by contextlib."""

    def __init__(self, name: str, seconds: float) -> None:
        self.name, self.seconds = name, seconds
        self.timed = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()

    def __enter__(self) -> None:
        if self.timed:
            self.handler = signal.signal(signal.SIGALRM, self._late)
            self.timer = signal.setitimer(signal.ITIMER_REAL, self.seconds, 1.0)

    def _late(self, number: int, frame: FrameType | None) -> None:
        raise _Alarm

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if self.timed:
            signal.setitimer(signal.ITIMER_REAL, *self.timer)
            signal.signal(signal.SIGALRM, self.handler)
        if isinstance(error, _Alarm):
            raise Late(f"{self.name}: no answer in {self.seconds:g} seconds") from None
        # Environments of other libraries raise what they please.
        if isinstance(error, Exception) and not isinstance(error, AutotelicError):
            raise Fault(f"{self.name}: {type(error).__name__}: {error}") from error
