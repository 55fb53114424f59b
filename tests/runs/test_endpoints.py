"""Roles that a model behind an endpoint speaks, against a real server on loopback that fails on demand."""

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving import Serving, serving

from autotelic.engines.base import Request
from autotelic.errors import DataError, EndpointError, SettingError
from autotelic.jsonfiles import read_json
from autotelic.measures.meter import Meter
from autotelic.policies.endpoint import Endpoint, EndpointSettings, address
from autotelic.policies.replies import Replies, Reply
from autotelic.policies.talk import Talk
from autotelic.runs import loop
from autotelic.runs.reading import RunReader
from autotelic.types import Sampling, StopReason

SECRET = "sk-secret"
RUN: dict[str, Any] = {
    "recipe": "self-rewarding", "rounds": 2, "tasks_per_round": 6, "group_size": 3, "judgements": 2, "own_tasks": False, "probe_size": 8,
    "probe_samples": 0, "probe_every": 9, "workers": 1, "threads": 1, "policies": {"judge": "openai:chain-skills"},
    "endpoint": {"retries": 1, "timeout": 20.0},
}  # fmt: skip


@pytest.fixture(scope="module")
def whole() -> Iterator[tuple[Serving, str]]:
    with serving() as found:
        yield found


@pytest.fixture
def server(whole: tuple[Serving, str], monkeypatch: pytest.MonkeyPatch) -> Serving:
    app, url = whole
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    app.asked, app.answered, app.faults, app.left, app.most = [], [], [], None, 0
    return app


def ask(
    *, n: int = 1, meter: Meter | None = None, retries: int = 1, timeout: float = 20.0, in_flight: int = 8, **request: Any
) -> tuple[Any, Endpoint]:
    endpoint = Endpoint("openai:m", "judge", meter or Meter(), EndpointSettings(retries=retries, timeout=timeout, in_flight=in_flight))
    prompt = tuple(endpoint.tokenizer.encode_prompt("3+4="))
    try:
        return asyncio.run(endpoint.sample([Request(prompt, tuple(range(n)), Sampling(max_tokens=6), **request)]))[0], endpoint
    finally:
        endpoint.close()


def test_what_is_asked_and_what_comes_back(server: Serving) -> None:
    meter = Meter()
    completions, endpoint = ask(n=3, meter=meter)
    assert len(completions) == 3 and all(one.stop in (StopReason.END, StopReason.LENGTH) for one in completions)
    first = server.asked[0]
    assert first["messages"] == [{"role": "user", "content": "3+4="}] and first["model"] == "m" and first["max_tokens"] == 6
    assert sorted(body["seed"] for body in server.asked) == [0, 1, 2]
    assert meter.asked == 3 and meter.endpoint_read == 3 * 5 and 3 <= meter.endpoint_sampled <= 18 and meter.sampled == 0
    assert endpoint.tokenizer.decode(completions[0].tokens).isascii()


@pytest.mark.parametrize(
    ("faults", "stop", "requests"),
    [
        (["busy"], StopReason.END, 2),
        (["closed"], StopReason.END, 2),
        (["garbled"], StopReason.END, 2),
        (["garbled", "empty"], StopReason.MALFORMED, 2),
        (["against the rules"], StopReason.REFUSED, 1),
        (["refusal"], StopReason.REFUSED, 1),
    ],
)
def test_outcomes_are_typed_and_counted(server: Serving, faults: list[str], stop: StopReason, requests: int) -> None:
    server.faults = list(faults)
    (completion,), endpoint = ask()
    assert len(server.asked) == requests
    assert completion.stop.failed == stop.failed and (not stop.failed or completion.stop is stop)
    assert bool(completion.tokens) != stop.failed
    counts = endpoint.take_counts()
    assert counts.get(f"endpoint/{stop.value}", 0) == stop.failed and counts.get("endpoint/retries", 0) == requests - 1


def test_a_server_that_hangs_is_a_time_out(server: Serving) -> None:
    server.faults = ["hang"]
    (completion,), endpoint = ask(retries=0, timeout=0.4)
    assert completion.stop is StopReason.TIMED_OUT and endpoint.take_counts() == {"endpoint/timed_out": 1}


@pytest.mark.parametrize(("faults", "said"), [(["busy", "busy"], "status 503"), (["closed", "closed"], "no connection"), (["key"], "status 401")])
def test_a_server_that_is_gone_ends_the_call_without_the_key(server: Serving, faults: list[str], said: str) -> None:
    server.faults = list(faults)
    with pytest.raises(EndpointError, match=said) as caught:
        ask()
    assert "policies.judge=openai:m" in str(caught.value) and SECRET not in str(caught.value)


def test_no_more_requests_in_flight_than_allowed(server: Serving) -> None:
    ask(n=12, in_flight=3)
    assert 2 <= server.most <= 3 and len(server.asked) == 12


def test_tokens_cannot_be_forced(server: Serving) -> None:
    with pytest.raises(SettingError, match="cannot be made to begin"):
        ask(forced=(1,))


