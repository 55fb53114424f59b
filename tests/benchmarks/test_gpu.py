"""The GPU's benchmark, on a model and a device that are always there: that it measures what it says."""

import json
from pathlib import Path

import pytest

from benchmarks import gpu


def test_it_runs_on_the_cpu(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gpu.main(f"--shape tiny --device cpu --rows 8 16 --new-tokens 6 --repeats 2 --no-steps --out {tmp_path / 'out.json'}".split())
    report = json.loads((tmp_path / "out.json").read_text())
    assert [result["rows"] for result in report["rollouts"]] == [8, 16]
    assert {"recorded steps", "step by step", "transformers generate"} == set(report["rollouts"][0]["tokens_per_second"])
    assert "recorded steps" in capsys.readouterr().out


def test_the_bytes_of_a_step() -> None:
    model = gpu.fresh("tiny", gpu.torch.device("cpu"))
    weights = sum(parameter.numel() for parameter in model.parameters())
    cache = 4 * 2 * 2 * 2 * 8 * (gpu.KEPT_PROMPT + 3)  # rows, keys and values, layers, key heads, their size, tokens held
    assert gpu.bytes_of_a_step(model, 4, 6) == 2 * (weights + cache)
