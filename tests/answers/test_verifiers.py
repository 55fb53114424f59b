"""Where answers stand, and when they are equal."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotelic.answers.verifiers import PLACES, boxed, canonical_math, canonical_number, extract, harmless, last_number, plain_arithmetic, same_math


@pytest.mark.parametrize(
    "text,found",
    [
        (r"\boxed{4}", "4"),
        (r"first \boxed{1}, then \boxed{\frac{1}{2}} done", r"\frac{1}{2}"),
        (r"\boxed{a} and an open \boxed{b", "a"),
        (r"\boxed{ }", None),
        (r"\boxed{", None),
        ("boxed{4}", None),
        (r"\boxed{\text{{x}}}", r"\text{{x}}"),
        (r"\boxed{\boxed{5}}", "5"),
    ],
)
def test_boxed(text, found):
    assert boxed(text) == found


@pytest.mark.parametrize(
    "place,text,found",
    [
        ("hashes", "so\n#### 42\n", "42"),
        ("hashes", "### 42", None),
        ("answer", "Answer: 7\nthe answer : 8 \nend", "8"),
        ("answer", "my answers: 7", None),
        ("answer-block", "answer: 1\nAnswer:\n2 3\n4 5\n", "2 3\n4 5"),
        ("tag", "<answer>1</answer> <ANSWER>\n2 </ANSWER>", "2"),
        ("tag", "<answer>1 <answer>2</answer>", "2"),
        ("tag", "<answer>1", None),
        ("dollars", "so $x$ and $y$", "y"),
        ("line", "a\n b \n\n", "b"),
        ("line", "  \n", None),
        ("whole", " a\nb ", "a\nb"),
    ],
)
def test_places(place, text, found):
    assert PLACES[place](text) == found


def test_extract_takes_the_first_place_that_finds_something():
    text = "#### 1\nanswer: 2"
    assert extract(text, ("boxed", "hashes", "answer")) == "1"
    assert extract(text, ("answer", "hashes")) == "2"
    assert extract(text, ("boxed",)) is None


@pytest.mark.parametrize(
    "text,value",
    [
        ("3", "3"),
        ("+3", "3"),
        ("-3.50", "-7/2"),
        ("1,234,567", "1234567"),
        ("$5.00", "5"),
        (r"\$5", "5"),
        ("50%", "50"),
        (r"50\%", "50"),
        ("7.", "7"),
        ("1e3", "1000"),
        (".5", "1/2"),
        ("6/4", "3/2"),
        (r"\frac{6}{4}", "3/2"),
        (r"-\dfrac{1}{2}", "-1/2"),
        ("$12$", "12"),
        ("0.0", "0"),
        ("-0", "0"),
        ("1/0", None),
        ("1,23", None),
        ("", None),
        ("abc", None),
        ("1 2", None),
        ("1e9999999", None),
        ("--1", None),
        ("9" * 3000, None),
        ("٣", None),
        ("1/2/3", None),
        ("nan", None),
        ("inf", None),
        ("0x10", None),
        ("1_000", None),
    ],
)
def test_canonical_number(text, value):
    assert canonical_number(text) == value


@given(st.fractions(max_denominator=10**6))
def test_canonical_numbers_are_fixed_points(value):
    text = str(value)
    assert canonical_number(text) == text == last_number(f"so it is {text}")


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
    ],
)
def test_last_number(text, value):
    assert last_number(text) == value


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


MATH = [
    (r"\frac{1}{2}", "0.5", True),
    (r"\sqrt{8}", r"2\sqrt{2}", True),
    ("(x+1)^2", "x^2+2x+1", True),
    (r"\{1,2\}", r"\{2,1\}", True),
    ("1/3", "0.3333", False),
    (r"\pi r^2", r"\pi r", False),
    ("2^{10}", "1024", True),
    ("7", "9^{9^{9^{9}}}", False),
    ("7", "(10^{9})!", False),
    ("7", "(x+y)^{999}", False),
    ("7", "", False),
    ("7", "{{{", False),
]


@pytest.mark.parametrize("gold,answer,equal", MATH)
def test_same_math(gold, answer, equal):
    pytest.importorskip("math_verify")
    assert same_math(gold, answer) is equal


def test_same_math_off_the_main_thread():
    pytest.importorskip("math_verify")
    found: list[bool] = []
    thread = threading.Thread(target=lambda: found.extend(same_math(gold, answer) for gold, answer, _ in MATH))
    thread.start()
    thread.join()
    assert found == [equal for *_, equal in MATH]


def test_canonical_math():
    assert canonical_math(r"\frac{2}{4}") == "1/2"
    assert canonical_math(r" \pi r ^ 2 ") == r"\pi r^2"
    assert canonical_math("( 1 , 2 )") == "(1,2)"


def test_the_last_number_is_never_cut():
    assert last_number("a 1234" + " " * 1998) is None
    assert last_number("a 1234" + " " * 1990) == "1234"
