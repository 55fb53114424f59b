"""What is known of each base as it was measured with: a digest of its weights, its size, how long it takes to make. Data in `records.json`, which
`recording` writes."""

import json
from functools import cache
from hashlib import blake2b
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple


class Record(NamedTuple):
    """One base."""

    weights: str
    """Digest of the weights with which the results of studies were measured; see `weights_digest`."""
    bytes: int
    """Size of its folder."""
    seconds: int
    """Time of one core to make it."""


@cache
def records() -> dict[str, Record]:
    """The records by the name of the base."""
    raw = json.loads((files("autotelic") / "bases" / "records.json").read_text(encoding="utf-8"))
    return {name: Record(**one) for name, one in raw.items()}


def weights_digest(folder: Path) -> str:
    """The digest of all weights of a model folder by name, type, shape and value, in whatever order its file has them."""
    from safetensors.numpy import load_file

    total = blake2b(digest_size=16)
    for name, values in sorted(load_file(folder / "model.safetensors").items()):
        total.update(f"{name} {values.dtype} {values.shape}".encode())
        total.update(values.tobytes())
    return total.hexdigest()


def folder_bytes(folder: Path) -> int:
    """The size of the files of a folder."""
    return sum(path.stat().st_size for path in folder.iterdir())


def differs(name: str, folder: Path) -> bool:
    """Whether a base has other weights than those with which the results of studies were measured."""
    known = records().get(name)
    return known is not None and known.weights != weights_digest(folder)
