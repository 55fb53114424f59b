"""The notebook in `examples`: kept without outputs, and runs from top to bottom; and runs that begin where an event loop runs already."""

import _thread
import asyncio
import os
import time
from pathlib import Path
from threading import Event, Thread

import pytest

import autotelic
from autotelic.runs.notebooks import beside_a_loop

NOTEBOOK = Path(__file__).parents[1] / "examples" / "first_run.ipynb"
SOURCE = str(Path(autotelic.__file__).parents[1])


@pytest.mark.slow
def test_the_notebook_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (SOURCE, os.environ.get("PYTHONPATH")))))
    book = nbformat.read(NOTEBOOK, as_version=4)
    assert all(not cell.get("outputs") for cell in book.cells)
    nbclient.NotebookClient(book, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    first, verdict, rounds, _, own, evaluation = [cell for cell in book.cells if cell.cell_type == "code"]
    assert "easy-to-hard" in told(first) and told(verdict).startswith("improved\n- Greedy accuracy")
    assert told(rounds).startswith("round 0: 0.1") and "round 6: " in told(rounds)
    assert "soft-vote" in told(own) and told(own).splitlines()[-1].startswith("improved 0.")
    assert "greedy accuracy  1.0" in told(evaluation)


def told(cell: dict) -> str:  # type: ignore[type-arg]
    """What a cell said, as text."""
    return "".join(output.get("text") or output.get("data", {}).get("text/plain", "") for output in cell["outputs"])


def test_a_run_begins_beside_an_event_loop() -> None:
    async def nothing() -> int:
        return 7

    @beside_a_loop
    def run(value: int) -> int:
        if value < 0:
            raise ValueError("below 0")
        return value + asyncio.run(nothing())

    async def cell(value: int) -> int:
        return run(value)

    assert run(1) == asyncio.run(cell(1)) == 8
    with pytest.raises(ValueError, match="below 0"):
        asyncio.run(cell(-1))


def test_an_interrupt_reaches_the_run() -> None:
    began, seen = Event(), []

    @beside_a_loop
    def run() -> None:
        try:
            began.set()
            while True:
                time.sleep(0.01)
        except KeyboardInterrupt as stop:
            seen.append("cleared up")
            stop.add_note("to go on: resume")
            raise

    async def cell() -> None:
        Thread(target=lambda: (began.wait(), time.sleep(0.05), _thread.interrupt_main())).start()
        run()

    loop = asyncio.new_event_loop()
    with pytest.raises(KeyboardInterrupt) as caught:
        loop.run_until_complete(cell())
    loop.close()
    assert seen == ["cleared up"] and caught.value.__notes__ == ["to go on: resume"]
