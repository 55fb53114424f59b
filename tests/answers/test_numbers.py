"""Numbers as they are written."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotelic.answers.numbers import bare_number, canonical_number, decimal, last_number


@given(st.fractions(max_denominator=10**6))
def test_canonical_numbers_are_fixed_points(value):
    text = str(value)
    assert canonical_number(text) == text == last_number(f"so it is {text}")


def indian(value: int) -> str:
    digits = str(value)
    head, tail = digits[:-3], digits[-3:]
    pairs = [head[max(0, end - 2) : end] for end in range(len(head), 0, -2)][::-1]
    return ",".join([*pairs, tail])


WHOLE = {
    "plain": str,
    "commas": lambda value: f"{value:,}",
    "LaTeX's commas": lambda value: f"{value:,}".replace(",", "{,}"),
    "commas without their space": lambda value: f"{value:,}".replace(",", r",\!"),
    "thin spaces of LaTeX": lambda value: f"{value:,}".replace(",", r"\,"),
    "unbreakable spaces": lambda value: f"{value:,}".replace(",", "\u00a0"),
    "narrow spaces": lambda value: f"{value:,}".replace(",", "\u202f"),
    "underscores": lambda value: f"{value:_}",
    "apostrophes": lambda value: f"{value:,}".replace(",", "'"),
    "Indian groups": indian,
    "full width": lambda value: "".join(chr(ord(digit) + 0xFEE0) for digit in str(value)),
    "as a fraction": lambda value: f"{2 * value}/2",
    "in dollars": lambda value: rf"\${value:,}",
    "with a unit": lambda value: rf"{value:,}\text{{ cm}}^2",
    "as an equation": lambda value: f"x = {value}",
    "in bold": lambda value: f"**{value}**",
    "as a formula": lambda value: rf"$\mathbf{{{value}}}$",
}
SIGNS = {"": 1, "-": -1, "\u2212": -1, "+": 1}


@given(st.integers(0, 10**15), st.sampled_from(sorted(WHOLE)))
def test_whole_numbers_in_every_style(value, style):
    text = WHOLE[style](value)
    assert canonical_number(text) == canonical_number(rf"\boxed{{{text}}}") == str(value)
    assert last_number(f"First 7 of 9. So it is {text}.") == str(value)


@given(
    st.integers(0, 10**9), st.integers(0, 999_999), st.sampled_from(sorted(SIGNS)), st.sampled_from([",.", ".,", "_.", "'.", "\u2009.", "\u2009,"])
)
def test_decimals_in_every_style(whole, digits, sign, marks):
    groups, point = marks
    text = f"{sign}{f'{whole:,}'.replace(',', groups)}{point}{digits:06}"
    value = str(SIGNS[sign] * Fraction(whole * 10**6 + digits, 10**6))
    ambiguous = marks[1] == "," and whole < 1000  # 12,345678 may be a list
    assert canonical_number(text) == (None if ambiguous else value)
    if not ambiguous:
        assert last_number(f"It is {text} in all") == value


FRACTIONS = ["{0}/{1}", r"\frac{{{0}}}{{{1}}}", r"\dfrac{{{0}}}{{{1}}}", r"$\tfrac{{{0}}}{{{1}}}$", "{0}\u2044{1}"]
MIXED = ["{2} {3}/{1}", r"{2}\frac{{{3}}}{{{1}}}", r"{2}\,\dfrac{{{3}}}{{{1}}}", "{2}\u00a0{3}\u2044{1}"]


@given(st.integers(0, 999), st.integers(2, 99), st.integers(1, 98), st.sampled_from(sorted(SIGNS)), st.sampled_from(FRACTIONS + MIXED))
def test_fractions_and_mixed_numbers_in_every_style(whole, below, part, sign, style):
    part %= below
    value = str(SIGNS[sign] * (whole + Fraction(part, below)))
    text = sign + style.format(whole * below + part, below, whole, part)
    if style in MIXED and not part:
        return
    assert canonical_number(text) == last_number(f"It is {text}.") == value


@given(st.decimals(-(10**6), 10**6, places=4), st.integers(-20, 20))
def test_powers_of_ten(mantissa, exponent):
    value = str(Fraction(mantissa) * Fraction(10) ** exponent)
    for text in (f"{mantissa}e{exponent}", rf"{mantissa} \times 10^{{{exponent}}}", f"{mantissa}·10^{exponent}"):
        assert canonical_number(text) == last_number(f"It is {text}.") == value


@given(st.text(alphabet="0123456789.,_' -+/\\{}$%^exX\u2009½", max_size=30))
def test_any_text_is_a_number_or_none(text):
    found = canonical_number(text)
    assert found is None or canonical_number(found) == found
    last = last_number(text)
    assert last is None or canonical_number(last) == last


@given(
    st.lists(st.integers(0, 10**6), min_size=2, max_size=4),
    st.sampled_from([" ", ", ", "; ", " and ", " or ", " to ", "-", "\u2013", " + ", r"\cdot "]),
)
def test_several_numbers_are_none(values, joint):
    assert canonical_number(joint.join(map(str, values))) is None


@pytest.mark.parametrize(
    "text,value",
    [
        ("from 3 to 4 apples", "4"),
        ("It costs $1,250.75 in all.", "5003/4"),
        ("x1y2", None),
        ("none", None),
        ("is 3-1", "1"),
        ("v1.2.3", None),
        ("12.", "12"),
        ("5%", "5"),
        ("(-4)", "-4"),
        ("a 1234" + " " * 5_000, "1234"),
        ("1" * 2_001, None),
    ],
)
def test_last_number(text, value):
    assert last_number(text) == value


def test_a_bare_number_has_nothing_around_it():
    assert [bare_number(text) for text in ("$3.50$", "-\\$5", "45^\\circ", "3 1/2")] == ["7/2", "-5", "45", "7/2"]
    assert [bare_number(text) for text in ("x = 5", "5 m", "50%", "5 apples")] == [None] * 4


def test_decimal():
    assert decimal("1,234.50") == Fraction(2469, 2)
    assert decimal("1,23") is None


def test_very_long_numbers_have_no_value():
    assert canonical_number("1" * 2_001) is None
    assert canonical_number("1" * 2_000) == "1" * 2_000
    assert canonical_number("9" * 1_900 + "e999") == "9" * 1_900 + "0" * 999
    assert canonical_number("1" + " trillion" * 200) is not None, "a power of 10^12 for each"
    assert canonical_number("9" * 1_000 + " trillion" * 100) == "9" * 1_000 + "0" * 1_200
