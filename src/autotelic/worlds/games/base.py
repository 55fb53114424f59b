"""What the games share: a play is a deal and a list of moves. Rules are functions of both, so that solvers can enumerate them.

Not a registry, and no `Environment` of other libraries. Everything is written in characters: a player is first shown the game's sign, its seat,
what is private to it and the moves so far, then a colon; later only the moves of the others since its own last one, and a colon.
"""

import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, NamedTuple, TypeVar

from autotelic.streams import generator

Deal = TypeVar("Deal")
Moves = Sequence[str]


class Decision(NamedTuple):
    """A player's turn as the player sees it."""

    turns: tuple[str, ...]
    """What it has read: the first text and later ones, each after the first behind one of its own moves, with which the text before ends."""
    legal: tuple[str, ...]


class Game(ABC, Generic[Deal]):
    """An `Environment` by its rules."""

    name: str
    sign: str
    """The character that opens every first observation."""
    players = 2

    def __init__(self) -> None:
        self.deal: Deal
        self.moves: list[str] = []
        self._shown: dict[int, int] = {}

    def reset(self, seed: int) -> None:
        """See `Environment`."""
        self.deal = self.draw(generator("deal", self.name, seed))
        self.moves, self._shown = [], {}

    @property
    def to_move(self) -> int | None:
        """See `Environment`."""
        return self.mover(self.moves)

    def observe(self, player: int) -> str:
        """See `Environment`."""
        since, self._shown[player] = self._shown.get(player), len(self.moves)
        if since is None:
            return f"{self.sign}{player}{self.private(self.deal, player)}{''.join(self.moves)}:"
        own = 1 if since < len(self.moves) and self.mover(self.moves[:since]) == player else 0
        return "".join(self.moves[since + own :]) + ":"

    def step(self, action: str) -> bool:
        """See `Environment`."""
        if action not in self.legal(self.deal, self.moves):
            return False
        self.moves.append(action)
        return True

    def rewards(self) -> list[float]:
        """See `Environment`."""
        return self.payoffs(self.deal, self.moves)

    def decision(self) -> Decision:
        """The turn of the player who is to move, all of it at once; leaves what was shown as it is."""
        player = self.to_move
        assert player is not None, "the play is over"
        twin = type(self)()
        twin.deal = self.deal
        turns: list[str] = []
        for move in (*self.moves, None):
            if twin.to_move == player:
                turns.append(twin.observe(player) + (move or ""))
            if move is not None:
                twin.moves.append(move)
        return Decision(tuple(turns), tuple(self.legal(self.deal, self.moves)))

    @abstractmethod
    def draw(self, rng: random.Random) -> Deal:
        """What chance decides before the first move."""

    @abstractmethod
    def private(self, deal: Deal, player: int) -> str:
        """What only this player is shown of a deal."""

    @abstractmethod
    def mover(self, moves: Moves) -> int | None:
        """Who is to move after these moves; None when the play is over."""

    @abstractmethod
    def legal(self, deal: Deal, moves: Moves) -> list[str]:
        """The legal moves; empty when the play is over."""

    @abstractmethod
    def payoffs(self, deal: Deal, moves: Moves) -> list[float]:
        """The rewards of a play that is over."""

    @property
    @abstractmethod
    def outcome(self) -> str:
        """See `Environment`."""


def random_player(game: Game[Deal], rng: random.Random) -> str:
    """A legal move, all equally likely."""
    return rng.choice(game.legal(game.deal, game.moves))
