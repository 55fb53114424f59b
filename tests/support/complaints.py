"""What tests of bad input share: the environment of a process, files of lines, and the parts of a complaint."""

import os
from pathlib import Path

import autotelic

ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(autotelic.__file__).parents[1])}


def lines(path: Path, *records: str, encoding: str = "utf-8", end: str = "\n") -> Path:
    """A text file."""
    path.write_bytes("".join(record + end for record in records).encode(encoding))
    return path


def names(complaint: str, *parts: object) -> None:
    """Every part stands in the complaint."""
    for part in parts:
        assert str(part) in complaint, complaint
