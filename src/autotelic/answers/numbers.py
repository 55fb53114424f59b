r"""Numbers as people and models write them, read exactly: '1,234', '3 1/2', '-\frac{7}{2}', '1.5 \times 10^3', '36\text{ cm}^2', 'x = 5'.

What is not certainly one number has no value: lists, ranges, sums, 'at least 5', '1,23', '12 3'. Units and signs of percent and currency are left out
of the value, so that 50% is 50. Not for expressions: see `mathematics`.
"""

import re
from collections.abc import Callable, Iterator
from fractions import Fraction

from autotelic.answers.markup import CLOSE, NARROW, OPEN, OVER, TIGHT, bare, plain, words

LONGEST = 2_000
"""Characters of an answer that is read as a number or compared as mathematics; a longer one has no value."""

# ---- one number, without what surrounds it

_RUN = rf"(?:[0-9]++(?:[.,_'{TIGHT}{NARROW}~][0-9]++)*+|\.[0-9]++)"
_RATIO = rf"{OPEN}\s*+([-+]?\s*+{_RUN})\s*+{OVER}\s*+([-+]?\s*+{_RUN})\s*+{CLOSE}"
_GROUPED = r"[1-9][0-9]{{0,2}}(?:{0}[0-9]{{3}})+"
_STYLES: tuple[tuple[re.Pattern[str], str, str], ...] = tuple(
    (re.compile(form), separators, point)
    for form, separators, point in (
        (r"[0-9]+(?:\.[0-9]+)?|\.[0-9]+", "", "."),
        (_GROUPED.format(",") + r"(?:\.[0-9]+)?", ",", "."),
        (r"[1-9][0-9]?(?:,[0-9]{2})+,[0-9]{3}(?:\.[0-9]+)?", ",", "."),
        (_GROUPED.format(TIGHT) + r"(?:\.[0-9]+)?", TIGHT, "."),
        (_GROUPED.format("_") + r"(?:\.[0-9]+)?", "_", "."),
        (_GROUPED.format("'") + r"(?:[.,][0-9]+)?", "'", ",."),
        (_GROUPED.format(f"[{NARROW}~]") + r"(?:[.,][0-9]+)?", NARROW + "~", ",."),
        (_GROUPED.format(r"\.") + ",[0-9]+", ".", ","),
        (r"[1-9][0-9]{0,2}(?:\.[0-9]{3}){2,}", ".", ""),
        (rf"[0-9]+{TIGHT}(?:[0-9]{{1,2}}|[0-9]{{4,}})", "", TIGHT),
    )
)
"""Ways to write a decimal number: its form, what separates groups of digits, and its decimal points. A decimal comma is read where it can be nothing
else: behind groups that dots, spaces or apostrophes separate, or as LaTeX's {,}."""


def decimal(text: str) -> Fraction | None:
    """The value of digits with separators and a decimal point; None where they are not set as one of `_STYLES`."""
    for form, separators, point in _STYLES:
        if form.fullmatch(text):
            return Fraction(text.translate({ord(mark): None for mark in separators} | {ord(mark): "." for mark in point}))
    return None


def _literal(gap: str, behind: str = "") -> str:
    """The pattern of a number with its sign and currency; `gap` is what may stand between a sign and the digits, `behind` what the sign stands behind."""
    return rf"""
        (?:{behind}(?P<sign>[-+–]){gap})? (?:(?:US)?[$€£¥₹]{gap}[ ]?(?:(?P<inner>[-+–]){gap})?)?
        (?: (?P<repeating>[0-9]*+\.[0-9]*+) \\(?:overline|bar|dot)\s*+\{{(?P<period>[0-9]{{1,20}})\}}
          | (?P<run>{_RUN})
            (?: [eE](?P<exponent>[-+]?[0-9]{{1,3}})(?![0-9])
              | \s*+[×x*·]\s*+10\s*+\^\s*+(?:\{{\s*+)?(?P<power>[-+]?[0-9]{{1,3}})(?![0-9])\s*+\}}?
              | \^(?:\{{\s*+)?(?P<ten>[-+]?[0-9]{{1,3}})(?![0-9])\s*+\}}?
              | [ \t]*+/[ \t]*+(?P<below>{_RUN})
              | [ \t{NARROW}~]*+(?P<part>{_RATIO})
              | [ \t]++(?P<above>[0-9]++)/(?P<under>[0-9]++)
            )?
          | (?P<ratio>{_RATIO})
        )"""


