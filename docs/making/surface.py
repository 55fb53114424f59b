"""The table of the public names: where each comes from, how it is called, what it is."""

import inspect
from typing import Any

import autotelic
from making.systems import prose, rows


def table(_: str) -> str:
    """One row for every name of `autotelic.__all__`, in the order of the alphabet."""
    names = sorted(autotelic.__all__, key=lambda name: (name.lower(), name))
    return "\n".join(rows("name|module|what it is", (row(name, getattr(autotelic, name)) for name in names))) + "\n"


def row(name: str, value: Any) -> list[str]:
    """A name with its parameters, where it is a function."""
    call = f"({', '.join(inspect.signature(value).parameters)})" if inspect.isfunction(value) else ""
    said = "The worlds by name, to which others may be added." if name == "WORLDS" else (value.__doc__ or "").strip().partition("\n\n")[0]
    return [f"`{name}{call}`", f"`{autotelic._MODULES[name]}`", prose(said)]
