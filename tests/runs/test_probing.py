"""How the probe samples, how often it is asked, and that both are told."""

import json
from pathlib import Path
from typing import Any

import pytest
from small import small

from autotelic.errors import SettingError
from autotelic.measures.probe import ProbeResult, ProbeSampling
from autotelic.runs import loop, probing
from autotelic.runs.probing import due, spent
from autotelic.runs.progress import Progress
from autotelic.runs.reading import RunReader
from autotelic.types import Sampling


def run(tmp_path: Path, recipe: str = "srt", **more: Any) -> tuple[loop.RunOutcome, ProbeResult]:
    outcome = loop.start(small(recipe, **{"rounds": 1, "out": str(tmp_path / "run"), **more}), Progress(quiet=True))
    result = RunReader.of(outcome.folder).probe("last")
    assert result is not None
    return outcome, result


def test_the_probe_samples_as_the_probed_role_does(tmp_path: Path) -> None:
    outcome, result = run(tmp_path, "scpo")
    assert result.sampling == Sampling(temperature=0.7, max_tokens=96)
    assert "(pass@1; 2 samples a task, temperature 0.7)" in " ".join(outcome.verdict.reasons)
    assert outcome.verdict.numbers["sampling"]["temperature"] == 0.7
    assert "greedy and 2 samples each, temperature 0.7" in outcome.report.read_text(encoding="utf-8")


def test_a_role_that_is_greedy_is_sampled_at_temperature_one(tmp_path: Path) -> None:
    assert run(tmp_path, "easy-to-hard")[1].sampling == Sampling(temperature=1.0, max_tokens=24)


def test_without_samples_nothing_is_said_of_sampling(tmp_path: Path) -> None:
    outcome, result = run(tmp_path, probe_samples=0)
    assert result.sampling is None and "sampling" not in outcome.verdict.numbers


def test_settings_of_the_probe_s_own(tmp_path: Path) -> None:
    """So cold that every sample is the greedy answer; cut off after two tokens, nothing is answered."""
    _, result = run(tmp_path / "cold", probe_sampling={"temperature": 1e-4}, probe_samples=4)
    assert result.sampling == Sampling(temperature=1e-4, max_tokens=96)
    assert all(set(outcome.samples) == {outcome.answer} for outcome in result.outcomes)
    _, result = run(tmp_path / "short", probe_sampling={"max_tokens": 2})
    assert all(outcome.truncated and outcome.answer is None and outcome.tokens == 2 for outcome in result.outcomes)


def test_plays_are_sampled_with_them_too(tmp_path: Path) -> None:
    _, result = run(tmp_path, "spiral", tasks="games?play=kuhn", probe_sampling={"temperature": 0.5})
    assert result.sampling is not None and result.sampling.temperature == 0.5


def test_training_goes_on_with_the_role_s_own(tmp_path: Path) -> None:
    """The probe's settings change nothing but the probe: the weights end the same."""
    ends = []
    for name, own in (("plain", {}), ("own", {"probe_sampling": {"temperature": 0.3, "top_k": 3}})):
        outcome, _ = run(tmp_path / name, **own)
        ends.append((outcome.folder / "rounds" / "00001" / "policy.solver.safetensors").read_bytes())
    assert ends[0] == ends[1]


@pytest.mark.parametrize("setting", [{"temperature": 0.0}, {"top_p": 1.5}, {"top_k": -1}, {"max_tokens": 0}, {"warmth": 1.0}])
def test_what_cannot_be_is_refused(setting: dict[str, float], tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=f"probe_sampling.{next(iter(setting))}"):
        run(tmp_path, probe_sampling=setting)


def test_only_what_is_given_differs() -> None:
    role = Sampling(temperature=0.6, top_p=0.95, top_k=20, max_tokens=32, stop=("\n",))
    assert ProbeSampling().over(role) == role
    assert ProbeSampling(top_p=0.5).over(role) == role.model_copy(update={"top_p": 0.5})


@pytest.mark.parametrize(
    ("every", "parameters", "before", "now", "expected"),
    [
        (None, 1_000, 0.0, 1.0, True),
        (None, 10**9, 0.0, 399.0, False),
        (None, 10**9, 399.0, 400.0, True),
        (None, 10**9, 400.0, 799.0, False),
        (None, 10**9, 700.0, 1700.0, True),
        (3, 10**9, 0.0, 1.0, True),
        (5, 1_000, 0.0, 10**9, False),
    ],
)
def test_when_the_probe_is_due(every: int | None, parameters: int, before: float, now: float, expected: bool) -> None:
    """Round 3, a probe of 100 tokens: it is a fifth of all tokens where the rounds have 400."""
    assert due(every, parameters, 3, {"tokens/sampled": before}, {"tokens/sampled": now}, {"tokens/probe": 100.0}) is expected


def test_what_is_trained_on_costs_three_times_what_is_sampled() -> None:
    assert spent({"tokens/sampled": 10.0, "tokens/trained": 5.0}) == 25.0 and spent({}) == 0.0


def probed(folder: Path) -> list[int]:
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [row["round"] for row in rows if "probe/accuracy" in row["metrics"]]


def test_a_large_model_is_probed_on_a_share_of_the_tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert probed(run(tmp_path / "small", rounds=2)[0].folder) == [0, 1, 2]
    monkeypatch.setattr(probing, "SMALL", 0)
    folder = run(tmp_path / "large", rounds=8, probe_size=20)[0].folder
    first, *between, last = probed(folder)
    assert (first, last) == (0, 8) and 1 <= len(between) <= 4
    rows = [json.loads(line)["metrics"] for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    asked = sum(rows[number]["tokens/probe"] for number in between)
    assert asked <= 0.2 * (asked + spent(rows[-1])) * 1.3


def test_a_run_made_longer_is_probed_after_the_same_rounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "SMALL", 0)
    whole = run(tmp_path / "whole", rounds=8, probe_size=20)[0].folder
    longer = run(tmp_path / "longer", rounds=4, probe_size=20)[0].folder
    loop.resume(longer, rounds=8, progress=Progress(quiet=True))
    assert set(probed(longer)) == set(probed(whole)) | {4}
