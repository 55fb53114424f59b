"""The tasks of a run: a world by name, or a file, folder or data set read as the settings say. No pool, and nothing of a model."""

import sys
from pathlib import Path

from autotelic.bases.specs import BASES
from autotelic.errors import DataError, SettingError, nearest
from autotelic.runs.framing import template_of
from autotelic.runs.settings import RunSettings
from autotelic.tasks.columns import Columns, read
from autotelic.tasks.file_world import FileWorld
from autotelic.tasks.language import ENGLISH, Language
from autotelic.types import World
from autotelic.worlds import WORLDS, known_worlds, open_world


def open_tasks(spec: str, settings: RunSettings, probe_share: float = 0.1) -> World:
    """A world by name, or the tasks of a file, folder or data set, of which a share is held out as the split "probe"."""
    if is_world(spec):
        return open_world(spec, settings.texts)
    columns = Columns(settings.prompt_column, settings.answer_column, settings.slice_column, template_of(settings))
    try:
        found = read(spec, columns)
    except DataError as error:
        raise DataError(f"{error}; nor is it a world; {nearest(spec, known_worlds())}") if is_word(spec) else error from error
    if found.note:
        print(f"note: {found.note}", file=sys.stderr)
    return FileWorld(
        found.tasks, verifier=settings.verifier, probe_share=probe_share, name=Path(spec).name, repeated=found.repeated, prompt_column=found.columns.prompt,
        texts=settings.texts, language=spoken(settings),
    )  # fmt: skip


def spoken(settings: RunSettings) -> Language | None:
    """The language of a world in which roles are asked about a task file; None: English."""
    speaking = {name: language for name, made in WORLDS.items() if (language := getattr(made, "language", None))}
    if settings.language is None:
        return speaking.get(BASES[settings.model].tasks.split("?")[0]) if settings.model in BASES else None
    if settings.language not in (ENGLISH, *speaking):
        raise SettingError(f"language = {settings.language!r}: {nearest(settings.language, [ENGLISH, *speaking])}")
    return speaking.get(settings.language)


def is_world(spec: str) -> bool:
    """Whether a tasks spec names a generated world rather than a file or a data set."""
    return spec.split("?")[0] in known_worlds() or spec.startswith("reasoning-gym:")


def is_word(spec: str) -> bool:
    """Whether a tasks spec that cannot be read may have been meant as a world: no path, no file name."""
    return not Path(spec).exists() and "/" not in spec and "." not in spec
