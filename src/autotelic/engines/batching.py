"""One batch from all episodes that wait: requests gather while coroutines run, and go to the engine when none can go on. Not an engine."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice
from time import perf_counter
from typing import TYPE_CHECKING, Final

from autotelic.engines.base import Completion, Engine, Request, Vocabulary
from autotelic.measures.meter import Meter

if TYPE_CHECKING:
    from autotelic.networks.model import LanguageModel

_Entry = tuple["LanguageModel", Vocabulary, Sequence[Request], asyncio.Future[list[list[Completion]]]]


class Batcher:
    """The front of an engine for coroutines. One per run; every policy's requests go through it."""

    def __init__(self, engine: Engine, meter: Meter | None = None) -> None:
        self.engine: Final = engine
        self.meter: Final = meter or Meter()
        self._waiting: list[_Entry] = []
        self._flush: asyncio.Task[None] | None = None

    async def generate(self, model: "LanguageModel", requests: Sequence[Request], vocabulary: Vocabulary) -> list[list[Completion]]:
        """As `Engine.generate`, in one batch with everything else that is waiting for the same model."""
        future: asyncio.Future[list[list[Completion]]] = asyncio.get_running_loop().create_future()
        self._waiting.append((model, vocabulary, requests, future))
        if self._flush is None or self._flush.done():
            self._flush = asyncio.create_task(self._when_quiet())
        return await future

    def release(self, model: "LanguageModel") -> None:
        """Let the engine drop what it keeps of a model whose weights are about to change, where it keeps any: memory that learning can use."""
        if release := getattr(self.engine, "release", None):
            release(model)

    async def _when_quiet(self) -> None:
        """Wait until a whole turn of the event loop brings no new request, then run all of them."""
        seen = -1
        while seen != len(self._waiting):
            seen = len(self._waiting)
            await asyncio.sleep(0)
        waiting = [entry for entry in self._waiting if not entry[-1].done()]  # without those whose coroutine was cancelled
        self._waiting, self._flush = [], None
        models: dict[int, list[int]] = {}
        for place, (model, *_) in enumerate(waiting):
            models.setdefault(id(model), []).append(place)
        for places in models.values():
            self._run([waiting[place] for place in places])

    def _run(self, batch: Sequence[_Entry]) -> None:
        """One engine call for requests to one model; a failure reaches every coroutine that waits for it."""
        model, vocabulary = batch[0][0], batch[0][1]
        start = perf_counter()
        try:
            wanted, places = together(request for _, _, requests, _ in batch for request in requests)
            made = [iter(completions) for completions in self.engine.generate(model, wanted, vocabulary)]
        except Exception as error:  # handed to the waiting coroutines, which raise it
            for *_, future in batch:
                future.set_exception(error)
            return
        finally:
            self.meter.sampling += perf_counter() - start
            self.meter.calls += 1
        self.meter.completions += sum(len(request.streams) for request in wanted)
        self.meter.read += sum(len(request.prompt) + len(request.forced) for request in wanted)
        place = iter(places)
        for _, _, requests, future in batch:
            completions = [list(islice(made[next(place)], len(request.streams))) for request in requests]
            self.meter.sampled += sum(len(completion.tokens) for group in completions for completion in group)
            future.set_result(completions)


def together(requests: Iterable[Request]) -> tuple[list[Request], list[int]]:
    """Requests that differ in their streams alone as one, so that their prompt is read once; and for each request the place of the one it is in.

    Its completions are the next ones there. Many episodes ask for the same, as players do in the first turns of a game.
    """
    places: list[int] = []
    found: dict[Request, int] = {}
    streams: list[list[int]] = []
    for request in requests:
        place = found.setdefault(replace(request, streams=()), len(found))
        if place == len(streams):
            streams.append([])
        streams[place] += request.streams
        places.append(place)
    return [replace(request, streams=tuple(own)) for request, own in zip(found, streams, strict=True)], places
