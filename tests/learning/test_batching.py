"""Rows in are rows out, whatever the budget: property tests of micro-batches, shares between processes, and totals."""

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autotelic.learning.batching import Row, families, micro_batches, over_call, pieces, shares, sizes, tensors
from autotelic.learning.examples import pair, prompt_length
from autotelic.types import Example

SINGLE = st.tuples(st.sampled_from([(1,), (1, 2), (3,), (4, 5, 6)]), st.integers(1, 9))
PAIRS = st.tuples(SINGLE, SINGLE)


def made(number: int, shape: tuple[tuple[int, ...], int], part: str = "") -> Example:
    prompt, length = shape
    return Example(f"r{number}", [*prompt, *[7] * length], [0.0] * len(prompt) + [1.0] * length, part=part)


@st.composite
def rows(draw: st.DrawFn) -> list[Row]:
    """Lone examples and pairs of a few prompts, in any order."""
    alone = [made(number, shape) for number, shape in enumerate(draw(st.lists(SINGLE, max_size=8)))]
    for number, (a, b) in enumerate(draw(st.lists(PAIRS, max_size=5))):
        alone += pair(made(100 + number, a), made(200 + number, b))
    return [Row(item) for item in draw(st.permutations(alone))]


def together(row: Row, groups: list[list[Row]]) -> list[Row]:
    return next(group for group in groups if any(member is row for member in group))


@settings(deadline=None)
@given(rows(), st.integers(1, 60), st.booleans())
def test_micro_batches_hold_every_row_once_and_keep_pairs_whole(given_rows: list[Row], budget: int, packed: bool) -> None:
    found = list(micro_batches(given_rows, budget, packed))
    assert sorted(map(id, (row for batch in found for row in batch))) == sorted(map(id, given_rows))
    for piece in pieces(given_rows):
        assert all(together(row, found) is together(piece[0], found) for row in piece)
    for batch in found:
        longest = max(len(row.item.tokens) for row in batch)
        prompts = {row.prompt for row in batch}
        used = sum(map(len, prompts)) + sum(len(row.item.tokens) - len(row.prompt) for row in batch) if packed else longest * len(batch)
        assert used <= budget or len(pieces(batch)) == 1
        made_of = tensors(batch, 0, torch.device("cpu"))
        for chosen, rejected in zip(made_of.chosen.tolist(), made_of.rejected.tolist(), strict=True):
            assert batch[chosen].item.pair == batch[rejected].item.pair
        assert len(made_of.chosen) == sum(row.item.side == "chosen" for row in batch)


def test_a_family_with_a_long_prompt_is_not_divided_where_it_fits_whole() -> None:
    """Of 36 tokens 20 are left for a second family of 22: with a prompt of 10 it waits, with one of 2 its first row comes along."""
    long = [made(number, (tuple([prompt] * 10), 3)) for prompt in (1, 2) for number in range(2)]
    long += [made(9, ((2,) * 10, 3)), made(10, ((2,) * 10, 3))]
    assert [len(batch) for batch in micro_batches([Row(item) for item in long], 36, packed=True)] == [2, 4]
    short = [made(number, ((prompt,) * 2, 10)) for prompt in (1, 2) for number in range(2)]
    assert [len(batch) for batch in micro_batches([Row(item) for item in short], 36, packed=True)] == [3, 1]


@settings(deadline=None)
@given(rows(), st.integers(1, 5))
def test_shares_hold_every_row_once_and_keep_families_whole(given_rows: list[Row], count: int) -> None:
    found = shares(given_rows, count)
    assert len(found) == count
    assert sorted(map(id, (row for part in found for row in part))) == sorted(map(id, given_rows))
    for family in families(given_rows):
        members = [row for piece in family for row in piece]
        assert all(together(row, found) is together(members[0], found) for row in members)


@settings(deadline=None)
@given(st.lists(st.tuples(SINGLE, st.sampled_from("ab"), st.booleans()), min_size=1, max_size=8))
def test_totals_count_all_rows_and_what_is_scored_apart(given_rows: list[tuple[tuple[tuple[int, ...], int], str, bool]]) -> None:
    all_rows = [Row(made(number, shape, part)) for number, (shape, part, _) in enumerate(given_rows)]
    scored = [row for row, (_, _, kept) in zip(all_rows, given_rows, strict=True) if kept]
    found = sizes(all_rows, scored)
    assert found.tokens == sum(length for (_, length), _, _ in given_rows)
    assert found.scored == max(1, sum(length for (_, length), _, kept in given_rows if kept))
    assert found.sequences == len(given_rows) == sum(part.sequences for part in found.parts.values())
    assert set(found.parts) == {part for _, part, _ in given_rows}
    again = over_call([found, found])
    assert again == [found, found]


def test_totals_of_a_call_are_means_of_its_steps() -> None:
    first, second = (sizes(some, some) for some in ([Row(made(0, ((1,), 2), "a"))], [Row(made(1, ((1,), 4), "b")), Row(made(2, ((1,), 2), "a"))]))
    found = over_call([first, second])
    assert [(each.tokens, each.sequences, each.scored) for each in found] == [(4, 1.5, 2), (4, 1.5, 6)]
    assert (found[0].parts["a"].tokens, found[1].parts["a"].tokens, found[1].parts["b"].tokens) == (2, 2, 2)
    assert (found[1].parts["a"].scored, found[1].parts["b"].scored, set(found[0].parts)) == (2, 4, {"a"})


def test_numbers_that_a_row_lacks_are_no_numbers() -> None:
    one, two = made(0, ((1,), 1)), made(1, ((1,), 1))
    one.extra["win"] = 0.5
    found = tensors([Row(one), Row(two)], 0, torch.device("cpu")).extra["win"].tolist()
    assert found[0] == 0.5 and math.isnan(found[1])
    assert prompt_length(one) == 1
