"""`autotelic new`: what it writes runs as it stands."""

import subprocess
import sys
from pathlib import Path

import pytest
from command import call
from complaints import ENVIRONMENT

from autotelic.cli.new import write
from autotelic.errors import DataError, SettingError
from autotelic.runs import loop
from autotelic.runs.progress import Progress


def test_a_new_system_runs(tmp_path: Path) -> None:
    assert (
        call("new", "system", "soft_vote", "--in", str(tmp_path)).out
        == f"wrote {tmp_path / 'soft_vote.py'}: autotelic run {tmp_path / 'soft_vote.py'}\n"
    )
    quick = {"rounds": 1, "tasks_per_round": 4, "group_size": 4, "probe_size": 8, "probe_samples": 2, "out": str(tmp_path / "run")}
    outcome = loop.start({"recipe": str(tmp_path / "soft_vote.py"), **quick}, Progress(quiet=True))
    assert outcome.verdict.numbers["tasks"] == 8


def test_a_new_world_is_valid(tmp_path: Path) -> None:
    path = write("world", "in_order", tmp_path)
    found = subprocess.run([sys.executable, path], env=ENVIRONMENT, capture_output=True, text=True, check=True, timeout=120)
    first, *_, last = found.stdout.splitlines()
    prompt, answer = first.split()
    assert answer == "#" + "".join(sorted(prompt[:-1]))
    assert last == "in_order: 200 checked, 0 without gold, 0 gold rejected, 0 wrong accepted"


def test_what_is_there_is_not_written_over(tmp_path: Path) -> None:
    write("system", "mine", tmp_path)
    with pytest.raises(DataError, match=r"mine\.py: exists already"):
        write("world", "mine", tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        write("world", "mine", tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["My", "1st", "a-b", "../up", ""])
def test_a_name_is_that_of_a_module(name: str, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="needs small letters"):
        write("system", name, tmp_path)
