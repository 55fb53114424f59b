"""From the rows of one optimizer step to micro-batches of tensors within a token budget. It uses no objective and no network."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from autotelic.learning.examples import prompt_length, units
from autotelic.learning.objectives.base import Batch, Totals
from autotelic.networks.scoring import pad
from autotelic.types import Example


@dataclass(slots=True)
class Row:
    """An example as an objective wants it scored."""

    item: Example
    temperature: float = 1.0
    reference: list[float] | None = None
    """(T,) log-probabilities under the reference, if any."""
    shift: float | None = None
    """What `Objective.shifts` found, for an objective that looks ahead."""

    @property
    def prompt(self) -> tuple[int, ...]:
        """The tokens before the first target."""
        return tuple(self.item.tokens[: prompt_length(self.item)])


LONG_PROMPT = 16
"""A prompt of more than this part of the token budget is not computed twice where that can be helped."""
Piece = list[Row]
"""Rows that must share a micro-batch: the sides of a pair, or one row."""


def sizes(rows: Sequence[Row], scored: Sequence[Row]) -> Totals:
    """The totals of one optimizer step of which only some rows are scored, so that skipping the others does not change the gradient."""
    parts = sorted({row.item.part for row in rows} - {""})
    by_part = {part: _counts(*([row.item for row in some if row.item.part == part] for some in (rows, scored))) for part in parts}
    return replace(_counts([row.item for row in rows], [row.item for row in scored]), parts=by_part)


def _counts(items: Sequence[Example], scored: Sequence[Example]) -> Totals:
    """Each at least 1, to divide by."""
    tokens, seen = (sum(sum(map(bool, item.mask)) for item in some) for some in (items, scored))
    pairs = sum(item.side == "chosen" for item in items)
    return Totals(tokens=max(tokens, 1), sequences=max(len(items), 1), pairs=max(pairs, 1), scored=max(seen, 1))


def over_call(totals: Sequence[Totals]) -> list[Totals]:
    """For each of several steps their mean totals, so that what a row adds does not depend on its step; metrics stay means over the step's own rows."""
    parts = sorted({part for each in totals for part in each.parts})
    by_part = {part: _mean([each.parts[part] for each in totals if part in each.parts], len(totals)) for part in parts}
    mean = _mean(totals, len(totals))
    return [
        replace(mean, scored=own.scored, parts={part: replace(by_part[part], scored=each.scored) for part, each in own.parts.items()})
        for own in totals
    ]


def _mean(totals: Sequence[Totals], count: int) -> Totals:
    return Totals(*(sum(getattr(each, name) for each in totals) / count for name in ("tokens", "sequences", "pairs", "scored")))


def pieces(rows: Sequence[Row]) -> list[Piece]:
    """Rows by the micro-batch they must share."""
    by_item = {id(row.item): row for row in rows}
    return [[by_item[id(item)] for item in unit] for unit in units([row.item for row in rows])]


def families(rows: Sequence[Row]) -> list[list[Piece]]:
    """Pieces by their first row's prompt: what is best trained on together. Longest rows first."""
    found: dict[tuple[int, ...], list[Piece]] = {}
    for piece in pieces(rows):
        found.setdefault(piece[0].prompt, []).append(piece)
    return sorted(found.values(), key=lambda family: -max(len(row.item.tokens) for piece in family for row in piece))


def shares(rows: Sequence[Row], count: int) -> list[list[Row]]:
    """The rows in `count` parts of about equal work; families stay whole."""
    parts: list[list[Row]] = [[] for _ in range(count)]
    work = [0] * count
    for family in families(rows):
        members = [row for piece in family for row in piece]
        least = work.index(min(work))
        parts[least] += members
        work[least] += _new_tokens(members, set())
    return parts


def micro_batches(rows: Sequence[Row], budget: int, packed: bool) -> Iterator[list[Row]]:
    """Rows of at most `budget` tokens together (one piece at least): laid end to end with shared prompts once if `packed`, else padded."""
    if not packed:
        yield from _padded(pieces(rows), budget)
        return
    batch: list[Row] = []
    prompts: set[tuple[int, ...]] = set()
    used = 0
    for family in families(rows):
        apart = _better_apart(family, budget, used)
        for place, piece in enumerate(family):
            if batch and (used + _new_tokens(piece, prompts) > budget or (apart and place == 0)):
                yield batch
                batch, prompts, used = [], set(), 0
            used += _new_tokens(piece, prompts)
            prompts |= {row.prompt for row in piece}
            batch += piece
    if batch:
        yield batch


def _better_apart(family: Sequence[Piece], budget: int, used: int) -> bool:
    """Whether a family begins a micro-batch of its own: what is left of this one would divide it, and its prompt is too long to be computed twice."""
    size = _new_tokens([row for piece in family for row in piece], set())
    return used + size > budget >= size and LONG_PROMPT * len(family[0][0].prompt) > budget


def _padded(found: Sequence[Piece], budget: int) -> Iterator[list[Row]]:
    """Pieces by their longest row, longest first, as many as fit when all rows are padded to the longest."""
    batch: list[Row] = []
    longest = 0
    for piece in sorted(found, key=lambda piece: -_longest(piece)):
        if batch and (len(batch) + len(piece)) * longest > budget:
            yield batch
            batch = []
        longest = longest if batch else _longest(piece)
        batch += piece
    if batch:
        yield batch


def _longest(piece: Piece) -> int:
    return max(len(row.item.tokens) for row in piece)


def _new_tokens(rows: Sequence[Row], prompts: set[tuple[int, ...]]) -> int:
    """Tokens that rows add to a packed batch which holds `prompts`."""
    new = {row.prompt for row in rows} - prompts
    return sum(map(len, new)) + sum(len(row.item.tokens) - len(row.prompt) for row in rows)


def tensors(rows: Sequence[Row], padding: int, device: torch.device) -> Batch:
    """Rows as one micro-batch."""
    items = [row.item for row in rows]
    none = [[0.0] * len(item.tokens) for item in items]

    def floats(values: Sequence[Sequence[float]]) -> Tensor:
        return pad(values, 0.0, torch.float32, device)

    def row_floats(values: Sequence[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float32, device=device)

    def places(side: str) -> Tensor:
        return torch.tensor([i for i, item in enumerate(items) if item.side == side], dtype=torch.int64, device=device)

    references = [row.reference for row in rows if row.reference is not None]
    return Batch(
        tokens=pad([item.tokens for item in items], padding, torch.int64, device),
        mask=floats([item.mask for item in items]),
        weight=row_floats([item.weight for item in items]),
        advantage=floats([item.advantage or zeros for item, zeros in zip(items, none, strict=True)]),
        old=floats([item.old_logprobs or zeros for item, zeros in zip(items, none, strict=True)]),
        sampled=row_floats([float(item.old_logprobs is not None) for item in items]),
        reference=floats(references) if references else None,
        temperature=row_floats([row.temperature for row in rows]),
        chosen=places("chosen"),
        rejected=places("rejected"),
        kl=floats([item.kl or [1.0] * len(item.tokens) for item in items]) if any(item.kl for item in items) else None,
        parts=tuple(item.part for item in items),
        extra={name: row_floats([item.extra.get(name, math.nan) for item in items]) for name in sorted({n for item in items for n in item.extra})},
        shift=row_floats([row.shift for row in rows if row.shift is not None]) if rows[0].shift is not None else None,
    )
