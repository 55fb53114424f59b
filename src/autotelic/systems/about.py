"""What is said of a system without running it, so that lists need not load what it runs on. Decorators make it; the index keeps it."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["recipe", "variation", "way"]
"""A recipe has rounds of its own, a variation is a recipe with other settings or one step otherwise, a way answers and learns nothing."""
KINDS: dict[str, str] = {
    "recipe": "trains in rounds of its own",
    "variation": "a recipe with other settings, or with one step done otherwise",
    "way": "a way of answering, that learns nothing",
    "study": "an analysis: arms of systems that are here already",
}
"""What a name of the catalogue can be."""


@dataclass(frozen=True, slots=True)
class About:
    """What the registry and the reports say of a system."""

    name: str
    system: str
    """The published system, by the name its authors gave it."""
    paper: str
    family: str
    """One of `families.FAMILIES`, or a word of the user's own."""
    line: str
    """What it does, in one line."""
    catalogue: tuple[int, ...] = ()
    """Ids of the catalogue rows it implements."""
    proxy: str | None = None
    """The metric the method optimizes, to be held against the truth."""
    needs_answers: bool = False
    """Whether it reads gold answers. Where it does not, they are out of its round's reach (`rounds.sealed`)."""
    preferences: bool = False
    """Whether it trains on preferences that tasks carry (`tasks.preferences`). These are then open to its round, as all that is gold is."""
    environment: bool = False
    """Whether the world verifies answers to tasks that the run itself made, as an interpreter does that runs a proposed program."""
    seeds: str = ""
    """The labeled tasks that the published system begins with, in words. Tasks of its pool with the tag `seed` are then open to its round."""
    model: str = "chain-medium"
    """Shipped base model it runs with when none is given."""
    tasks: str = "chain"
    """World it runs on when no tasks are given."""
    kind: Kind = "recipe"
    oracle: bool = False
    """Of a way: whether it asks what is true, as by tests or rewards, while it answers."""
    of: str | None = None
    """Name of the recipe that a variation varies."""


def first_line(cls: type, otherwise: str) -> str:
    """The first line of a class's docstring."""
    return (cls.__doc__ or otherwise).strip().splitlines()[0]
