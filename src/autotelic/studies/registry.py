"""Finds what studies are declared: every module `study` beside a system, and where its results are kept. Lists are read from the index of systems."""

import importlib
from functools import cache
from pathlib import Path

from autotelic.errors import SettingError, nearest
from autotelic.systems import index
from autotelic.systems.study import Study, StudyOutcome


@cache
def declared() -> dict[str, Study]:
    """All studies by name. Loads every one of them: for tests and pages."""
    found = [study_in(name) for name in index.modules() if index.studies_in(name.rpartition(".")[2])]
    return dict(sorted((study.system, study) for study in found))


def study_in(module: str) -> Study:
    """The study that a module declares."""
    study: Study = importlib.import_module(module).STUDY
    return study


def results_of(system: str) -> Path:
    """The file of the committed results of a study: beside the module that declares it, which a wheel leaves out."""
    path = Path(str(importlib.import_module(index.studies()[system].module).__file__))
    return path.with_name(path.stem.replace("study", "results") + ".json")


def find(system: str) -> Study:
    """A study by its name; of the listed ones only the one asked for is loaded.

    Raises:
        SettingError: there is none; names the nearest.
    """
    listed = index.studies().get(system)
    if listed and (study := study_in(listed.module)).system == system:
        return study
    if system not in declared():
        raise SettingError(f"no study {system!r}; {nearest(system, declared())}")
    return declared()[system]


def outcome_of(name: str) -> StudyOutcome | None:
    """The best outcome of the studies of a system, or of a study that is one itself; None where none has been run."""
    seen = {study.outcome for study in index.studies().values() if name in study.recipes or name == study.name}
    return next((outcome for outcome in ("replicated", "partly", "no") if outcome in seen), None)
