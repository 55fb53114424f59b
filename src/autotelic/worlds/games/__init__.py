"""Games by name, the fixed opponents they are measured against, and the world whose tasks are plays of them."""

import random
import string
from collections.abc import Callable
from typing import Any

from pydantic import field_validator

from autotelic.errors import DataError, SettingError, nearest
from autotelic.streams import key
from autotelic.types import Environment, Settings, Task
from autotelic.worlds.base import GeneratedWorld, Lesson, Longest
from autotelic.worlds.games.base import Game, random_player
from autotelic.worlds.games.kuhn import Kuhn
from autotelic.worlds.games.negotiation import OFFERS, Negotiation, fixed_player
from autotelic.worlds.games.textarena import TextArena
from autotelic.worlds.games.tictactoe import TicTacToe, perfect_player

__all__ = ["GAMES", "MOST", "OPPONENTS", "Games", "Scripted", "open_game"]

Scripted = Callable[[Any, random.Random], str]
"""A player that is no policy: the move of the player to move in an environment, which it may look into."""

GAMES: dict[str, Callable[[], Environment]] = {made.name: made for made in (Kuhn, TicTacToe, Negotiation)}
"""The games by name. Those of TextArena are called 'textarena:TicTacToe-v0' and need no entry."""
OPPONENTS: dict[str, dict[str, Scripted]] = {
    "tictactoe": {"perfect": perfect_player, "random": random_player},
    "negotiation": {"fixed": fixed_player},
}
"""Fixed opponents by game and name; Kuhn poker is measured exactly instead."""
MOST: dict[tuple[str, str], float] = {("tictactoe", "perfect"): 0.0}
"""The most that can be won from a fixed opponent, by game and name, where that is not 1."""
_TEXTARENA = "textarena:"


def open_game(name: str) -> Environment:
    """An environment by the name of its game. Raises SettingError for an unknown one, or a TextArena game where that is not installed."""
    if name.startswith(_TEXTARENA):
        return TextArena(name.removeprefix(_TEXTARENA))
    if name not in GAMES:
        raise SettingError(f"no game {name!r}: {nearest(name, [*GAMES, _TEXTARENA + 'NAME'])}")
    return GAMES[name]()


class GamesKnobs(Settings):
    """Which games."""

    play: str = "+".join(GAMES)
    """Names joined by '+'; every game is equally likely."""

    @field_validator("play")
    @classmethod
    def _known(cls, value: str) -> str:
        for name in value.split("+"):
            try:
                open_game(name)
            except SettingError as error:
                raise ValueError(str(error)) from error
        return value


class Games(GeneratedWorld[GamesKnobs]):
    """Plays: a task names a game and a number that all chance in it follows from, such as 'kuhn 4711'. What players are shown is the environment's.

    A play has no right answer; as far as one is asked for, it is a legal first move.
    """

    name = "games"
    alphabet = string.ascii_lowercase + string.digits + "JQK :"
    settings = GamesKnobs

    @property
    def names(self) -> list[str]:
        """The games that are played."""
        return self.knobs.play.split("+")

    def draw(self, rng: random.Random, knobs: GamesKnobs) -> tuple[str, dict[str, Any]]:
        """A game and a number."""
        return f"{rng.choice(knobs.play.split('+'))} {rng.randrange(10**6)}", {}

    def task(self, prompt: str, tags: dict[str, Any] | None = None) -> Task:
        """The play of a prompt, without an answer; hidden: seed; tags: game."""
        game, _, number = prompt.rpartition(" ")
        if not game or not number.isdecimal():
            raise DataError(f"not a play: {prompt!r}")
        return Task(f"{game}-{number}", prompt, hidden={"seed": int(number)}, tags={"game": game, **(tags or {})})

    def open(self, task: Task) -> Environment:
        """The environment of a play, not begun yet. Raises DataError where the task is none."""
        if "game" not in task.tags:
            raise DataError(f"not a play: task {task.id!r}")
        return open_game(task.tags["game"])

    def lesson(self, task: Task, rng: random.Random) -> Lesson:
        """A turn from a play of random legal moves, and a legal move: enough to know the rules, and nothing about what is good."""
        play = self._begun(str(task.prompt))
        assert isinstance(play, Game)
        decisions = []
        while play.to_move is not None:
            decisions.append(play.decision())
            play.step(random_player(play, rng))
        turns, legal = rng.choice(decisions)
        return Lesson(turns, rng.choice(legal))

    def solve(self, prompt: str) -> str:
        """A legal first move; raises DataError where the game does not tell."""
        play = self._begun(prompt)
        if not isinstance(play, Game):
            raise DataError(f"{play.name} does not tell its legal moves")
        return random_player(play, random.Random(key(prompt)))

    def verify(self, task: Task, answer: str | None) -> float:
        """Whether a first move is legal."""
        return float(answer is not None and self._begun(str(task.prompt)).step(answer))

    def parse(self, text: str) -> str | None:
        """The text without space around it."""
        return text.strip() or None

    def bounds(self, knobs: GamesKnobs) -> Longest:
        """Of the task's own prompt, which no player is shown, and of a move in the games that come with the package."""
        return Longest(max(map(len, knobs.play.split("+"))) + 7, max(map(len, OFFERS)))

    def _begun(self, prompt: str) -> Environment:
        task = self.task(prompt)
        play = self.open(task)
        play.reset(task.hidden["seed"])
        return play
