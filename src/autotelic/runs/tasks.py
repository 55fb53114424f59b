"""The tasks of a run: a world by name, a file, folder or data set read as the settings say, or a mix of these. No pool, and nothing of a model."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from autotelic.bases.specs import BASES
from autotelic.errors import DataError, SettingError, harmless, nearest
from autotelic.runs.framing import template_of
from autotelic.runs.settings import RunSettings
from autotelic.tasks.columns import Columns, read
from autotelic.tasks.file_world import FileWorld
from autotelic.tasks.language import ENGLISH, Language
from autotelic.tasks.mixing import MixedWorld, Part, news
from autotelic.types import LARGEST, Task, World
from autotelic.worlds import WORLDS, known_worlds, open_world

PLUS = re.compile(r"(?:^|\s+)\+(?:\s+|$)")
"""Between sources. Knobs of worlds may have a plus sign, without spaces."""
NUMBER = re.compile(r"-?[0-9]*\.?[0-9]+")


def open_tasks(spec: str, settings: RunSettings, probe_share: float = 0.1) -> World:
    """A world by name, the tasks of a file, folder or data set, or several of these mixed by weight. Of files a share is held out as the split "probe"."""
    found = sources(spec)
    if len(found) == 1:
        return open_source(spec, Path(spec).name, settings, probe_share, {})
    before: dict[int, Task] = {}
    parts = [Part(name, one.weight, open_source(one.spec, name, settings, probe_share, before)) for name, one in named(found).items()]
    mixed = MixedWorld(parts, texts=settings.texts, language=spoken(settings))
    columns = {part.world.prompt_column: part.name for part in parts if isinstance(part.world, FileWorld)}
    if settings.template is not None and len(columns) > 1:
        (one, first), (other, second), *_ = columns.items()
        raise SettingError(
            f"template: the prompt of {first} is in the column {one!r} and that of {second} in {other!r}; mixed files need one name for it"
        )
    return mixed


def open_source(spec: str, name: str, settings: RunSettings, probe_share: float, before: dict[int, Task]) -> World:
    """One source. Of a file the tasks that are not among those `before`."""
    if is_world(spec):
        return open_world(spec, settings.texts)
    columns = Columns(settings.prompt_column, settings.answer_column, settings.slice_column, template_of(settings))
    try:
        found = read(spec, columns)
    except DataError as error:
        raise hinted(error, spec) from error
    if found.note:
        print(f"note: {harmless(found.note)}", file=sys.stderr)
    tasks = list(news(found.tasks, before, columns.template))
    if repeated := len(found.tasks) - len(tasks):
        print(f"note: {harmless(name)}: {repeated} of {len(found.tasks)} tasks repeat prompts of files before it, and are left out", file=sys.stderr)
    if not tasks:
        raise DataError(f"{name}: all of its prompts are in files before it")
    return FileWorld(
        tasks, verifier=settings.verifier, probe_share=probe_share, name=name, repeated=found.repeated + repeated,
        prompt_column=found.columns.prompt, texts=settings.texts, language=spoken(settings),
    )  # fmt: skip


def hinted(error: DataError, spec: str) -> DataError:
    """The error of a spec that cannot be read, with what may have been meant."""
    several = [piece.strip() for piece in spec.split(",")]
    if len(several) > 1 and any(Path(piece).exists() or is_world(piece) for piece in several):
        return DataError(f"{error}; several sources are written {' + '.join(several)!r}")
    return DataError(f"{error}; nor is it a world; {nearest(spec, known_worlds())}") if is_word(spec) else error


class Source(NamedTuple):
    """One of the sources of a spec."""

    spec: str
    weight: float


def sources(spec: str) -> list[Source]:
    """The sources of a spec such as 'a.jsonl*2 + chain?ops=4': what there is under the whole name is one.

    Raises:
        SettingError: a source is empty or named twice, a weight is none, or a single source has one.
    """
    if Path(spec).exists():
        return [Source(spec, 1.0)]
    pieces = [piece.strip() for piece in PLUS.split(spec)]
    found = [source(piece, spec) for piece in pieces]
    if twice := [one.spec for place, one in enumerate(found) if one.spec in [other.spec for other in found[:place]]]:
        raise SettingError(f"tasks = {spec!r}: names {twice[0]!r} twice; a weight says how often: '{twice[0]}*2'")
    if len(found) == 1 and found[0].spec != spec.strip():
        raise SettingError(f"tasks = {spec!r}: a weight is beside that of another source: 'a.jsonl*2 + b.jsonl'")
    return found if len(found) > 1 else [Source(spec, 1.0)]


def source(piece: str, spec: str) -> Source:
    """A source with its weight, which is 1 where none is said."""
    if not piece:
        raise SettingError(f"tasks = {spec!r}: there is nothing beside a '+'; sources are written 'a.jsonl*2 + b.jsonl'")
    name, star, weight = (text.strip() for text in piece.rpartition("*"))
    if not star or Path(piece).exists():
        return Source(piece, 1.0)
    if NUMBER.fullmatch(weight) and 0 < float(weight) < LARGEST:
        return Source(name, float(weight))
    if NUMBER.fullmatch(weight) or Path(name).exists():
        raise SettingError(f"tasks = {spec!r}: the weight {weight!r} of {name!r} is no number above 0")
    return Source(piece, 1.0)


def named(found: Sequence[Source]) -> dict[str, Source]:
    """Sources by a name of their own: of a path the last part, or as many as tell it from the others."""
    depth = max(len(Path(one.spec).parts) for one in found)
    for kept in range(1, depth + 1):
        names = ["/".join(Path(one.spec).parts[-kept:]) if Path(one.spec).exists() else one.spec for one in found]
        if len(set(names)) == len(names):
            return dict(zip(names, found, strict=True))
    raise SettingError(f"tasks: {found[0].spec!r} is named twice; a weight says how often")


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
