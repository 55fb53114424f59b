"""Docstrings of systems have fixed heads, so that pages can be made of them and a reader finds what differs from the paper."""

import re

import pytest

from autotelic.systems.registry import recipes

HEADS = ("Formula", "Ends", "Fails", "Differs")
NAMES = sorted(recipes())


@pytest.mark.parametrize("name", NAMES)
def test_a_docstring_has_its_heads_in_order(name: str) -> None:
    text = recipes()[name].__doc__ or ""
    assert tuple(re.findall(r"(?m)^    (\w+): ", text)) == HEADS
    line, *rest = text.split("\n\n")
    assert line.endswith(".") and "\n" not in line and len(rest) == 1, "one line, then the heads"
    assert all(len(part.split()) > 8 for part in re.split(r"(?m)^    \w+: ", rest[0])[1:])
