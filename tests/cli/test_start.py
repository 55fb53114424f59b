"""How the command starts: help without the heavy libraries, and every command in it."""

import subprocess
import sys

import pytest
import typer
from command import call
from complaints import ENVIRONMENT

COMMANDS = ("run", "resume", "eval", "sample", "recipes", "replicate", "systems", "base", "validate", "report", "new")
HEAVY = ("torch", "transformers", "numpy")


LISTS = ("recipes", "systems", "base", "replicate")
"""Commands that list what is here when they are given nothing more."""


def run_without_heavy(arguments: list[str]) -> str:
    """What the command prints, in a process that must not import anything heavy."""
    program = (
        "import sys; from autotelic.cli.main import main; sys.argv = ['autotelic', *sys.argv[1:]]\n"
        "try: main()\nexcept SystemExit as stop: assert not stop.code\n"
        f"assert not (found := sys.modules.keys() & {set(HEAVY)!r}), found"
    )
    found = subprocess.run([sys.executable, "-c", program, *arguments], env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=60)
    assert found.returncode == 0, found.stderr
    return found.stdout


@pytest.mark.parametrize("arguments", [["--help"], *([command, "--help"] for command in COMMANDS)], ids=" ".join)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    assert "Usage: autotelic" in run_without_heavy(arguments)


@pytest.mark.parametrize("command", LISTS)
def test_lists_import_nothing_heavy(command: str) -> None:
    assert len(run_without_heavy([command]).splitlines()) > 10


def test_help_names_every_command() -> None:
    text = call("--help").out
    assert all(command in text for command in COMMANDS)
    assert "easy-to-hard" in call("run", "--help").out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_explained(command: str) -> None:
    from autotelic.cli.main import app

    found = typer.main.get_command(app).commands[command]  # type: ignore[attr-defined]
    assert found.help
    assert all(parameter.help for parameter in found.params if parameter.name != "help"), [p.name for p in found.params if not getattr(p, "help", "")]
