"""The catalogue: every published system that was surveyed, and how far it has come here. The state is read from systems and studies, never typed."""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

from autotelic.studies.registry import outcome_of
from autotelic.systems import index
from autotelic.systems.about import KINDS

State = Literal["replicated", "partly", "not seen", "runs", "open"]
STATES: dict[State, str] = {
    "replicated": "a study shows what the paper says moves",
    "partly": "a study shows part of it",
    "not seen": "it runs, a study was made, and what the paper says did not show",
    "runs": "it runs, and no study of it has been run",
    "open": "it is not here",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One system of the catalogue."""

    id: int
    system: str
    title: str
    """Title of its paper."""
    family: str
    """One of `systems.families.FAMILIES`."""
    kind: str | None
    """One of `systems.about.KINDS`: what it is here, of several the first; None where it is not here."""
    state: State
    names: tuple[str, ...]
    """Names by which it is run: of recipes, variations, ways and studies."""


@cache
def catalogue() -> tuple[Entry, ...]:
    """All systems in the order of their ids."""
    text = (files("autotelic.studies") / "catalogue.csv").read_text(encoding="utf-8")
    here = names_by_id()
    return tuple(entry(row, here.get(int(row["id"]), {})) for row in csv.DictReader(text.splitlines()))


def names_by_id() -> dict[int, dict[str, str]]:
    """What stands for each id of the catalogue: kinds by name."""
    found: dict[int, dict[str, str]] = {}
    kinds = [(one.about.catalogue, one.about.name, one.about.kind) for one in index.systems().values()]
    for ids, name, kind in (*kinds, *((study.catalogue, study.name, "study") for study in index.studies().values())):
        for number in ids:
            found.setdefault(number, {})[name] = kind
    return found


def entry(row: dict[str, str], here: dict[str, str]) -> Entry:
    """A row of the file with what stands for it here, kinds by name."""
    kind = next((kind for kind in KINDS if kind in here.values()), None)
    return Entry(int(row["id"]), row["system"], row["title"], row["family"], kind, state(tuple(here)), tuple(here))


def state(names: tuple[str, ...]) -> State:
    """How far a system has come that these names stand for: the best that a study of one of them shows."""
    outcomes = [outcome_of(name) for name in names]
    words: dict[str, State] = {"replicated": "replicated", "partly": "partly", "no": "not seen"}
    return next((word for outcome, word in words.items() if outcome in outcomes), "runs" if names else "open")


def search(query: str) -> list[Entry]:
    """Systems whose id, name, title, family, kind, state or names hold every word of `query`, whatever the case."""
    words = query.lower().split()
    texts = ((one, " ".join([str(one.id), one.system, one.title, one.family, one.kind or "", one.state, *one.names]).lower()) for one in catalogue())
    return [one for one, text in texts if all(word in text for word in words)]
