"""The public surface: its names are there, are what they say, and load nothing until they are asked for."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from complaints import ENVIRONMENT

import autotelic


def test_every_public_name_is_there_documented_and_the_same_object() -> None:
    for name in autotelic.__all__:
        value = getattr(autotelic, name)
        assert value is getattr(importlib.import_module(autotelic._MODULES[name]), name)
        assert name == "WORLDS" or value.__doc__, name
    assert set(autotelic.__all__) <= set(dir(autotelic))


def test_what_is_not_public_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="'autotelic' has no attribute 'Recipes'"):
        autotelic.Recipes  # noqa: B018


def test_types_are_declared_for_the_names_that_there_are() -> None:
    stub = ast.parse(Path(autotelic.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    declared = {alias.name: node.module for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert declared == autotelic._MODULES
    [names] = [node.value for node in stub.body if isinstance(node, ast.Assign)]
    assert sorted(ast.literal_eval(names)) == autotelic.__all__


def test_import_is_light_until_a_name_is_used() -> None:
    program = (
        "import sys, autotelic; heavy = {'torch', 'transformers', 'numpy', 'pydantic'}\n"
        "assert not (found := heavy & sys.modules.keys()), found\n"
        "assert autotelic.DataError and not heavy & sys.modules.keys()\n"
        "from autotelic import Recipe, recipe\n"
        "assert 'pydantic' in sys.modules\n"
    )
    found = subprocess.run([sys.executable, "-c", program], env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=60)
    assert found.returncode == 0, found.stderr