_WHOLE = re.compile(_literal(r"\s*+"), re.VERBOSE)
_NO_FACTOR = rf"(?<![A-Za-z0-9)\]}}%!'°{CLOSE}])"
_IN_TEXT = re.compile(
    rf"""(?P<word>[A-Za-z\u00c0-\u024f\u0370-\u04ff][A-Za-z0-9_\u00c0-\u024f\u0370-\u04ff]*+(?:\.[0-9]\w*+)*+)
       | (?P<script>(?:\^|(?<=[A-Za-z0-9)\]}}|{CLOSE}])_)\s*+\{{?[-+]?[0-9]++\}}?)
       | (?P<ordinal>[0-9]++(?:st|nd|rd|th)\b)
       | (?P<number>{_literal("", _NO_FACTOR)})""",
    re.VERBOSE,
)


def _value(found: re.Match[str]) -> Fraction | None:
    """The value of a number that `_literal` matched; None where its parts do not fit."""
    try:
        value = None if found["sign"] and found["inner"] else _unsigned(found)
    except ZeroDivisionError:
        return None
    return value if value is None or (found["sign"] or found["inner"] or "+") == "+" else -value


def _unsigned(found: re.Match[str]) -> Fraction | None:
    if found["period"]:
        return _repeating(found["repeating"], found["period"])
    if found["ratio"]:
        return _ratio(found["ratio"])
    if found["below"]:
        return _slashed(found["run"], found["below"])
    if found["ten"]:
        return Fraction(10) ** int(found["ten"]) if found["run"] == "10" else None
    value = decimal(found["run"])
    if value is None:
        return None
    if found["part"]:
        return _mixed(value, _ratio(found["part"]))
    if found["above"]:
        return _mixed(value, Fraction(int(found["above"]), int(found["under"])))
    return value * Fraction(10) ** int(found["exponent"] or found["power"] or 0)


def _repeating(start: str, period: str) -> Fraction:
    r"""0.1\overline{6} is 1/6."""
    digits = len(start.partition(".")[2])
    return Fraction(start + "0" if start != "." else "0") + Fraction(int(period), 10**digits * (10 ** len(period) - 1))


def _ratio(text: str) -> Fraction | None:
    above, below = (_signed(part) for part in text.strip(OPEN + CLOSE).split(OVER))
    return above / below if above is not None and below is not None else None


def _signed(text: str) -> Fraction | None:
    text = text.strip()
    value = decimal(text.lstrip("-+").lstrip())
    return -value if value is not None and text.startswith("-") else value


def _mixed(whole: Fraction, part: Fraction | None) -> Fraction | None:
    """A whole number with a proper fraction behind it."""
    return whole + part if part is not None and whole.denominator == 1 and 0 < part < 1 else None


def _slashed(above: str, below: str) -> Fraction | None:
    """above/below; where narrow spaces may separate groups of digits or a whole number from a fraction, only one of the two may fit."""
    top, bottom = decimal(above), decimal(below)
    plainly = top / bottom if top is not None and bottom is not None else None
    whole, _, rest = above.replace("~", NARROW).rpartition(NARROW)
    mixed = _mixed(Fraction(int(whole)), int(rest) / bottom) if bottom and whole.isdigit() and rest.isdigit() else None
    return plainly if mixed is None else mixed if plainly is None else None


# ---- what may surround it

