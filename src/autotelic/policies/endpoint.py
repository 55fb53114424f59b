"""A model behind an OpenAI-compatible API as a speaker: frozen, asked over HTTP with the client library `openai`. It is never trained, scored or forced."""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field

from autotelic.engines.base import Completion, Request
from autotelic.errors import EndpointError, SettingError
from autotelic.measures.meter import Meter
from autotelic.policies.replies import Replies, Reply, key_of
from autotelic.policies.talk import Talk
from autotelic.types import Sampling, Settings, StopReason

PREFIX = "openai:"
URL, KEY = "OPENAI_BASE_URL", "OPENAI_API_KEY"
LONGEST = 8.0
"""Seconds between two tries, at most."""
AGAIN = frozenset((408, 409, 429))
"""Status codes that say: later. So do all from 500 on."""
FATAL = frozenset((401, 403, 404, 405))
"""Status codes that no further request would change: the key, the address or the model is wrong."""


class EndpointSettings(Settings):
    """How endpoints are asked."""

    timeout: float = Field(60.0, gt=0.0, le=86400.0)
    """Seconds for one reply."""
    retries: int = Field(4, ge=0, le=100)
    """Further tries of a request that timed out, was put off or came back garbled; the pauses between them double from half a second to eight."""
    in_flight: int = Field(8, ge=1, le=1024)
    """Requests that wait for a reply at the same time, at most."""


class _Later(Exception):
    """A try that may end otherwise when it is made again; `how` is the typed outcome where tries run out, None where the server is gone."""

    def __init__(self, reason: str, how: StopReason | None = None) -> None:
        super().__init__(reason)
        self.how = how


class Endpoint:
    """One model of one server; see `Speaker`. Replies are texts, so that a turn of it holds characters in the place of tokens, and no log-probabilities."""

    version = 0
    context = sys.maxsize

    def __init__(self, source: str, role: str, meter: Meter, settings: EndpointSettings | None = None) -> None:
        """source: openai:MODEL. The address and the key are those of the environment.

        Raises:
            SettingError: the client library is not installed, or the environment says neither where to ask nor with which key.
        """
        self.name, self.role, self.meter, self.settings = source, role, meter, settings or EndpointSettings()
        self.model = source.removeprefix(PREFIX)
        self.setting = f"policies.{role}={source}"
        self.tokenizer, self.replies, self.seen = Talk(), Replies(), Counter[str]()
        self._client = client(self.setting, self.settings.timeout)
        self._pool = ThreadPoolExecutor(self.settings.in_flight, thread_name_prefix="endpoint")
        self._closed, self._lock = Event(), Lock()

    def check(self) -> None:
        """Ask for one token, which is not kept or counted.

        Raises:
            EndpointError: the server does not answer, or refuses the key or the model.
        """
        reply = self._asked(self._body([{"role": "user", "content": "0"}], Sampling(max_tokens=1), 0))
        self.seen.clear()
        if reply.stop in (StopReason.TIMED_OUT, StopReason.MALFORMED):
            raise EndpointError(
                f"{self.setting}: {self.where} does not answer as an OpenAI-compatible server does ({reply.stop.value.replace('_', ' ')})"
            )

    def close(self) -> None:
        """Ask nothing more; what waits is given up."""
        self._closed.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._client.close()

    async def sample(self, requests: Sequence[Request]) -> list[list[Completion]]:
        """A reply for each stream of each request, as many at a time as the settings allow.

        Raises:
            EndpointError: the server is gone, or refuses the key or the model. What came before that is kept.
            SettingError: forced tokens.
        """
        if any(request.forced for request in requests):
            raise SettingError(
                f"{self.setting}: an endpoint cannot be made to begin its reply with given tokens, which this system needs of {self.role!r}"
            )
        bodies = [(self._body(self.tokenizer.messages(r.prompt), r.sampling, stream), stream) for r in requests for stream in r.streams]
        loop = asyncio.get_running_loop()
        waiting = [loop.run_in_executor(self._pool, self._reply, *body) for body in bodies]
        try:
            replies = await asyncio.gather(*waiting)
        except EndpointError:
            self._closed.set()
            await asyncio.wait(waiting)  # replies that are on their way are kept too
            raise
        for reply in replies:
            self._count(reply)
        made = iter(replies)
        return [[_completion(next(made)) for _ in request.streams] for request in requests]

    @property
    def where(self) -> str:
        """The server, without what an address may hold of names and passwords."""
        return address(str(self._client.base_url))

    def take_counts(self) -> dict[str, int]:
        """What was counted since it was last asked for, by metric."""
        seen, self.seen = self.seen, Counter()
        return {f"endpoint/{name}": number for name, number in seen.items()}

    def _count(self, reply: Reply) -> None:
        self.meter.asked += 1
        self.meter.endpoint_read += reply.read
        self.meter.endpoint_sampled += reply.sampled
        if reply.stop.failed:
            self._see(reply.stop.value)

    def _see(self, name: str) -> None:
        with self._lock:
            self.seen[name] += 1

    def _body(self, messages: list[dict[str, str]], sampling: Sampling, stream: int) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self.model, "messages": messages, "temperature": sampling.temperature, "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens, "seed": stream & 0x7FFFFFFF,
        }  # fmt: skip
        if sampling.stop:
            body["stop"] = list(sampling.stop)
        if sampling.top_k:
            body["extra_body"] = {"top_k": sampling.top_k}
        return body

    def _reply(self, body: dict[str, Any], stream: int) -> Reply:
        """The reply to a request, from the cache where it has come before."""
        key = key_of(body, stream)
        if (known := self.replies.get(key)) is not None:
            self._see("cached")
            return known
        if self._closed.is_set():
            raise EndpointError(f"{self.setting}: given up")
        reply = self._asked(body)
        self.replies.add(key, reply)
        return reply

    def _asked(self, body: dict[str, Any]) -> Reply:
        """The reply of the server, after as many tries as it takes and the settings allow."""
        for tried in range(self.settings.retries + 1):
            try:
                return self._once(body)
            except _Later as error:
                last = error
            if tried < self.settings.retries:
                self._see("retries")
                self._closed.wait(min(0.5 * 2**tried, LONGEST))
            if self._closed.is_set():
                break
        if last.how is None:
            raise EndpointError(f"{self.setting}: {self.where}: {last}")
        return Reply("", last.how)

    def _once(self, body: dict[str, Any]) -> Reply:
        """One try."""
        import openai

        try:
            raw = self._client.chat.completions.with_raw_response.create(**body)
            return read(raw.http_response.json())
        except openai.APITimeoutError:
            raise _Later("no reply in time", StopReason.TIMED_OUT) from None
        except openai.APIConnectionError as error:
            raise _Later(f"no connection ({hidden(error.__cause__ or error)})") from None
        except openai.APIStatusError as error:
            return self._refused(error.status_code, hidden(error.message))
        except ValueError:  # not JSON, or not a reply
            raise _Later("not a reply", StopReason.MALFORMED) from None

    def _refused(self, status: int, message: str) -> Reply:
        """What a status code means: later, never, or that this request alone is refused, as one that is too long or against the rules of the server."""
        if status in AGAIN or status >= 500:
            raise _Later(f"status {status}: {message}")
        if status in FATAL:
            raise EndpointError(f"{self.setting}: {self.where}: status {status}: {message}")
        return Reply("", StopReason.REFUSED)


