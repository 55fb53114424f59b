"""Texts that others may evaluate."""

import pytest

from autotelic.answers.safe import harmless, plain_arithmetic


@pytest.mark.parametrize(
    "text,fine",
    [
        ("x**2 + 3*x/4 - 1", True),
        ("sqrt(x**2+1)*exp(-x) + C", True),
        ("2*x**(1/2)", True),
        ("9**99", True),
        ("9**9**9", False),
        ("((9**99)**99)**99", False),
        ("9**(10**9)", False),
        ("f(x)", False),
        ("x.y", False),
        ("[1]", False),
        ("'a'", False),
        ("lambda: 1", False),
        ("exp(x, y)", False),
        ("xy", False),
        ("", False),
        ("(" * 5000, False),
        ("1" * 9000, False),
    ],
)
def test_plain_arithmetic(text, fine):
    assert plain_arithmetic(text) is fine


@pytest.mark.parametrize(
    "text,fine",
    [
        ("1 2 3", True),
        ("[[1, 0], [0, 1]]", True),
        ("ABCA", True),
        ("_ Q _\nQ _ _", True),
        ("5 -2", True),
        ("['A', 'B']", True),
        ("exit()", False),
        ("[open('x')]", False),
        ("[0]*10**9", False),
        ("9**9**9", False),
        ("(1).__class__", False),
        ("f'{x}'", False),
        ("x" * 50_000, False),
    ],
)
def test_harmless(text, fine):
    assert harmless(text) is fine
