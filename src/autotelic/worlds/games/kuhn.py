"""Kuhn poker (Kuhn 1950): three cards, one bet, 12 information sets, solved exactly. Moves: 'p' (check or fold), 'b' (bet or call).

Both players pay one chip and get one of the cards J < Q < K. An information set is a card and the moves so far, such as 'Kpb'; a strategy gives the
probability of 'b' in each. Chips here are whole; the rewards of a play are chips / 2, which lie in [-1, 1].
"""

import random
from collections.abc import Mapping
from itertools import permutations

from autotelic.worlds.games.base import Game, Moves

CARDS = "JQK"
DEALS = tuple("".join(pair) for pair in permutations(CARDS, 2))
"""Card of player 0, card of player 1; all equally likely."""
SETS = tuple(card + moves for moves in ("", "p", "b", "pb") for card in CARDS)
"""Player 0 acts after no moves and after 'pb', player 1 after 'p' and 'b'."""
VALUE = -1 / 18
"""Chips per play that player 0 gets when both play an equilibrium."""

Strategy = Mapping[str, float]
"""The probability of 'b' by information set."""


class Kuhn(Game[str]):
    """An `Environment`. The first text is such as 'k1Qb:': seat 1 holds the queen and faces a bet."""

    name = "kuhn"
    sign = "k"

    def draw(self, rng: random.Random) -> str:
        return rng.choice(DEALS)

    def private(self, deal: str, player: int) -> str:
        return deal[player]

    def mover(self, moves: Moves) -> int | None:
        return None if over(moves) else len(moves) % 2

    def legal(self, deal: str, moves: Moves) -> list[str]:
        return [] if over(moves) else ["p", "b"]

    def payoffs(self, deal: str, moves: Moves) -> list[float]:
        won = chips(deal, "".join(moves)) / 2
        return [won, -won]

    @property
    def outcome(self) -> str:
        return {"": "not over", "pp": "showdown", "bb": "called", "pbb": "called"}.get("".join(self.moves), "folded")


def over(moves: Moves) -> bool:
    """Whether these moves end a play: two passes, or anything after a bet."""
    return "".join(moves) in ("pp", "bp", "bb", "pbp", "pbb")


def chips(deal: str, moves: str) -> int:
    """What player 0 wins in a play that is over; player 1 loses it."""
    if moves in ("bp", "pbp"):
        return 1 if moves == "bp" else -1
    return (1 if CARDS.index(deal[0]) > CARDS.index(deal[1]) else -1) * (1 if moves == "pp" else 2)


def value(first: Strategy, second: Strategy) -> float:
    """Expected chips of player 0, who plays `first`, against `second`."""

    def walk(deal: str, moves: str) -> float:
        if over(moves):
            return chips(deal, moves)
        player = len(moves) % 2
        bet = (first, second)[player][deal[player] + moves]
        return bet * walk(deal, moves + "b") + (1 - bet) * walk(deal, moves + "p")

    return sum(walk(deal, "") for deal in DEALS) / len(DEALS)


def best_response(strategy: Strategy, seat: int) -> tuple[float, dict[str, float]]:
    """Expected chips of the best reply from `seat` against `strategy` in the other seat, and the reply: 1.0 or 0.0 by information set."""
    reply: dict[str, float] = {}

    def walk(card: str, moves: str, reach: dict[str, float]) -> float:
        """Chips won from here on, summed over the other's cards, each weighted with its chance to be here."""
        if over(moves):
            return sum(weight * (1 - 2 * seat) * chips(card + other if seat == 0 else other + card, moves) for other, weight in reach.items())
        if len(moves) % 2 == seat:
            bet, check = walk(card, moves + "b", reach), walk(card, moves + "p", reach)
            reply[card + moves] = float(bet > check)
            return max(bet, check)
        bets = {other: weight * strategy[other + moves] for other, weight in reach.items()}
        checks = {other: weight - bets[other] for other, weight in reach.items()}
        return walk(card, moves + "b", bets) + walk(card, moves + "p", checks)

    won = sum(walk(card, "", {other: 1 / len(DEALS) for other in CARDS if other != card}) for card in CARDS)
    return won, reply


def nashconv(strategy: Strategy) -> float:
    """How many chips a play both best replies together gain over `strategy` in both seats: 0 exactly at an equilibrium. Exploitability is half of it."""
    return best_response(strategy, 0)[0] + best_response(strategy, 1)[0]


def equilibrium(alpha: float) -> dict[str, float]:
    """The equilibrium in which player 0 bets the jack with probability alpha, from 0 to 1/3; these are all there are for player 0."""
    return {
        "J": alpha, "Q": 0.0, "K": 3 * alpha, "Jp": 1 / 3, "Qp": 0.0, "Kp": 1.0,
        "Jb": 0.0, "Qb": 1 / 3, "Kb": 1.0, "Jpb": 0.0, "Qpb": alpha + 1 / 3, "Kpb": 1.0,
    }  # fmt: skip


def play_as(strategy: Strategy, game: Game[str], rng: random.Random) -> str:
    """A move of the player to move, by a strategy; looks at that player's card alone."""
    player = len(game.moves) % 2
    return "b" if rng.random() < strategy[game.deal[player] + "".join(game.moves)] else "p"
