"""Small worlds in English: days of the week, units, comparing numbers, sorting words, and who is taller than whom. Each is a form of words that is read back
by one pattern, with an answer that is computed."""

import random
import re
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

from pydantic import Field, model_validator

from autotelic.answers.numbers import canonical_number, only_number
from autotelic.answers.places import UNMARKED, find, spoken
from autotelic.errors import DataError
from autotelic.tasks.columns import PART
from autotelic.worlds.base import Longest, Span, check_span
from autotelic.worlds.english.base import PLACES, EnglishKnobs, EnglishWorld
from autotelic.worlds.english.stories import names, things

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December")
LONGEST_WALK = 20
"""Days between two dates of one month, at most."""
SIZES: tuple[tuple[str, str, int], ...] = (
    ("meters", "centimeters", 100), ("kilometers", "meters", 1000), ("centimeters", "millimeters", 10), ("kilograms", "grams", 1000),
    ("liters", "milliliters", 1000), ("hours", "minutes", 60), ("minutes", "seconds", 60), ("days", "hours", 24), ("weeks", "days", 7),
    ("years", "months", 12), ("dollars", "cents", 100), ("feet", "inches", 12), ("yards", "feet", 3),
)  # fmt: skip
"""Units, the smaller ones that they are made of, and how many."""
THAN = {"taller": "shorter", "older": "younger", "faster": "slower", "heavier": "lighter"}


def matched(form: str, world: str, prompt: str) -> re.Match[str]:
    """A problem as a form of words; DataError where it has another."""
    found = re.fullmatch(form, prompt) if len(prompt) < 2000 else None
    if found is None:
        raise DataError(f"not a problem of the world {world!r}: {prompt[:80]!r}")
    return found


def named(text: str, choices: Sequence[str]) -> list[str]:
    """Those of some words that a text has, in order of the text, in any case."""
    known = {choice.lower(): choice for choice in choices}
    return [known[word] for word in re.findall(r"[a-z]+", text.lower()) if word in known]


def chosen(text: str, choices: Sequence[str]) -> str | None:
    """The one of some words that a completion gives as its answer: what is marked holds no other, and of a last line it is the last."""
    found = find(text, PLACES)
    words = named(found.text, choices) if found else []
    return words[-1] if found and words and (found.place in UNMARKED or len(set(words)) == 1) else None


def behind(extra: int, examples: Sequence[str], knobs: EnglishKnobs, most: int) -> Longest:
    """Bounds of a problem of at most `most` characters with a solution of at most `extra`."""
    return Longest(most + len(knobs.ask) + sum(len(text) + len(knobs.ask) + extra + 10 for text in examples[: knobs.shots]), extra)


class WeekdaysKnobs(EnglishKnobs):
    """Difficulty of days."""

    days: Span = (2, 10)
    """How far the other day is."""

    @model_validator(mode="after")
    def _fits(self) -> "WeekdaysKnobs":
        check_span("days", self.days, 2, 1000)
        return self


class Weekdays(EnglishWorld[WeekdaysKnobs]):
    """Which day of the week it is some days before or after another; tags: part (from today, from a date)."""

    name = "weekdays"
    settings = WeekdaysKnobs
    examples = (
        "Today is Monday. Which day of the week will it be in 3 days?",
        "Today is Friday. Which day of the week was it 2 days ago?",
        "Today is Thursday. Which day of the week will it be in 9 days?",
        "March 4 is a Sunday. Which day of the week is March 9?",
    )

    def draw(self, rng: random.Random, knobs: WeekdaysKnobs) -> tuple[str, dict[str, Any]]:
        """Any day, any distance, either direction."""
        day, count = rng.choice(DAYS), rng.randint(*knobs.days)
        if count <= LONGEST_WALK and rng.random() < 0.75:
            start, month = rng.randint(1, 28 - count), rng.choice(MONTHS)
            one, other = rng.sample((start, start + count), 2)
            return f"{month} {one} is a {day}. Which day of the week is {month} {other}?", {PART: "from a date"}
        asked = rng.choice((f"will it be in {count} days", f"was it {count} days ago"))
        return f"Today is {day}. Which day of the week {asked}?", {PART: "from today"}

    def solve(self, prompt: str) -> str:
        """Whole weeks are left out, and the rest is counted."""
        days, months = "|".join(DAYS), "|".join(MONTHS)
        form = rf"Today is ({days})\. Which day of the week (?:will it be in ([0-9]{{1,6}}) days|was it ([0-9]{{1,6}}) days ago)\?"
        dated = rf"({months}) ([0-9]{{1,2}}) is a ({days})\. Which day of the week is \1 ([0-9]{{1,2}})\?"
        if found := re.fullmatch(dated, self.problem(prompt)):
            day, count = found[3], int(found[4]) - int(found[2])
        else:
            day, later, earlier = matched(form, self.name, self.problem(prompt)).groups()
            count = int(later) if later else -int(earlier)
        step = -1 if count < 0 else 1
        walk = [DAYS[(DAYS.index(day) + step * place) % 7] for place in range(abs(count) % 7 + 1)]
        return f"{abs(count)} days: {', '.join(walk)}\nAnswer: {walk[-1]}"

    def parse(self, text: str) -> str | None:
        """A day of the week."""
        return chosen(text, DAYS)

    def bounds(self, knobs: WeekdaysKnobs) -> Longest:
        """See `behind`."""
        return behind(120, self.examples, knobs, 90)


