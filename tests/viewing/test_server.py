"""What the server says, to whom, and what it does not; and the command that starts it."""

import builtins
import json
import os
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import viewed
from command import call
from starlette.testclient import TestClient

from autotelic.viewing import rollouts
from autotelic.viewing.server import HEADERS, application, bound, host_in


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOTELIC_CACHE", str(tmp_path / "cache"))


def client(root: Path, **more: Any) -> TestClient:
    return TestClient(application(root), base_url="http://localhost:8470", **more)


def test_what_the_page_asks_for(tmp_path: Path) -> None:
    viewed.make(tmp_path / "runs" / "a")
    viewed.make(tmp_path / "runs" / "b", rounds=1, count=0)
    (tmp_path / "runs" / "b" / "config.json").write_text("{}")
    web = client(tmp_path / "runs")
    runs = web.get("/api/runs").json()["runs"]
    assert [(run["id"], run.get("round")) for run in runs] == [("a", 3), ("b", None)] and "no 'recipe'" in runs[1]["error"]
    assert web.get("/api/curves", params={"run": ["a"], "metric": "probe/accuracy"}).json()["curves"]["a"][3] == [3, 0.53]
    assert web.get("/api/run", params={"run": "a"}).json()["phases"][0] == [1, 2.0, 1.0, 0.0, 0.0]
    assert {"name": "probe/accuracy", "unit": "share"}.items() <= web.get("/api/names", params={"run": "a"}).json()["names"][0].items()
    assert web.get("/api/pool", params={"run": "a"}).json()["growth"][-1]["size"] == 100
    page = web.get("/api/rollouts", params={"run": "a", "right": "wrong", "text": "", "first": "2"}).json()
    assert page["count"] == 8 and page["facets"]["count"] == 24
    one = web.get("/api/rollout", params={"run": "a", "id": page["rows"][0]["id"]}).json()
    assert one["rewards"] == {"correct": 0.0} and len(one["group"]) == 4


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("run?run=../a", "no run '../a'"),
        ("run?run=aa", "did you mean 'a'?"),
        ("run", "run"),
        ("rollouts?run=a&first=x", "first = 'x'"),
        ("rollouts?run=a&order=best", "order = 'best'"),
        ("rollouts?run=a&firts=1", "did you mean 'first'?"),
        ("rollout?run=a&id=nowhere", "no rollout 'nowhere'"),
        ("curves?metric=x&" + "run=a&" * 25, "run"),
    ],
)
def test_wrong_requests_are_told_what_is_wrong(tmp_path: Path, path: str, says: str) -> None:
    viewed.make(tmp_path / "a")
    reply = client(tmp_path).get(f"/api/{path}")
    assert reply.status_code == 400 and says in reply.json()["error"]


def test_texts_of_any_kind_come_through_as_json(tmp_path: Path) -> None:
    folder = viewed.make(tmp_path / "a", rounds=0)
    viewed.add(folder, 1, [viewed.rollout(1, 0, text=viewed.HOSTILE, id=viewed.HOSTILE)])
    config = json.loads((folder / "config.json").read_text())
    config["run"]["model"] = viewed.HOSTILE
    (folder / "config.json").write_text(json.dumps(config))
    web = client(tmp_path)
    assert web.get("/api/runs").json()["runs"][0]["model"] == viewed.HOSTILE
    reply = web.get("/api/rollouts", params={"run": "a"})
    assert reply.headers["content-type"] == "application/json" and reply.json()["rows"][0]["text"] == viewed.HOSTILE.replace("\ud800", "\ufffd")


def test_only_loopback_names_are_answered_and_only_get(tmp_path: Path) -> None:
    web = client(tmp_path)
    for host in ("127.0.0.1:1", "localhost", "[::1]:8470", "LOCALHOST:8470"):
        reply = web.get("/", headers={"host": host})
        assert reply.status_code == 200 and all(reply.headers[name] == value for name, value in HEADERS.items())
    for host in ("evil.example", "evil.example:8470", "localhost.evil.example", "127.0.0.1.evil.example", "", "localhost:x"):
        assert web.get("/api/runs", headers={"host": host}).status_code == 421
    assert web.post("/api/runs").status_code == web.delete("/").status_code == 405
    assert [host_in(name) for name in ("[::1]:80", "[::1]", "a:1", "::1")] == ["::1", "::1", "a", ":"]


def test_several_viewers_read_a_run_that_is_being_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollouts, "MOST_PARTS", 2)
    folder = viewed.make(tmp_path / "a", rounds=1, count=20)
    written = threading.Event()

    def watch(web: TestClient) -> list[tuple[int, int]]:
        found = []
        while not written.is_set():
            reply = web.get("/api/rollouts", params={"run": "a", "text": "sum"})
            found.append((reply.status_code, reply.json().get("count", -1)))
        return found

    with ThreadPoolExecutor(3) as threads:
        watches = [threads.submit(watch, client(tmp_path)) for _ in range(3)]
        for number in range(2, 15):
            viewed.add(folder, number, [viewed.rollout(number, place) for place in range(20)])
            time.sleep(0.03)
        written.set()
    for seen in watches:
        counts = [count for status, count in seen.result() if status == 200]
        assert len(counts) == len(seen.result()) and counts == sorted(counts), "no request fails, and nothing that was there goes"
    assert client(tmp_path).get("/api/rollouts", params={"run": "a"}).json()["count"] == 280


def test_no_other_file_is_served(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    web = client(tmp_path)
    for path in ("/secret", "/../secret", "/%2e%2e/secret", "/view.js/../../secret", "/index.html", "/__init__.py", "//etc/passwd"):
        assert web.get(path).status_code == 404
    for path in ("/", "/view.js", "/view.css"):
        text = web.get(path).text
        assert "http://" not in text.replace("http://www.w3.org/2000/svg", "") and "https://" not in text, "nothing comes from elsewhere"


def test_the_command_says_where_and_ends_when_told(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "autotelic", "view", str(tmp_path), "--no-open", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ}) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith(f"{tmp_path} is shown at http://127.0.0.1:")
        process.terminate()
        assert "Traceback" not in process.communicate(timeout=30)[1]


def test_a_port_that_is_taken_a_folder_that_is_not_there_an_extra_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at = bound("127.0.0.1", 0)
    port = at.getsockname()[1]
    complaint = call("view", tmp_path, "--no-open", "--port", port).complaint
    assert f"port {port}" in complaint and "--port" in complaint
    at.close()
    assert "name the address" in call("view", tmp_path, "--host", "0.0.0.0").complaint
    assert "no such folder" in call("view", tmp_path / "none").complaint
    real = builtins.__import__

    def without(name: str, *arguments: Any, **more: Any) -> Any:
        if name == "autotelic.viewing.server":
            raise ModuleNotFoundError("No module named 'duckdb'", name="duckdb")
        return real(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    assert call("view", tmp_path).complaint == 'error: duckdb is not installed, and the page needs it: pip install "autotelic[view]"'


def test_an_address_of_six_parts_is_listened_at() -> None:
    if socket.has_ipv6:
        bound("::1", 0).close()