_GLUED = frozenset(
    words(
        "mm cm dm m km in ft yd mi mg g kg lb lbs oz ml mL l L cl dl s sec min h hr hrs ms kmh kph mph Hz kHz MHz GHz kN kJ kW MW kWh mV kV mA Pa kPa kcal cal "
        "mol rad deg px USD EUR GBP sq"
    )
)
"""Units that may follow a number without a space: what else does so is a factor, such as the x of 5x."""
_LETTERS = frozenset("mgshlLtNJWVAKCFΩ")
"""Units of one letter behind a space."""
_SHORT = frozenset(words("of in at on by my we he it so per sq cu"))
"""Words of one or two letters."""
_NO_UNIT = frozenset(
    words(
        "or and to than more less least most times plus minus over factorial choose mod modulo half halves third thirds quarter quarters fourths "
        "fifths sixths sevenths eighths ninths tenths hundredth hundredths thousandth thousandths pi dozen dozens score if when unless not but except between "
        "through remainder otherwise either neither nor maybe perhaps wait no versus vs root power above below up down sin cos tan cot sec csc log ln exp sqrt "
        "lim max min gcd lcm det am pm a.m p.m o'clock thousands millions billions hundreds is are was were equals"
    )
)
"""Words that change what a number before them means."""
_SCALES = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_SCALE = re.compile(rf"\s*+({'|'.join(_SCALES)})(?![A-Za-z])", re.IGNORECASE)
_ALPHABETIC = re.compile(r"[A-Za-z\u00c0-\u024f\u0370-\u04ff]+")
"""Latin, Greek and Cyrillic: letters that name a variable where they stand alone behind a number."""
_COUNTING = "百千万亿萬億兆半多或到至分倍余餘点點"
_TERM = r"[^\W\d_]++(?:['’.][A-Za-z]++)*+(?:(?<=[mdc])[23](?![0-9])|\^\s*+\{?\s*+[-+]?[0-9]\s*+\}?)?"
_UNIT = re.compile(
    rf"(?P<percent>\s*+%|\s*+°)?[\s~$€£¥₹¢]*+(?P<per>/\s*+(?=[^\W\d_]))?(?:{_TERM}(?:(?:\s*+[/·×*-]\s*+|[\s~,]++|\.\s*+(?=[^\W\d_]))(?:{_TERM}))*+)?"
    r"(?:\s*+\([^()0-9]*+\))?\s*+[.,;]?[\s~]*+"
)
_HOPE = re.compile(r"\.\s*+I hope (?:it|this) (?:is correct|helps)\W*+\Z", re.IGNORECASE)
_ONES = words("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen")
_TENS = words("twenty thirty forty fifty sixty seventy eighty ninety")
_WORDS = {word: value for value, word in enumerate(_ONES)}
_WORDS |= {word: 10 * value for value, word in enumerate(_TENS, 2)}
_WORDS |= {f"{ten}{joint}{one}": _WORDS[ten] + _WORDS[one] for ten in _TENS for one in _ONES[1:10] for joint in "- "}


def _is_unit(rest: str) -> bool:
    """Whether what follows a number leaves its value as it is: nothing, percent, a unit such as 'km/h' or 'cm^2', or words such as 'apples'."""
    rest = rest.replace(OPEN, " ").replace(OVER, "/").replace(CLOSE, "")
    found = _UNIT.fullmatch(rest)
    if not found or any(mark in _COUNTING for mark in rest):
        return False
    terms = re.findall(r"[^\W\d_]+(?:['’.][A-Za-z]+)*", rest)
    if not all(_is_unit_word(term) for term in terms) or (found["per"] and len(terms[0]) < 2) or terms[:1] in (["squared"], ["cubed"]):
        return False
    return not _ALPHABETIC.match(rest) or terms[0] in _GLUED


def _is_unit_word(term: str) -> bool:
    """Letters that name a variable, such as the x or the ab of '5 ab', are none; of units with one or two letters the usual ones are."""
    known = term in _GLUED or term in _LETTERS or term.lower() in _SHORT
    return (known or len(term) > 2 or not _ALPHABETIC.match(term)) and not (
        term.lower() in _NO_UNIT or term.lower() in _WORDS or term.lower() in _SCALES
    )


