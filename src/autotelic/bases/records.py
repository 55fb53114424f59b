"""What is known of each base as it was measured with: a digest of its weights, its size, how long it takes to make. Data in `records.json`, which
`recording` writes."""

import json
from functools import cache
from hashlib import blake2b
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

TYPES = {"F32": "float32", "F16": "float16"}
"""Types of weights as digests name them."""


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
    from safetensors import deserialize  # that of safetensors.numpy loads numpy, which lists do without

    total = blake2b(digest_size=16)
    for name, values in sorted(deserialize((folder / "model.safetensors").read_bytes())):  # type: ignore[no-untyped-call]
        total.update(f"{name} {TYPES.get(values['dtype'], values['dtype'])} {tuple(values['shape'])}".encode())
        total.update(values["data"])
    return total.hexdigest()


def folder_bytes(folder: Path) -> int:
    """The size of the files of a folder."""
    return sum(path.stat().st_size for path in folder.iterdir())


def differs(name: str, folder: Path) -> bool:
    """Whether a base has other weights than those with which the results of studies were measured."""
    known = records().get(name)
    return known is not None and known.weights != weights_digest(folder)
