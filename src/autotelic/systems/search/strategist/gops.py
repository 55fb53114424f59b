"""GOPS, the game of pure strategy, small enough to be solved against any opponent; strategies are weights of what a bid wins and costs. No model plays it.

Both players hold the cards 1 to `CARDS`, and so does the pile of prizes. A prize is turned up at random, both bid a card at once, the higher card takes the
prize, and of equal cards nobody does. What counts is the difference of the prizes.
"""

import random
from collections.abc import Callable
from functools import cache
from statistics import fmean

CARDS = 5
Hand = tuple[int, ...]
Strategy = tuple[float, ...]
"""Weights of: the prize, if the card wins it; the card; the card times the prize; the highest card that is left."""
FEATURES = 4
DECK: Hand = tuple(range(1, CARDS + 1))
Bid = Callable[[Hand, Hand, int], int]
"""A card, of the own hand, the other's hand and the prize."""


def won(card: int, other: int, prize: int) -> int:
    """What a bid gains over another."""
    return prize * ((card > other) - (card < other))


def value(strategy: Strategy, own: Hand, other: Hand, prize: int, card: int) -> float:
    """What a strategy takes a bid to be worth against a random card of the other hand."""
    gain = fmean(won(card, against, prize) for against in other)
    left = max(without(own, card), default=0)
    return sum(weight * feature for weight, feature in zip(strategy, (gain, card, card * prize / CARDS, left), strict=True))


def bid(strategy: Strategy) -> Bid:
    """The bids of a strategy: the card of the greatest value, of equals the lowest."""
    return lambda own, other, prize: max(own, key=lambda card: (value(strategy, own, other, prize, card), -card))


def match(own: Hand, other: Hand, prize: int) -> int:
    """The bids of a simple player: the card nearest to the prize."""
    return min(own, key=lambda card: (abs(card - prize), card))


def without(hand: Hand, card: int) -> Hand:
    """What is left of a hand."""
    return tuple(one for one in hand if one != card)


def played(mine: Bid, rng: random.Random) -> int:
    """The difference at the end of a play against an opponent who bids at random."""
    own, other, prizes, difference = DECK, DECK, list(DECK), 0
    rng.shuffle(prizes)
    for prize in prizes:
        card, against = mine(own, other, prize), rng.choice(other)
        difference += won(card, against, prize)
        own, other = without(own, card), without(other, against)
    return difference


def expected(mine: Bid, theirs: Bid | None = None) -> float:
    """The exact mean difference against another player; None: one who bids at random."""

    @cache
    def at(own: Hand, other: Hand, prizes: Hand) -> float:
        return fmean(turn(own, other, prizes, prize) for prize in prizes) if prizes else 0.0

    def turn(own: Hand, other: Hand, prizes: Hand, prize: int) -> float:
        card, left = mine(own, other, prize), without(prizes, prize)
        answers = other if theirs is None else (theirs(other, own, prize),)
        return fmean(won(card, against, prize) + at(without(own, card), without(other, against), left) for against in answers)

    return at(DECK, DECK, DECK)


def best_margin() -> float:
    """The exact mean difference of the best play against an opponent who bids at random."""

    @cache
    def at(own: Hand, other: Hand, prizes: Hand) -> float:
        return fmean(turn(own, other, prizes, prize) for prize in prizes) if prizes else 0.0

    def turn(own: Hand, other: Hand, prizes: Hand, prize: int) -> float:
        left = without(prizes, prize)
        return max(fmean(won(card, a, prize) + at(without(own, card), without(other, a), left) for a in other) for card in own)

    return at(DECK, DECK, DECK)