_LEAD = re.compile(
    r"(?:\s*+(?:(?:about|approximately|approx\.?|around|roughly|circa|ca\.|exactly|only|just|equal to|simply|therefore|thus|so|hence|USD|US|EUR|GBP|INR|CHF|CAD|AUD|JPY|CNY|Rs\.?)"
    r"(?![A-Za-z]),?|(?<!~)~(?!~)|[≈,]))*+\s*+",
    re.IGNORECASE,
)
_MINUS = re.compile(r"\s*+(?:minus|negative)\s++(?=[0-9.])", re.IGNORECASE)


def _quantity(text: str, is_unit: Callable[[str], bool]) -> Fraction | None:
    """The value of a number with an optional unit, and words before it that only hedge."""
    text = _MINUS.sub("-", text[_LEAD.match(text).end() :], count=1)  # type: ignore[union-attr]
    if text.strip().rstrip(".").lower() in _WORDS:
        return Fraction(_WORDS[text.strip().rstrip(".").lower()])
    found = _WHOLE.match(text)
    value = _value(found) if found else None
    if value is None or found is None:
        return None
    rest = text[found.end() :]
    while scale := _SCALE.match(rest):
        value, rest = value * _SCALES[scale[1].lower()], rest[scale.end() :]
    return value if is_unit(rest) else None


_EQUALS = re.compile(r"(=|≈|(?<![0-9\s])\s*+:|\b(?:is|are|was|were|equals)\b)", re.IGNORECASE)
_NAME = re.compile(
    r"(?:[^\W\d_]|[\s.,'\"*∠△°$]|(?<=[^\W\d_])-(?=[^\W\d_])|_\{?\w{1,12}\}?|\([^()]*+\)|\\(?:overline|vec|hat|bar|tilde|widehat)\{[A-Za-z]++\})*+"
)
_NEGATIONS = re.compile(r"\b(?:or|not|never|than|if|neither|either|cannot|no|unless)\b|n't\b", re.IGNORECASE)
_PRODUCT = re.compile(r"\s*[a-z]{2}\s*")
_SUM = re.compile(rf"(?:[0-9\s.,+\-–×÷*·/^()!%°√{{}}{OPEN}{OVER}{CLOSE}{TIGHT}{NARROW}]|\\sqrt|\\binom)*+")


def _statement(text: str) -> Fraction | None:
    """The value of a number that may be said of a name or a sum: 'x = 5', 'the area is 5', '2 + 3 = 5'. Numbers said to be equal must be."""
    parts = _EQUALS.split(text)
    value = _quantity(parts[-1], _is_unit)
    if value is None:
        return None
    for index in range(0, len(parts) - 1, 2):
        part, sign = parts[index], parts[index + 1].strip()
        if not part.strip():
            fits = index == 0 or sign == ":"
        elif (other := _quantity(part, _is_unit)) is not None:
            fits = other == value and sign != ":"
        elif _NAME.fullmatch(part):
            fits = not _NEGATIONS.search(part) and not _PRODUCT.fullmatch(part)
        else:
            fits = sign == "=" and bool(_SUM.fullmatch(part)) and any(mark.isdigit() for mark in part)
        if not fits:
            return None
    return value


_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "«": "»", "(": ")"}


def _outer(text: str) -> str:
    """A text without Markdown's emphasis, dollar signs, quotation marks, and parentheses around the whole of it."""
    text = _EMPHASIS.sub("", text.replace("$", " ")).replace("`", "")
    text = _HOPE.sub("", text).strip().strip("_").strip()
    while len(text) > 2 and _QUOTES.get(text[0]) == text[-1] and not re.search(r"[,()\"]|^.'", text[1:-1]):
        text = text[1:-1].strip()
    return text


_EMPHASIS = re.compile(r"(?:(?<![^\s(\[\"':=])(?:\*\*|__|\*(?!\*))(?=[^\s*])|(?<=[^\s*])(?:\*\*|__|(?<!\*)\*)(?=[\s.,;:!?)\]\"']|$))")


def _short(text: str) -> str | None:
    """A text that may be a number, in plain characters; None where it is too long."""
    text = text.strip() if len(text) <= 2 * LONGEST else ""
    return _outer(plain(bare(text))) if 0 < len(text) <= LONGEST else None


