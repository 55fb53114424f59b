"""Requests of many coroutines in one engine call."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from autotelic.engines.base import Completion, Request, Vocabulary
from autotelic.engines.batching import Batcher
from autotelic.engines.torch_engine import TorchEngine
from autotelic.networks.decoder import Decoder
from autotelic.networks.model import LanguageModel
from autotelic.policies.tokenizer import Tokenizer
from autotelic.streams import key
from autotelic.types import Sampling

Tiny = Callable[..., Decoder]


class Watched:
    """The torch engine, remembering its calls; fails when told."""

    name = "watched"

    def __init__(self) -> None:
        self.calls: list[tuple[LanguageModel, int]] = []
        self.broken: LanguageModel | None = None

    def generate(self, model: LanguageModel, requests: Sequence[Request], vocabulary: Vocabulary) -> list[list[Completion]]:
        self.calls.append((model, len(requests)))
        if model is self.broken:
            raise RuntimeError("out of order")
        return TorchEngine().generate(model, requests, vocabulary)


def ask(tokenizer: Tokenizer, text: str, n: int = 2) -> Request:
    return Request(tuple(tokenizer.encode_prompt(text)), tuple(key(text, i) for i in range(n)), Sampling(max_tokens=6))


def test_many_coroutines_become_one_call(tiny: Tiny, tokenizer: Tokenizer) -> None:
    model, engine = tiny(), Watched()
    batcher = Batcher(engine)

    async def episode(number: int) -> list[list[Completion]]:
        for _ in range(number % 3):  # some come a few turns of the loop later than others
            await asyncio.sleep(0)
        first = await batcher.generate(model, [ask(tokenizer, str(number))], tokenizer.vocabulary)
        return first + await batcher.generate(model, [ask(tokenizer, f"{number};"), ask(tokenizer, f"{number}=")], tokenizer.vocabulary)

    async def play() -> list[list[list[Completion]]]:
        return await asyncio.gather(*map(episode, range(9)))

    results = asyncio.run(play())
    assert [count for _, count in engine.calls] == [9, 18]
    for number, found in enumerate(results):
        alone = TorchEngine().generate(model, [ask(tokenizer, f"{number}{end}") for end in ("", ";", "=")], tokenizer.vocabulary)
        assert [[c.tokens for c in group] for group in found] == [[c.tokens for c in group] for group in alone]
    assert batcher.meter.calls == 2
    assert batcher.meter.sampled == sum(len(c.tokens) for found in results for group in found for c in group)
    assert batcher.meter.sampling > 0


def test_equal_prompts_are_read_once_and_everyone_gets_the_samples_of_its_own_streams(tiny: Tiny, tokenizer: Tokenizer) -> None:
    model, engine = tiny(), Watched()
    batcher = Batcher(engine)
    prompt, short = tuple(tokenizer.encode_prompt("12;")), Sampling(max_tokens=3)
    asked = [
        [Request(prompt, (key("a"), key("b")), Sampling(max_tokens=6)), ask(tokenizer, "3=")],
        [Request(prompt, (key("c"),), Sampling(max_tokens=6)), Request(prompt, (key("c"),), short)],
        [Request(prompt, (), Sampling(max_tokens=6)), Request(prompt, (key("c"),), Sampling(max_tokens=6), forced=prompt[-1:])],
    ]

    async def play() -> list[list[list[Completion]]]:
        return await asyncio.gather(*(batcher.generate(model, requests, tokenizer.vocabulary) for requests in asked))

    results = asyncio.run(play())
    assert [count for _, count in engine.calls] == [4], "one with three streams, another prompt, another limit, another beginning"
    for requests, found in zip(asked, results, strict=True):
        alone = TorchEngine().generate(model, requests, tokenizer.vocabulary)
        assert [[c.tokens for c in group] for group in found] == [[c.tokens for c in group] for group in alone]


def test_models_are_called_apart_and_a_failure_reaches_all_who_wait_for_it(tiny: Tiny, tokenizer: Tokenizer) -> None:
    sound, broken, engine = tiny(), tiny(seed=1), Watched()
    engine.broken = broken
    batcher = Batcher(engine)

    async def play() -> list[object]:
        asks = [batcher.generate(model, [ask(tokenizer, str(i))], tokenizer.vocabulary) for i, model in enumerate((broken, sound, broken, sound))]
        return list(await asyncio.gather(*asks, return_exceptions=True))

    results = asyncio.run(play())
    assert sorted(count for _, count in engine.calls) == [2, 2]
    assert [isinstance(result, RuntimeError) for result in results] == [True, False, True, False]
    engine.broken = None
    assert asyncio.run(batcher.generate(broken, [ask(tokenizer, "1")], tokenizer.vocabulary))[0]


@pytest.mark.parametrize("fails", [False, True])
def test_a_cancelled_coroutine_does_not_hold_up_the_others(fails: bool, tiny: Tiny, tokenizer: Tokenizer) -> None:
    model, engine = tiny(), Watched()
    engine.broken = model if fails else None
    batcher = Batcher(engine)

    async def play() -> object:
        lost = asyncio.create_task(batcher.generate(model, [ask(tokenizer, "1")], tokenizer.vocabulary))
        kept = asyncio.create_task(batcher.generate(model, [ask(tokenizer, "2")], tokenizer.vocabulary))
        await asyncio.sleep(0)
        lost.cancel()
        return (await asyncio.wait_for(asyncio.gather(kept, return_exceptions=True), 5))[0]

    assert isinstance(asyncio.run(play()), RuntimeError) == fails
    assert engine.calls == [(model, 1)]


def test_a_batcher_outlives_an_event_loop_that_was_left_in_the_middle(tiny: Tiny, tokenizer: Tokenizer) -> None:
    model, batcher = tiny(), Batcher(Watched())

    async def leave() -> None:
        waiting = asyncio.create_task(batcher.generate(model, [ask(tokenizer, "1")], tokenizer.vocabulary))
        await asyncio.sleep(0)
        assert not waiting.done()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(leave())

    async def again() -> list[list[Completion]]:
        return await asyncio.wait_for(batcher.generate(model, [ask(tokenizer, "2")], tokenizer.vocabulary), 5)

    assert len(asyncio.run(again())) == 1
