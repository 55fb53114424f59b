"""The catalogue: every published system that was surveyed, and how far it has come here. The state is read from recipes and replicas, never typed."""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

from autotelic.studies.registry import outcome_of
from autotelic.systems.registry import recipes

State = Literal["replicated", "partly", "runs", "open"]
STATES: dict[State, str] = {
    "replicated": "a replica shows what the paper says moves",
    "partly": "a replica shows part of it",
    "runs": "a recipe runs; no replica shows it, and where one was made and did not, the note says so",
    "open": "no recipe",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One system of the catalogue."""

    id: int
    system: str
    title: str
    """Title of its paper."""
    family: str
    recipes: tuple[str, ...]
    """Names of the recipes that implement it."""
    state: State
    note: str
    """What the state leaves out."""


@cache
def catalogue() -> tuple[Entry, ...]:
    """All systems in the order of their ids."""
    text = (files("autotelic.studies") / "catalogue.csv").read_text(encoding="utf-8")
    return tuple(entry(row) for row in csv.DictReader(text.splitlines()))


def entry(row: dict[str, str]) -> Entry:
    """A row of the file with what recipes and replicas say of it."""
    number = int(row["id"])
    names = tuple(name for name, cls in recipes().items() if number in cls.about.catalogue)
    return Entry(number, row["system"], row["title"], row["family"], names, *state(names))


def state(names: tuple[str, ...]) -> tuple[State, str]:
    """State and note of a system that these recipes implement: the best that a replica of one of them shows."""
    outcomes = [outcome_of(name) for name in names]
    for best in ("replicated", "partly"):
        if best in outcomes:
            return best, ""
    if not names:
        return "open", ""
    return "runs", "replica: no" if "no" in outcomes else "no replica"


def search(query: str) -> list[Entry]:
    """Systems whose name, title, family, state or recipe holds every word of `query`, whatever the case."""
    words = query.lower().split()
    texts = ((one, " ".join([str(one.id), one.system, one.title, one.family, one.state, *one.recipes]).lower()) for one in catalogue())
    return [one for one, text in texts if all(word in text for word in words)]
