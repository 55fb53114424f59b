"""A short negotiation with private valuations: each player holds two of good 'w' and two of good 'o', and values one of each at 1 to 5.

Player 0 offers or passes; player 1 accepts, declines or makes a counteroffer; player 0 accepts or declines that. '1w2o' offers one 'w' for two 'o';
'y' accepts, 'n' declines or passes. The reward of a player is the gain of its own holdings by its own values, over the largest gain there is. Both can
gain: unlike SimpleNegotiation of TextArena, where the larger gain wins and players who are right about each other never trade.
"""

import random
import re
from collections.abc import Iterable, Mapping
from itertools import product
from statistics import fmean

from autotelic.worlds.games.base import Game, Moves

GOODS = "wo"
HELD = 2
"""Of each good, at the start."""
Values = tuple[int, int]
VALUES: tuple[Values, ...] = tuple(product(range(1, 6), range(1, 6)))
"""What one 'w' and one 'o' are worth to a player; all equally likely."""
OFFERS = tuple(f"{give}{a}{take}{b}" for a, b in ("wo", "ow") for give in range(1, HELD + 1) for take in range(1, HELD + 1))
LARGEST = max(HELD * max(v) - min(v) for v in VALUES)
"""The largest gain there is: two of the good that is worth most, for one of the other."""
_OFFER = re.compile(r"([1-9])([wo])([1-9])([wo])")

MET: tuple[tuple[str, ...], ...] = ((), ("1w1o",), ("1o1w",), ("n",))
"""The moves after which a player can come to move against the fixed opponent."""
Strategy = Mapping[tuple[Values, tuple[str, ...]], Mapping[str, float]]
"""The probability of every legal move, by own values and the moves so far, of which those in `MET` matter."""


class Negotiation(Game[tuple[Values, Values]]):
    """An `Environment`. The first text is such as 'n115' + '1w1o:': seat 1, to whom 'w' is worth 1 and 'o' 5, is offered one 'w' for one 'o'."""

    name = "negotiation"
    sign = "n"

    def draw(self, rng: random.Random) -> tuple[Values, Values]:
        return rng.choice(VALUES), rng.choice(VALUES)

    def private(self, deal: tuple[Values, Values], player: int) -> str:
        return "".join(map(str, deal[player]))

    def mover(self, moves: Moves) -> int | None:
        done = len(moves) == 3 or (len(moves) == 2 and moves[1] not in OFFERS)
        return None if done else len(moves) % 2

    def legal(self, deal: tuple[Values, Values], moves: Moves) -> list[str]:
        if self.mover(moves) is None:
            return []
        accept = ["y"] if moves and moves[-1] in OFFERS else []
        return [*accept, "n", *(OFFERS if len(moves) < 2 else ())]

    def payoffs(self, deal: tuple[Values, Values], moves: Moves) -> list[float]:
        if moves[-1] != "y":
            return [0.0, 0.0]
        offerer = len(moves) % 2
        return [gain(values, moves[-2], player == offerer) / LARGEST for player, values in enumerate(deal)]

    @property
    def outcome(self) -> str:
        return "not over" if self.to_move is not None else "deal" if self.moves[-1] == "y" else "no deal"


def gain(values: Values, offer: str, offers: bool) -> int:
    """What a player's holdings gain by its values when an offer is accepted that it `offers`, or that it is offered."""
    give, a, take, b = _OFFER.fullmatch(offer).groups()  # type: ignore[union-attr]
    won = int(take) * values[GOODS.index(b)] - int(give) * values[GOODS.index(a)]
    return won if offers else -won


def fixed(values: Values, moves: Moves) -> str:
    """The fixed opponent: accepts what gains it something, offers one of the good it values less for one of the other, makes no counteroffers."""
    if moves and moves[-1] in OFFERS:
        return "y" if gain(values, moves[-1], offers=False) > 0 else "n"
    if moves or values[0] == values[1]:
        return "n"
    return "1w1o" if values[0] < values[1] else "1o1w"


def fixed_player(game: Game[tuple[Values, Values]], rng: random.Random) -> str:
    """`fixed` for the player to move; looks at that player's values alone."""
    return fixed(game.deal[len(game.moves) % 2], game.moves)


def expected_gain(strategy: Strategy, seat: int) -> float:
    """The expected gain, in the player's own values, of a strategy against the fixed opponent, over all values of both."""
    return fmean(_gained(strategy, seat, own, other) for own in VALUES for other in VALUES)


def _gained(strategy: Strategy, seat: int, own: Values, other: Values) -> float:
    opening: tuple[str, ...] = (fixed(other, ()),) if seat else ()
    total = 0.0
    for move, chance in strategy[own, opening].items():
        if move == "y":
            total += chance * gain(own, opening[0], offers=False)
        elif move != "n" and fixed(other, (*opening, move)) == "y":
            total += chance * gain(own, move, offers=True)
    return total


def best_gain(seat: int) -> float:
    """The expected gain of the best reply to the fixed opponent from a seat, which knows its own values and the offer but not the other's values."""
    return fmean(_best_offer(values, VALUES) if seat == 0 else _best_answer(values) for values in VALUES)


def _best_offer(values: Values, others: Iterable[Values]) -> float:
    """The largest expected gain of an offer, or of none, to a fixed opponent with one of these values."""
    others = list(others)
    return max(0.0, *(gain(values, offer, offers=True) * fmean(fixed(other, [offer]) == "y" for other in others) for offer in OFFERS))


def _best_answer(values: Values) -> float:
    """The same of the second player: accept, decline or make a counteroffer, after each thing that the opponent may open with."""
    total = 0.0
    for opening in {fixed(other, []) for other in VALUES}:
        others = [other for other in VALUES if fixed(other, []) == opening]
        accepted = gain(values, opening, offers=False) if opening in OFFERS else 0
        total += max(accepted, _best_offer(values, others)) * len(others) / len(VALUES)
    return total
