"""A real server on loopback: a shipped model behind the chat completions of the OpenAI API, sampled by this package's engine, with faults on demand."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, Thread
from time import sleep
from typing import Any

import uvicorn

from autotelic.bases.places import base_folder
from autotelic.engines.base import Request
from autotelic.engines.batching import Batcher
from autotelic.engines.torch_engine import TorchEngine
from autotelic.policies.policy import Policy
from autotelic.types import Sampling

BODY = {
    "garbled": (200, b"{'choices': [no JSON"),
    "empty": (200, b"{}"),
    "busy": (503, b'{"error": {"message": "busy"}}'),
    "key": (401, b'{"error": {"message": "wrong key: sk-secret"}}'),
    "against the rules": (400, b'{"error": {"message": "not that"}}'),
    "refusal": (200, json.dumps({"choices": [{"message": {"content": None, "refusal": "no"}, "finish_reason": "stop"}]}).encode()),
}


class Serving:
    """The server. `faults` are taken one by one by the requests that come; `asked` holds what was asked for, `answered` what of it got a reply."""

    def __init__(self, base: str) -> None:
        self.policy = Policy.load("served", str(base_folder(base)), Batcher(TorchEngine()))
        self.asked: list[dict[str, Any]] = []
        self.answered: list[dict[str, Any]] = []
        self.faults: list[str] = []
        self.left: int | None = None
        """Requests that are still answered before the server is gone; None: all."""
        self.now = self.most = 0
        self.lock = Lock()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        raw = json.loads((await receive())["body"] or b"{}")
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await self.answer(raw, send)
        finally:
            self.now -= 1

    async def answer(self, raw: dict[str, Any], send: Any) -> None:
        self.asked.append(raw)
        await asyncio.sleep(0.01)
        fault = self.faults.pop(0) if self.faults else "closed" if self.left == 0 else ""
        if self.left:
            self.left -= 1
        if fault == "hang":
            await asyncio.sleep(1.5)
        if not fault:
            self.answered.append(raw)
        status, body = BODY.get(fault) or (200, json.dumps(self.reply(raw)).encode())
        length = len(body) + (9 if fault == "closed" else 0)  # a body that never comes whole: the connection is closed in the middle
        headers = [(b"content-type", b"application/json"), (b"content-length", str(length).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def reply(self, raw: dict[str, Any]) -> dict[str, Any]:
        tokenizer = self.policy.tokenizer
        prompt = tuple(tokenizer.encode_prompt(raw["messages"][-1]["content"]))
        sampling = Sampling(temperature=raw["temperature"], top_p=raw["top_p"], max_tokens=raw["max_tokens"])
        with self.lock:
            made = self.policy.generate([Request(prompt, (raw["seed"],), sampling)])[0][0]
        choice = {
            "message": {"role": "assistant", "content": tokenizer.decode(made.tokens)},
            "finish_reason": "length" if made.stop == "length" else "stop",
        }
        return {"choices": [choice], "usage": {"prompt_tokens": len(prompt), "completion_tokens": len(made.tokens)}}


@contextmanager
def serving(base: str = "chain-skills") -> Iterator[tuple[Serving, str]]:
    """A server and its address."""
    app = Serving(base)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical", lifespan="off"))
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        sleep(0.01)
    try:
        yield app, f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/v1"
    finally:
        server.should_exit = True
        thread.join()
