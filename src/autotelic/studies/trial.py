"""One trial of a study in a process of its own: `python -m autotelic.studies.trial STUDY --seed N key=value ...` prints its numbers, step by step, as JSON."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from autotelic.errors import AutotelicError, SettingError
from autotelic.runs.checking import checked
from autotelic.runs.settings import apply
from autotelic.runs.trying import tried
from autotelic.studies.registry import find
from autotelic.systems.study import Trial

MODULE = "autotelic.studies.trial"


def read(name: str, settings: Mapping[str, Any]) -> Trial:
    """The trial of a study with the settings of an arm.

    Raises:
        SettingError: the study is made of runs, or a setting is unknown or does not fit.
    """
    kind = find(name).trial
    if kind is None:
        raise SettingError(f"study {name!r} is made of runs; autotelic replicate {name}")
    return checked(kind, settings)


def main(words: Sequence[str]) -> int:
    """Take the numbers and print them; an error the user can act on is one line on stderr."""
    try:
        name, option, seed, *overrides = words
        if option != "--seed":
            raise ValueError
        number = int(seed)
    except ValueError:
        print(f"usage: python -m {MODULE} STUDY --seed N key=value ...", file=sys.stderr)
        return 2
    try:
        print(json.dumps(tried(read(name, apply({}, overrides)), number)))
    except AutotelicError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
