"""What a committed round holds, to be compared between runs."""

import json
from pathlib import Path

from autotelic.runs.sealing import MANIFEST


def contents(folder: Path, number: int) -> dict[str, bytes]:
    """The files of a committed round, without what depends on the clock, and the manifest, which depends on that."""
    files = {path.name: path.read_bytes() for path in sorted((folder / "rounds" / f"{number:05d}").iterdir()) if path.name != MANIFEST}
    metrics = json.loads(files.pop("metrics.json"))["metrics"]
    timeless = {name: value for name, value in metrics.items() if not name.startswith("seconds/")}
    state = json.loads(files.pop("state.json"))
    for seconds in ("sampling", "learning"):
        state["meter"].pop(seconds)
    return {**files, "metrics": json.dumps(timeless, sort_keys=True).encode(), "state": json.dumps(state, sort_keys=True).encode()}