def canonical_number(text: str) -> str | None:
    r"""A number as a reduced fraction ('3', '-7/2'), so that equal numbers are equal strings; None where `text` as a whole is not one number.

    Reads signs, groups of digits ('1,234', '12{,}345', '1_000', '1,23,456'), decimals, powers of ten, fractions and mixed numbers ('7/2',
    '\frac{-7}{2}', '3 1/2', '3½'), currency, percent and units, and what the number is said of ('x = 5', 'The area is 36 cm^2.').
    """
    short = _short(text)
    return _written(_statement(short)) if short is not None else None


def bare_number(text: str) -> str | None:
    """As `canonical_number`, but nothing may surround the number: no unit, no name and no sign of percent."""
    short = _short(text)
    return _written(_quantity(short, lambda rest: rest.strip() in ("", ".", "°"))) if short is not None else None


def _written(value: Fraction | None) -> str | None:
    try:
        return None if value is None else str(value)
    except ValueError:  # More digits than Python writes.
        return None


# ---- the last number of a text


def last_number(text: str) -> str | None:
    """The last number that stands in a text, canonical; None where there is none, or where it is not certain what the last one is.

    Digits in words ('x1', 'v1.2'), exponents, subscripts and ordinals are no numbers. The last number has no value where it is part of a term or a list
    without spaces ('25x', '2^{10}', '1,23', '12 3', '3/4/5'), an argument of unknown LaTeX, or the number of a line ('2. Then').
    """
    flat = plain(text)
    last = None
    for last in _numbers(flat):  # noqa: B007
        pass
    if last is None or len(last[0]) > LONGEST or not _stands_alone(flat[max(0, last.start() - 50) : last.start()], last, flat[last.end() :][:50]):
        return None
    value = _value(last)
    scale = _SCALE.match(flat[last.end() :][:50])
    return _written(value * _SCALES[scale[1].lower()] if value is not None and scale else value)


def only_number(text: str) -> str | None:
    """The number of a text that has one, canonical; None where it has none or more."""
    return last_number(text) if sum(1 for _ in _numbers(plain(text))) == 1 else None


def _numbers(flat: str) -> Iterator[re.Match[str]]:
    """The numbers that stand in a text of plain characters."""
    return (found for found in _IN_TEXT.finditer(flat) if found["number"])


_BEFORE = re.compile(
    rf"""[0-9):/\#.^{{×÷·\\{OVER}{CLOSE}]\Z | [±√≠]\s*\Z | [0-9]_+\Z | [0-9][ \t]+\Z | \\[A-Za-z]+\s*\Z
       | [\w)][ \t]*[+×÷·/^][ \t]*\Z | [\w)]\*+\Z | [\w)][ \t]*\*[ \t]+\Z | [0-9][ \t]*x[ \t]*\Z
       | (?:^|[\s(=,:])[-+–][ \t]+\Z | [-–]\s*\(\s*\Z""",
    re.VERBOSE,
)
_AFTER = re.compile(
    rf"_\w|[\^/{{}}{OVER}{CLOSE}√\\]|:[0-9]|\.\.|…|[{_COUNTING}]|[ \t]*[+×÷·^][ \t]*[\w(\\√]|\s*(?:dozens?|hundredths?|thousandths?)\b|[ \t]*\\"
)


def _stands_alone(before: str, found: re.Match[str], after: str) -> bool:
    """Whether a number in a text is one by itself, going by the characters before and after it."""
    if found["sign"] and re.search(r"[0-9)][ \t]+\Z", before):
        return False
    if re.search(r"(?:\A|\n)[ \t]*\Z", before) and re.match(r"[.)][ \t]+\S", after) and len(found[0]) < 3:
        return False  # The number of an item in a list.
    if not found["sign"] and _BEFORE.search(before):
        colon = re.search(r"(?<![0-9]):\Z", before)
        return bool(colon) and not _AFTER.match(after)
    word = _ALPHABETIC.match(after)
    return not _AFTER.match(after) and (word is None or word[0] in _GLUED)
