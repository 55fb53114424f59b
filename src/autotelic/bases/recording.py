"""Writes `records.json`: `python -m autotelic.bases.recording [NAME ...]` makes these bases (none: all) from nothing and takes the time. One that the
source tree has stays as it is there, so that results that were measured with it hold; one that it lacks is put there.

Not what reads the records: that is `records`.
"""

import json
import shutil
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from autotelic.bases.making import make
from autotelic.bases.places import SHIPPED
from autotelic.bases.records import Record, folder_bytes, records, weights_digest
from autotelic.bases.specs import BASES, find_spec

FILE = Path(__file__).with_name("records.json")


def text(found: dict[str, Record]) -> str:
    """The file: a line for every base, in the order of the specs."""
    rows = ",\n".join(f"{json.dumps(name)}: {json.dumps(found[name]._asdict())}" for name in BASES if name in found)
    return f"{{\n{rows}\n}}\n"


def measured(name: str) -> Record:
    """The record of a base; says whether today's code gives the weights of the source tree."""
    began, folder = time.process_time(), SHIPPED / name
    with TemporaryDirectory() as scratch:
        made = Path(scratch) / name
        make(find_spec(name), made)
        seconds = round(time.process_time() - began)
        if not folder.exists():
            shutil.copytree(made, folder)
        found, again = weights_digest(folder), weights_digest(made)
    print(f"{name}: {seconds} s, {'the same weights' if found == again else 'other weights'}", flush=True)
    return Record(found, folder_bytes(folder), seconds)


def main(names: list[str]) -> None:
    """Measure these bases, and write the file after each."""
    found = dict(records())
    for name in names or BASES:
        found[name] = measured(name)
        FILE.write_text(text(found), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