def client(setting: str, timeout: float) -> Any:
    """The official client, for the server and with the key of the environment.

    Raises:
        SettingError: it is not installed, or the environment lacks both.
    """
    try:
        import openai
    except ImportError:
        raise SettingError(f'{setting}: needs the client library openai: pip install "autotelic[openai]"') from None
    url, key = os.environ.get(URL), os.environ.get(KEY)
    if not (url or key):
        raise SettingError(f"{setting}: the environment has neither {KEY} nor, for a server of your own, {URL}")
    if url and urlsplit(url).scheme not in ("http", "https"):
        raise SettingError(f"{setting}: {URL} must begin with http:// or https://")
    return openai.OpenAI(base_url=url or None, api_key=key or "none", timeout=timeout, max_retries=0)


def address(url: str) -> str:
    """An address without user, password and query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path.rstrip('/')}"


def hidden(error: object) -> str:
    """The words of an error on one line, without the key."""
    text, key = " ".join(str(error).split())[:300], os.environ.get(KEY)
    return text.replace(key, "***") if key else text


def read(raw: Any) -> Reply:
    """A reply as the API has it.

    Raises:
        ValueError: it is none.
    """
    try:
        choice, usage = raw["choices"][0], raw.get("usage") or {}
        message, reason = choice["message"], choice.get("finish_reason")
        read, sampled = int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0)
        text = message.get("content")
    except (LookupError, TypeError, AttributeError) as error:
        raise ValueError("not a reply") from error
    if message.get("refusal") or reason == "content_filter":
        return Reply("", StopReason.REFUSED, read, sampled)
    if not isinstance(text, str):
        raise ValueError("a reply without text")
    text = text.encode("utf-8", "replace").decode()  # half of a character would fit in no file
    return Reply(text, StopReason.LENGTH if reason == "length" else StopReason.END, read, sampled)


def _completion(reply: Reply) -> Completion:
    return Completion([ord(c) for c in reply.text], [], reply.stop)


def is_endpoint(source: str) -> bool:
    """Whether a source names a model behind an endpoint."""
    return source.startswith(PREFIX) and len(source) > len(PREFIX)


def close_all(endpoints: Mapping[str, Endpoint]) -> None:
    """Close each."""
    for endpoint in endpoints.values():
        endpoint.close()