class UnitsKnobs(EnglishKnobs):
    """Difficulty of units."""

    largest: int = Field(20, ge=2, le=1000)
    """Of the number of the larger unit."""


class Units(EnglishWorld[UnitsKnobs]):
    """A length, a weight or a time in another unit; tags: part (to smaller ones, to larger ones, of two)."""

    name = "units"
    settings = UnitsKnobs
    examples = (
        "How many centimeters are 7 meters?",
        "How many hours are 360 minutes?",
        "How many months are 2 years and 5 months?",
        "How many kilograms are 7000 grams?",
    )

    def draw(self, rng: random.Random, knobs: UnitsKnobs) -> tuple[str, dict[str, Any]]:
        """Any unit, any number, from the larger one, from the smaller one, or from both together."""
        (large, small, size), count = rng.choice(SIZES), rng.randint(2, knobs.largest)
        kind = rng.choice(("to smaller", "to larger", "two units"))
        if kind == "to larger":
            return f"How many {large} are {count * size} {small}?", {PART: kind}
        more = f" and {rng.randint(2, size - 1)} {small}" if kind == "two units" else ""
        return f"How many {small} are {count} {large}{more}?", {PART: kind}

    def solve(self, prompt: str) -> str:
        """One product or quotient, and a sum where there is a rest."""
        found = matched(r"How many (\w+) are ([0-9]{1,9}) (\w+)(?: and ([0-9]{1,9}) (\w+))?\?", self.name, self.problem(prompt))
        wanted, count, given, more, other = found.groups()
        sizes = {(large, small): size for large, small, size in SIZES}
        if (size := sizes.get((given, wanted))) and other in (None, wanted):
            lines = [
                f"{count} * {size} = {int(count) * size}",
                *([f"{int(count) * size} + {more} = {int(count) * size + int(more)}"] if more else []),
            ]
        elif (size := sizes.get((wanted, given))) and not more and int(count) % size == 0:
            lines = [f"{count} / {size} = {int(count) // size}"]
        else:
            raise DataError(f"not a problem of the world {self.name!r}: {prompt[:80]!r}")
        return "\n".join([*lines, f"Answer: {lines[-1].rpartition(' ')[2]}"])

    def bounds(self, knobs: UnitsKnobs) -> Longest:
        """See `behind`."""
        return behind(80, self.examples, knobs, 90)


class ComparingKnobs(EnglishKnobs):
    """Difficulty of comparing."""

    numbers: Span = (2, 4)
    decimals: int = Field(2, ge=0, le=6)
    """Most digits behind the point."""
    largest: int = Field(20, ge=2, le=10**6)

    @model_validator(mode="after")
    def _fits(self) -> "ComparingKnobs":
        check_span("numbers", self.numbers, 2, 10)
        return self


