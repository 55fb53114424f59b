"""The card beside a saved model, and sending both to the Hub: what is said, what is not, and what is refused."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml
from command import call
from small import small

from autotelic.errors import AutotelicError, DataError, SettingError
from autotelic.measures.verdict import Verdict, Word
from autotelic.policies.licenses import in_head, license_of
from autotelic.runs import loop
from autotelic.runs.card import card, inline, short
from autotelic.runs.progress import Progress
from autotelic.runs.publishing import push

VERDICT = Verdict(Word.IMPROVED, ["Greedy accuracy on 100 probe tasks: 0.250 -> 0.590, difference +0.340 (95% interval +0.210 to +0.460)."])


def config(**settings: Any) -> dict[str, Any]:
    """A config as a run saves it, with some settings of the recipe `gold`."""
    recipe = {"name": "gold", "system": "SimpleRL-Zoo", "paper": "arXiv:2503.18892", "line": "Right is 1.", "settings": {}}
    return {"autotelic": "0.2.0", "recipe": recipe, "run": {"seed": 3, "tasks": "chain", "model": "chain-medium", **settings}}


def head(text: str) -> dict[str, Any]:
    """What the Hub reads."""
    found = yaml.safe_load(text.split("---\n")[1])
    assert isinstance(found, dict)
    return found


def test_the_card_says_base_recipe_settings_and_verdict() -> None:
    text = card(config(model="owner/base", tasks="word-problems", probe_size=100), VERDICT, 24, "owner/base", "apache-2.0")
    assert head(text) == {
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["autotelic", "gold"],
        "license": "apache-2.0",
        "base_model": "owner/base",
    }
    assert "# owner/base, after 24 rounds of gold" in text and "## Verdict: improved" in text
    assert "difference +0.340 (95% interval +0.210 to +0.460)" in text
    assert "https://arxiv.org/abs/2503.18892" in text and "| seed | 3 |" in text
    assert "| tasks | word-problems |" in text and "| probe_size | 100 |" in text


def test_what_is_not_known_is_not_said(tmp_path: Path) -> None:
    text = card(config(model=str(tmp_path)), VERDICT, 1, str(tmp_path), None)
    assert "license" not in head(text) and "base_model" not in head(text)
    assert "| license of the base | not stated where it came from |" in text and "after 1 round of" in text


def test_paths_of_the_machine_are_not_told(tmp_path: Path) -> None:
    (tmp_path / "my.py").write_text("")
    assert short(str(tmp_path / "my.py")) == "my.py" and short(f"{tmp_path}/my.py:f") == "my.py:f"
    assert short(json.dumps([f"{tmp_path}/my.py:f", "correct", 1])) == '["my.py:f", "correct", 1]'
    assert short("owner/name") == "owner/name" and short("[not json") == "[not json" and short("[a]") == "[a]"
    text = card(config(model=str(tmp_path), tasks=str(tmp_path / "my.py")), VERDICT, 1, str(tmp_path), None)
    assert str(tmp_path.parent) not in text


def test_no_text_of_a_setting_is_markup() -> None:
    hostile = "x |\n---\n<script>alert(1)</script> [a](b) `c`"
    text = card(config(template=hostile), VERDICT, 1, "owner/x\nlicense: mit", None)
    assert head(text)["base_model"] == "owner/x\nlicense: mit" and "license" not in head(text)
    row = next(line for line in text.splitlines() if line.startswith("| template"))
    assert row == f"| template | {inline(hostile)} |" and "<script" not in row.replace("\\<", "") and "\n" not in inline(hostile)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("---\nlicense: Apache-2.0\ntags: [a]\n---\n# x", "apache-2.0"),
        ("---\ntags: [a]\nlicense: 'cc-by-4.0'\n---\n", "cc-by-4.0"),
        ('---\r\nlicense: "mit"\r\n---\r\n', "mit"),
        ("# x\nlicense: mit\n", None),
        ("---\ntags: [a]\n---\nlicense: mit\n", None),
        ("---\nlicense: a text of many words\n---\n", None),
        ("", None),
    ],
)
def test_the_license_in_the_head_of_a_readme(tmp_path: Path, text: str, found: str | None) -> None:
    (tmp_path / "README.md").write_bytes(text.encode())
    assert in_head(text) == found and license_of(str(tmp_path)) == found


def test_sources_that_state_no_license(tmp_path: Path) -> None:
    assert license_of(str(tmp_path)) is None and license_of("nobody/nothing") is None
    (tmp_path / "x.gguf").write_bytes(b"no gguf")
    assert license_of(str(tmp_path / "x.gguf")) is None


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that ended unchanged."""
    folder = tmp_path_factory.mktemp("run") / "run"
    loop.start(small("supervised", rounds=1, out=str(folder), optimizer={"learning_rate": 1e-9}), Progress(quiet=True))
    return folder


