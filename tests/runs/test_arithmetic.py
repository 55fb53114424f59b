"""Threads and precision where nobody says: small models keep one thread and fp32; large ones take what the machine has, and a run says so."""

import io
from collections.abc import Iterator

import pytest
import torch
from rich.console import Console

from autotelic.networks import machine
from autotelic.networks.decoder import Decoder, DecoderConfig
from autotelic.runs.config import config_of
from autotelic.runs.opening import plan
from autotelic.runs.progress import Progress

CONFIG = DecoderConfig("llama", 40, 16, 32, 1, 2, 2, 8)


@pytest.fixture(autouse=True)
def cores(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Four cores that multiply bf16, and nothing that the environment says; threads are put back."""
    monkeypatch.setattr(machine, "usable_cores", lambda: 4)
    monkeypatch.setattr(machine, "multiplies_bf16", lambda: True)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_a_small_model_keeps_one_thread_and_fp32() -> None:
    model = Decoder(CONFIG)
    assert machine.threads_for(model) == 1 and machine.settled("auto", model) == "fp32"
    assert machine.settled("bf16", model) == "bf16"


@pytest.mark.parametrize(("said", "threads"), [("", 4), ("1", 1), ("3,1", 3), ("9", 4), ("0", 1), ("many", 4)])
def test_a_large_model_takes_every_core_that_the_environment_allows(said: str, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "LARGE", 1000)
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert machine.threads_for(Decoder(CONFIG)) == threads


def test_bf16_needs_a_large_decoder_and_its_instructions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "LARGE", 1000)
    model = Decoder(CONFIG)
    assert machine.settled("auto", model) == "bf16" and machine.settled("fp32", model) == "fp32"
    monkeypatch.setattr(machine, "multiplies_bf16", lambda: False)
    assert machine.settled("auto", model) == "fp32"


def test_micro_batches_are_as_large_as_what_a_token_keeps_allows() -> None:
    """A decoder of SmolLM2-135M's shape: 30 layers of 8 x 576 bytes of the stream, and 2 bytes of each of 2 x 576, 24 x 64 and 3 x 1536 numbers."""
    with torch.device("meta"):
        model = Decoder(DecoderConfig("llama", 49152, 576, 1536, 30, 9, 3, 64))
    kept = 30 * (4608 + 2 * (1152 + 1536 + 4608)) + 2 * 49152
    assert machine.kept_bytes(model, "bf16") == kept == 674_304
    assert machine.tokens_at_once(model, "bf16", adapted=False) == 8192  # not on a CPU
    model.to_empty(device="cpu")
    assert machine.tokens_at_once(model, "bf16", adapted=False) == 5 * 2**28 // kept == 1990
    assert machine.tokens_at_once(model, "bf16", adapted=True) == 995
    assert machine.tokens_at_once(model, "fp32", adapted=True) == 2**29 * 5 // 4 // (30 * (4608 + 4 * 7296) + 4 * 49152) == 554
    assert machine.tokens_at_once(Decoder(CONFIG), "fp32", adapted=True) == 8192


def resolved(**settings: object) -> dict[str, dict[str, object]]:
    """The config of a run that is not begun, and whether torch does what it says."""
    config = config_of(plan({"recipe": "gold", "model": "chain-medium", "tasks": "chain", "pool_size": 4, "probe_size": 4, **settings}))
    assert torch.get_num_threads() == config["run"]["threads"]
    return config


def test_a_run_decides_once_and_its_config_says_what() -> None:
    run = resolved()
    assert (run["run"]["threads"], run["run"]["precision"], run["recipe"]["settings"]["optimizer"]["precision"]) == (1, "fp32", "fp32")  # type: ignore[index]


def test_the_run_of_a_large_model_says_what_it_computes_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "LARGE", 1000)
    run = resolved()
    assert (run["run"]["threads"], run["run"]["precision"], run["recipe"]["settings"]["optimizer"]["precision"]) == (4, "bf16", "bf16")  # type: ignore[index]
    out = io.StringIO()
    Progress(console=Console(file=out)).start(run, [], 1)
    assert out.getvalue() == "gold | chain-medium | chain | seed 0 | 4 threads, bf16\n"
    assert resolved(threads=2, precision="fp32")["run"]["threads"] == 2
    assert resolved(optimizer={"processes": 2})["run"]["threads"] == 1


def rate(**settings: object) -> object:
    return resolved(**settings)["recipe"]["settings"]["optimizer"]["learning_rate"]  # type: ignore[index]


def test_all_weights_of_a_large_model_learn_slowly_where_no_rate_is_given(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rate() == 2e-4
    monkeypatch.setattr(machine, "LARGE", 1000)
    assert rate() == 2e-5 and rate(lora={"rank": 2}) == 2e-4 and rate(optimizer={"warmup": 3}) == 2e-5
    assert not capsys.readouterr().err
    assert rate(optimizer={"learning_rate": 3e-4}) == 3e-4
    assert "note: optimizer.learning_rate is 0.0003; where all weights of so large a model are trained" in capsys.readouterr().err