class Comparing(EnglishWorld[ComparingKnobs]):
    """The largest or smallest of some numbers, many of them close together; tags: part (how many)."""

    name = "comparing"
    settings = ComparingKnobs
    examples = (
        "Which of these numbers is the largest: 3.4, 3.12?",
        "Which of these numbers is the smallest: 5, 4.95, 5.1?",
        "Which of these numbers is the largest: 15, 8, 11?",
        "Which of these numbers is the smallest: 0.3, 0.25?",
    )

    def draw(self, rng: random.Random, knobs: ComparingKnobs) -> tuple[str, dict[str, Any]]:
        """Different numbers that share their whole part half the time, and the largest or the smallest."""
        count, whole = rng.randint(*knobs.numbers), rng.randrange(knobs.largest)
        found: dict[Fraction, str] = {}
        while len(found) < count:
            digits = rng.randint(0, knobs.decimals)
            start = whole if digits and rng.random() < 0.5 else rng.randrange(knobs.largest + count)
            text = f"{start}.{rng.randrange(10**digits):0{digits}d}".rstrip("0").rstrip(".") if digits else str(start)
            found.setdefault(Fraction(text), text)
        return f"Which of these numbers is the {rng.choice(('largest', 'smallest'))}: {', '.join(found.values())}?", {PART: f"{count} numbers"}

    def _listed(self, prompt: str) -> tuple[str, list[str]]:
        form = r"Which of these numbers is the (largest|smallest): ((?:[0-9]{1,9}(?:\.[0-9]{1,9})?(?:, |(?=\?))){2,10})\?"
        which, listed = matched(form, self.name, self.problem(prompt)).groups()
        return which, listed.split(", ")

    def solve(self, prompt: str) -> str:
        """The numbers in order, then the one that is asked for."""
        which, found = self._listed(prompt)
        ordered = sorted(found, key=Fraction, reverse=which == "largest")
        return f"{' > '.join(ordered) if which == 'largest' else ' < '.join(ordered)}\nAnswer: {ordered[0]}"

    def identity(self, prompt: str) -> object:
        """The numbers in any order."""
        which, found = self._listed(prompt)
        return which, sorted(found)

    def parse(self, text: str) -> str | None:
        """The number that is marked; of a last line the only one, or the one that is said to be larger or smaller than others."""
        found = find(text, PLACES)
        if found is None or found.place not in UNMARKED:
            return super().parse(text)
        said = re.search(r"([0-9][0-9.,]*)\W* is (?:the )?(?:largest|smallest|larger|smaller|greatest|greater|biggest|bigger)\b", found.text)
        return canonical_number(said[1].rstrip(".,")) if said else only_number(found.text)

    def bounds(self, knobs: ComparingKnobs) -> Longest:
        """See `behind`."""
        longest = knobs.numbers[1] * (len(str(knobs.largest)) + knobs.decimals + 5)
        return behind(longest + 30, self.examples, knobs, longest + 50)


class SortingKnobs(EnglishKnobs):
    """Difficulty of sorting."""

    words: Span = (3, 5)

    @model_validator(mode="after")
    def _fits(self) -> "SortingKnobs":
        check_span("words", self.words, 2, 20)
        return self


class Sorting(EnglishWorld[SortingKnobs]):
    """Words in alphabetical order; tags: part (how many)."""

    name = "sorting"
    settings = SortingKnobs
    examples = (
        "Sort these words in alphabetical order: plums, apples, kiwis.",
        "Sort these words in alphabetical order: goats, cows, horses, ducks.",
        "Sort these words in alphabetical order: books, balls, beans.",
        "Sort these words in alphabetical order: toys, cups, shells, coins, pens.",
    )

    def draw(self, rng: random.Random, knobs: SortingKnobs) -> tuple[str, dict[str, Any]]:
        """Different words of the stories."""
        count = rng.randint(*knobs.words)
        return f"Sort these words in alphabetical order: {', '.join(rng.sample(things(), count))}.", {PART: f"{count} words"}

    def _listed(self, prompt: str) -> list[str]:
        form = r"Sort these words in alphabetical order: ([a-z]{1,30}(?:, [a-z]{1,30})+)\."
        return matched(form, self.name, self.problem(prompt))[1].split(", ")

    def solve(self, prompt: str) -> str:
        """The words in their order."""
        return f"Answer: {', '.join(sorted(self._listed(prompt)))}"

    def identity(self, prompt: str) -> object:
        """The words in any order."""
        return sorted(self._listed(prompt))

    def parse(self, text: str) -> str | None:
        """The words of what is marked, or of a list with an item a line, or of the last line behind its colon; joined by commas."""
        found = find(text, (*PLACES[:2], "answer-block", "tag", "line"))
        if found is None:
            return None
        items = re.findall(r"(?m)^\s*(?:[0-9]+[.)]|[-*•])\s+\W*([A-Za-z]+)\W*$", found.text if found.place not in UNMARKED else spoken(text) or "")
        line = next((line for line in found.text.splitlines() if line.strip()), "").rpartition(":")[2]
        words = items if len(items) > 1 else re.findall("[A-Za-z]+", re.sub(r"\band\b", ",", line)) if "," in line else []
        return ", ".join(words).lower() or None

    def bounds(self, knobs: SortingKnobs) -> Longest:
        """See `behind`."""
        return behind(knobs.words[1] * 18 + 8, self.examples, knobs, knobs.words[1] * 18 + 45)