def test_a_run_writes_its_card_beside_the_model(finished: Path) -> None:
    text = (finished / "model" / "README.md").read_text(encoding="utf-8")
    assert head(text)["license"] == "apache-2.0" and "## Verdict: unchanged" in text
    assert license_of(str(finished / "model")) == "apache-2.0", "a run that begins with this model knows its license"


def test_what_is_not_sent(finished: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"me/a/b: cannot be the name of a repository"):
        push(finished, "me/a/b")
    with pytest.raises(AutotelicError, match="me/x: not sent: "):
        push(finished, "me/x")
    for left in ("config.json", "rounds", "verdict.json"):
        (tmp_path / left).symlink_to(finished / left)
    with pytest.raises(DataError, match="has no model yet"):
        push(tmp_path, "me/x")
    (tmp_path / "rejected").symlink_to(finished / "model")
    with pytest.raises(DataError, match="the verdict on its model is unchanged; --rejected sends it all the same"):
        push(tmp_path, "me/x")
    assert f"{tmp_path / 'nowhere'}" in call("push", tmp_path / "nowhere", "me/x").complaint


class Hub(BaseHTTPRequestHandler):
    """As much of the Hub as takes a folder of small files: `me/good` is taken, what belongs to others is refused."""

    sent: ClassVar[dict[str, list[str]]] = {}

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else self.chunks()
        if self.path == "/api/repos/create":
            request = json.loads(body)
            name = f"{request.get('organization') or 'me'}/{request['name']}"
            return self.answer(200 if name == "me/good" else 403, {"url": f"http://{self.headers['Host']}/{name}", "name": name, "id": name})
        if self.path.endswith("/preupload/main"):
            asked = [one["path"] for one in json.loads(body)["files"]]
            return self.answer(200, {"files": [{"path": path, "uploadMode": "regular", "shouldIgnore": False} for path in asked]})
        if "/commit/main" in self.path:
            rows = [json.loads(line) for line in body.decode().splitlines()]
            self.sent[self.path] = [row["value"].get("path") or row["value"]["summary"] for row in rows]
            return self.answer(
                200,
                {"success": True, "commitOid": "0" * 40, "commitUrl": f"http://{self.headers['Host']}/me/good/commit/{'0' * 40}", "hookOutput": ""},
            )
        return self.answer(200, {})

    def do_GET(self) -> None:
        self.answer(403 if "theirs" in self.path else 200, {"id": "me/good", "siblings": [], "sha": "0" * 40, "private": False})

    def chunks(self) -> bytes:
        """A body of chunks."""
        found = b""
        while size := int(self.rfile.readline() or b"0", 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        return found

    def answer(self, status: int, value: dict[str, Any]) -> None:
        body = json.dumps(value if status == 200 else {"error": "not yours"}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture
def hub() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


PUSH = """
import sys
from pathlib import Path
from autotelic.errors import AutotelicError
from autotelic.runs.publishing import push
for name in sys.argv[2:]:
    try:
        print(push(Path(sys.argv[1]), name))
    except AutotelicError as error:
        print(f"error: {error}")
"""


def pushed(folder: Path, endpoint: str, *names: str, token: str = "hf_test") -> list[str]:
    """What a process says that sends a run to a hub at another address."""
    extra = {"HF_ENDPOINT": endpoint, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_TOKEN": token}
    done = subprocess.run(
        [sys.executable, "-c", PUSH, str(folder), *names], capture_output=True, text=True, env={**os.environ, **extra}, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_model_and_its_card_are_sent_or_it_is_said_why_not(finished: Path, hub: str) -> None:
    good, denied = pushed(finished, hub, "me/good", "you/theirs")
    assert good == f"{hub}/me/good"
    assert denied.startswith("error: you/theirs: the Hub refuses: ") and denied.endswith("says who you are")
    paths = next(paths for path, paths in Hub.sent.items() if "me/good" in path)
    assert paths[0] == "A run of supervised: unchanged"
    assert set(paths[1:]) >= {"README.md", "config.json", "model.safetensors", "tokenizer.json"} and "rounds" not in " ".join(paths)


def test_a_hub_that_cannot_be_reached(finished: Path) -> None:
    (said,) = pushed(finished, "http://127.0.0.1:9", "me/good")
    assert said.startswith("error: me/good: ") and "Connection refused" in said