def test_the_key_and_the_address_come_from_the_environment_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(SettingError, match="OPENAI_API_KEY"):
        ask()
    monkeypatch.setenv("OPENAI_BASE_URL", "localhost:1")
    with pytest.raises(SettingError, match="http://"):
        ask()
    assert address("http://me:word@host:8/v1/?key=1") == "http://host:8/v1"


def test_without_the_client_library(server: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(SettingError, match=r'pip install "autotelic\[openai\]"'):
        ask()


def test_a_talk_as_ids_and_back() -> None:
    talk = Talk()
    first = talk.encode_prompt([{"role": "system", "content": "S"}, {"role": "user", "content": "user: 1"}])
    ids = [*first, *map(ord, "two"), *talk.encode_turn([], [], "3")]
    assert talk.messages(ids) == [
        {"role": "system", "content": "S"}, {"role": "user", "content": "user: 1"}, {"role": "assistant", "content": "two"}, {"role": "user", "content": "3"},
    ]  # fmt: skip
    assert talk.decode(first) == "Suser: 1" and talk.shown(first) == "system: S\nuser: user: 1\nassistant: "


@pytest.mark.parametrize(
    ("policies", "said"),
    [
        ({"solver": "openai:m"}, "trains, scores or forces what the role 'solver' says"),
        ({"jugde": "openai:m"}, "has no role 'jugde'; did you mean 'judge'"),
        ({"judge": "chain-skills"}, "must be openai:MODEL"),
    ],
)
def test_what_cannot_be_spoken_is_refused_by_name(server: Serving, policies: dict[str, str], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        loop.plan({**RUN, "policies": policies})
    assert not server.asked


def test_an_endpoint_that_is_down_is_said_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    with pytest.raises(EndpointError, match=r"policies.judge=openai:chain-skills: http://127.0.0.1:9/v1: no connection"):
        loop.start({**RUN, "out": str(tmp_path / "run"), "endpoint": {"retries": 0}})
    assert not (tmp_path / "run").exists()


def questions(server: Serving) -> set[str]:
    """What was answered, but for the check at the start."""
    return {json.dumps(body, sort_keys=True) for body in server.answered if body["max_tokens"] > 1}


def numbers(folder: Path) -> list[dict[str, float]]:
    own = ("seconds/", "endpoint/cached", "endpoint/retries")
    return [{name: value for name, value in metrics.items() if not name.startswith(own)} for metrics in RunReader(folder).history().values()]


def test_a_run_that_lost_its_server_goes_on_with_the_same_bits_and_asks_nothing_twice(server: Serving, tmp_path: Path) -> None:
    straight = loop.start({**RUN, "out": str(tmp_path / "straight")})
    server.left = 3 * len(server.asked) // 4  # gone in the middle of round 2
    server.answered = []
    with pytest.raises(EndpointError, match=r"rounds 0 to 1 are kept.*autotelic resume"):
        loop.start({**RUN, "out": str(tmp_path / "broken")})
    before, server.left, server.answered = questions(server), None, []
    outcome = loop.resume(tmp_path / "broken")
    assert before and questions(server) and not before & questions(server)
    assert numbers(outcome.folder) == numbers(straight.folder)
    for name in ("model.safetensors", "config.json"):
        assert (outcome.model / name).read_bytes() == (straight.model / name).read_bytes()
    metrics = numbers(outcome.folder)[-1]
    assert metrics["endpoint/requests"] > 0 and metrics["endpoint/sampled"] > 0 and metrics["judge/answers/unparsed"] < 1
    for path in (tmp_path / "broken").rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path
    assert read_json(outcome.folder / "config.json")["run"]["policies"] == {"judge": "openai:chain-skills"}


def test_a_judge_that_says_nothing_is_counted_and_the_round_goes_on(server: Serving, tmp_path: Path) -> None:
    server.faults = ["busy"] + ["against the rules"] * 10_000
    outcome = loop.start({**RUN, "rounds": 1, "out": str(tmp_path / "run")})
    metrics = numbers(outcome.folder)[-1]
    assert metrics["endpoint/refused"] > 0 and metrics["judge/answers/unparsed"] == 1 and metrics["label/kept"] == 0


def test_a_reply_that_was_half_written_is_asked_for_again(tmp_path: Path) -> None:
    path, replies = tmp_path / "replies.jsonl", Replies()
    replies.keep(path)
    replies.add("a", Reply("one\u2028", StopReason.END, 3, 1))
    replies.add("b", Reply("", StopReason.REFUSED))
    path.write_bytes(path.read_bytes()[:-5])
    again = Replies()
    again.keep(path)
    assert again.get("a") == Reply("one\u2028", StopReason.END, 3, 1) and again.get("b") is None
    again.add("b", Reply("two", StopReason.LENGTH))
    assert [json.loads(line)["text"] for line in path.read_text().splitlines()] == ["one\u2028", "two"]
    path.write_text("{}\n")
    with pytest.raises(DataError, match=r"replies.jsonl, line 1"):
        Replies().keep(path)
