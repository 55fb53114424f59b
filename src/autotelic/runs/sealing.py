"""Digests by which damage is noticed: a round's files in its manifest, a JSON document inside itself.

They find what a disk lost or a hand changed. They are no protection against somebody who changes the digests too.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from autotelic.errors import DataError
from autotelic.jsonfiles import read_json, write_json

MANIFEST = "manifest.json"
_hash = partial(hashlib.blake2b, digest_size=16)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a round held when it was committed, and which of it has been dropped since."""

    run: str
    """The fingerprint of the run it belongs to."""
    files: Mapping[str, str]
    """Digests of its files by name."""
    dropped: tuple[str, ...] = ()
    """Files that are gone on purpose: weights of rounds that are not the newest."""

    @property
    def kept(self) -> list[str]:
        """The names of the files that must be there."""
        return [name for name in self.files if name not in self.dropped]


def digest_of(value: Any) -> str:
    """The digest of a JSON value, whatever the order of its keys."""
    return _hash(json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":")).encode()).hexdigest()


def digest(path: Path) -> str:
    """The digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, _hash).hexdigest()


def write_sealed(path: Path, value: Mapping[str, Any]) -> None:
    """One JSON object with a digest of itself, whole or not at all."""
    write_json(path, {**value, "digest": digest_of(value)})


def read_sealed(path: Path) -> dict[str, Any]:
    """The inverse of `write_sealed`. An object without a digest, such as one written by hand, is taken as it is.

    Raises:
        DataError: no such file, not one JSON object, or not what was written.
    """
    raw = read_json(path)
    written = raw.pop("digest", None)
    if written is not None and written != digest_of(raw):
        raise DataError(f"{path}: has changed since it was written")
    return raw


def write_manifest(folder: Path, run: str, known: Mapping[str, str]) -> None:
    """Seal the files of a folder for the run of that fingerprint; the digests of some are `known`."""
    names = sorted(path.name for path in folder.iterdir())
    _write(folder, Manifest(run, {name: known.get(name) or digest(folder / name) for name in names}))


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a folder.

    Raises:
        DataError: there is none, or it is damaged.
    """
    path = folder / MANIFEST
    raw = read_json(path)
    if not {"run", "files", "dropped", "digest"} <= raw.keys() or raw.pop("digest") != digest_of(raw):
        raise DataError(f"{path}: has changed since it was written")
    return Manifest(raw["run"], raw["files"], tuple(raw["dropped"]))


def drop(folder: Path, names: Iterable[str]) -> None:
    """Remove files on purpose: the manifest says so before they go. A manifest that is damaged stays as it is."""
    names = sorted(names)
    with suppress(DataError):
        manifest = read_manifest(folder)
        _write(folder, Manifest(manifest.run, manifest.files, tuple(sorted({*manifest.dropped, *names}))))
    for name in names:
        (folder / name).unlink(missing_ok=True)


def intact(path: Path) -> bool:
    """Whether a file of a sealed folder is what was written."""
    try:
        return read_manifest(path.parent).files[path.name] == digest(path)
    except (DataError, KeyError, OSError):
        return False


def fault(folder: Path, run: str, names: Callable[[str], bool] | None = None) -> str | None:
    """What is wrong with a folder sealed for a run, or with those of its files whose names pass; None where they are what was written."""
    if not folder.is_dir():
        return f"{folder}: is missing"
    try:
        manifest = read_manifest(folder)
        if manifest.run != run:
            return f"{folder}: is of a run with other settings"
        for name in filter(names, manifest.kept):
            if not (folder / name).exists():
                return f"{folder / name}: is missing"
            if digest(folder / name) != manifest.files[name]:
                return f"{folder / name}: has changed since it was written"
    except DataError as error:
        return str(error)
    except OSError as error:
        return f"{error.filename or folder}: cannot be read: {error.strerror}"
    return None


def _write(folder: Path, manifest: Manifest) -> None:
    write_sealed(folder / MANIFEST, {"run": manifest.run, "files": dict(manifest.files), "dropped": list(manifest.dropped)})