class OrderingKnobs(EnglishKnobs):
    """Difficulty of orders."""

    people: Span = (3, 4)

    @model_validator(mode="after")
    def _fits(self) -> "OrderingKnobs":
        check_span("people", self.people, 3, 10)
        return self


class Ordering(EnglishWorld[OrderingKnobs]):
    """Yes or no: whether one is taller than another, told by neighbors in the order, in any order of sentences; tags: part (how many people)."""

    name = "ordering"
    settings = OrderingKnobs
    examples = (
        "Ann is taller than Ben. Ben is taller than Carl. Is Ann taller than Carl?",
        "Dan is older than Amy. Finn is older than Dan. Is Amy older than Finn?",
        "Gus is faster than Hal. Ian is faster than Gus. Is Hal slower than Ian?",
        "Jim is heavier than Kay. Kay is heavier than Lou. Is Lou heavier than Jim?",
    )

    def draw(self, rng: random.Random, knobs: OrderingKnobs) -> tuple[str, dict[str, Any]]:
        """People in an order, and a question about two of them that are no neighbors, with yes and no equally likely."""
        girls, boys = names()
        people = rng.sample([*girls, *boys], rng.randint(*knobs.people))
        more, less = rng.choice(list(THAN.items()))
        told = [f"{one} is {more} than {other}." for one, other in pairwise(people)]
        rng.shuffle(told)
        first = rng.randrange(len(people) - 2)
        pair = [people[first], people[rng.randrange(first + 2, len(people))]]
        rng.shuffle(pair)
        return f"{' '.join(told)} Is {pair[0]} {rng.choice((more, less))} than {pair[1]}?", {PART: f"{len(people)} people"}

    def solve(self, prompt: str) -> str:
        """All in their order, then the answer."""
        word = "|".join([*THAN, *THAN.values()])
        form = rf"((?:[A-Z][a-z]{{1,11}} is (?:{word}) than [A-Z][a-z]{{1,11}}\. ){{2,9}})Is (\w+) ({word}) than (\w+)\?"
        told, one, asked, other = matched(form, self.name, self.problem(prompt)).groups()
        facts = re.findall(r"(\w+) is (\w+) than (\w+)\.", told)
        more = facts[0][1]
        after = {first: second for first, _, second in facts}
        order = [first for first in after if first not in after.values()][:1]
        while order and order[-1] in after and len(order) <= len(facts):
            order.append(after[order[-1]])
        complete = len(set(order)) == len(facts) + 1 and one != other and {one, other} <= set(order)
        if not complete or {fact[1] for fact in facts} != {more} or asked not in (more, THAN.get(more)):
            raise DataError(f"not a problem of the world {self.name!r}: {prompt[:80]!r}")
        right = (order.index(one) < order.index(other)) == (asked == more)
        return f"Each is {more} than the next: {', '.join(order)}\nAnswer: {'yes' if right else 'no'}"

    def parse(self, text: str) -> str | None:
        """Yes or no, marked, or as the first word, or in the last line."""
        found = find(text, PLACES)
        opening = re.match(r"\W*(yes|no)\b", spoken(text) or "", re.IGNORECASE)
        return opening[1].lower() if opening and found and found.place in UNMARKED else chosen(text, ("yes", "no"))

    def bounds(self, knobs: OrderingKnobs) -> Longest:
        """See `behind`."""
        return behind(knobs.people[1] * 13 + 60, self.examples, knobs, knobs.people[1] * 45)
