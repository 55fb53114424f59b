"""Tic-tac-toe, solved by enumeration of its 5,478 positions. Moves are the squares '1' to '9', row by row; player 0 begins.

A board is nine characters of '.', '0' and '1', so that plays that lead to the same position share it.
"""

import random
from functools import cache

from autotelic.worlds.games.base import Game, Moves

SQUARES = "123456789"
LINES = ("123", "456", "789", "147", "258", "369", "159", "357")
EMPTY = "." * 9


class TicTacToe(Game[None]):
    """An `Environment`. The first text is such as 't15:': seat 1, after a move into the center."""

    name = "tictactoe"
    sign = "t"

    def draw(self, rng: random.Random) -> None:
        return None

    def private(self, deal: None, player: int) -> str:
        return ""

    def mover(self, moves: Moves) -> int | None:
        board = board_of(moves)
        return None if winner(board) is not None or "." not in board else len(moves) % 2

    def legal(self, deal: None, moves: Moves) -> list[str]:
        return [] if self.mover(moves) is None else free(board_of(moves))

    def payoffs(self, deal: None, moves: Moves) -> list[float]:
        won = winner(board_of(moves))
        return [0.0, 0.0] if won is None else [1.0 - 2 * won, 2.0 * won - 1]

    @property
    def outcome(self) -> str:
        won = winner(board_of(self.moves))
        return f"{won} won" if won is not None else "draw" if self.to_move is None else "not over"


def board_of(moves: Moves) -> str:
    """The position after these moves."""
    board = list(EMPTY)
    for place, move in enumerate(moves):
        board[SQUARES.index(move)] = str(place % 2)
    return "".join(board)


def free(board: str) -> list[str]:
    """The empty squares."""
    return [square for square, mark in zip(SQUARES, board, strict=True) if mark == "."]


@cache
def winner(board: str) -> int | None:
    """Who has three in a line; None when nobody has."""
    for line in LINES:
        marks = {board[int(square) - 1] for square in line}
        if len(marks) == 1 and marks != {"."}:
            return int(marks.pop())
    return None


def after(board: str, square: str) -> str:
    """The position when the player whose turn it is takes a square."""
    place = int(square) - 1
    return board[:place] + str(board.count("0") - board.count("1")) + board[place + 1 :]


@cache
def minimax(board: str) -> int:
    """What the player whose turn it is gets when both play perfectly: 1, 0 or -1."""
    if winner(board) is not None:
        return -1
    return max((-minimax(after(board, square)) for square in free(board)), default=0)


def best_moves(board: str) -> list[str]:
    """The squares that keep the value of a position."""
    return [square for square in free(board) if -minimax(after(board, square)) == minimax(board)]


def perfect_player(game: Game[None], rng: random.Random) -> str:
    """One of the best moves, all equally likely. Among moves that hold a draw it does not look for the one that invites a mistake."""
    return rng.choice(best_moves(board_of(game.moves)))
