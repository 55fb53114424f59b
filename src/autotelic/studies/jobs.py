"""One run or trial of a study before it is run: the words that make it, the digest of its settings, and the folder where it stands while it is under way."""

import json
import re
import shlex
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autotelic.errors import AutotelicError
from autotelic.runs.checking import checked
from autotelic.runs.reading import FREE
from autotelic.runs.sealing import digest as digest_of_file
from autotelic.runs.sealing import digest_of
from autotelic.runs.settings import literal, resolve
from autotelic.studies.results import FAILED, Row
from autotelic.studies.trial import MODULE as TRIAL
from autotelic.systems.study import Comparison

OPTIONS = ("model", "tasks", "probe", "rounds", "budget", "seed")
"""Settings that have an option of the command."""
SOURCES = ("recipe", "model", "tasks", "probe")
"""Settings that may name a file, whose bytes then count as settings do."""


@dataclass(frozen=True, slots=True)
class Job:
    """A run or a trial that is to be done."""

    arm: str
    seed: int
    words: list[str]
    """What follows `python -m`."""
    settings: str | None
    """The digest of what it is made with, the seed aside; None where its settings are refused, of which the run will tell."""
    folder: Path
    """Where its run directory stands until its row is written: what an interrupted study goes on with."""
    trial: bool

    def done_by(self, row: Row) -> bool:
        """Whether a row is what this would give: a sound run with the same settings, or, of a row without their digest, with the same command."""
        same = row.settings == self.settings if row.settings else row.command == shlex.join(self.words)
        return row.verdict != FAILED and same


def job_of(study: Comparison, arm: str, seed: int, scratch: Path) -> Job:
    """The run or trial of an arm with a seed, under way in `scratch`."""
    settings = settings_digest(study, arm)
    short = re.sub("[^a-z0-9]+", "-", arm.lower()).strip("-")[:32]
    folder = scratch / f"{short}-{seed}-{digest_of([arm, settings])[:12]}"
    return Job(arm, seed, words_of(study, arm, seed), settings, folder, study.trial is not None)


def settings_digest(study: Comparison, arm: str) -> str | None:
    """The digest of all settings of an arm, defaults too, and of the files that they name; None where they are refused."""
    given = study.arms[arm]
    with suppress(AutotelicError):
        parts = [checked(study.trial, given)] if study.trial else resolve(given)
        values = {key: value for part in parts for key, value in part.model_dump(mode="json").items() if key not in FREE}
        files = {key: digest_of_file(Path(values[key])) for key in SOURCES if values.get(key) and Path(values[key]).is_file()}
        return digest_of([values, files])
    return None


def words_of(study: Comparison, arm: str, seed: int) -> list[str]:
    """The words behind `python -m` that make a run or a trial again."""
    settings = study.arms[arm]
    if study.trial is None:
        return command(settings, seed)
    return [TRIAL, study.system, "--seed", str(seed), *(word for key, value in settings.items() for word in overrides(key, value))]


def command(settings: Mapping[str, Any], seed: int) -> list[str]:
    """The words of the command that makes a run: `autotelic run RECIPE ...`."""
    words = ["autotelic", "run", str(settings["recipe"]), "--seed", str(seed)]
    for key, value in settings.items():
        if key in OPTIONS:
            words += [f"--{key}", str(value)]
        elif key != "recipe":
            words += overrides(key, value)
    return words


def overrides(key: str, value: Any) -> list[str]:
    """Dotted overrides for a setting or a group of settings."""
    if isinstance(value, Mapping):
        return [word for inner, one in value.items() for word in overrides(f"{key}.{inner}", one)]
    return [f"{key}={value if isinstance(value, str) and literal(value) == value else json.dumps(value)}"]
