"""Sampling in a world that writes into what is sampled: it replaces a character, and the policy goes on from what then stands there.

A completion is sampled whole. Where the world replaces a character of it, what came after was never written: it is forgotten, and sampled anew behind the
replaced token. This is what a policy would have written that had been interrupted, at fewer calls. Forgotten tokens count as sampled.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

from autotelic.engines.base import Completion, Request
from autotelic.policies.policy import Policy
from autotelic.policies.speaker import Script, Speaker
from autotelic.streams import key
from autotelic.types import Disturb, StopReason

Asked = Generator[list[Request], list[list[Completion]], list[list[Completion]]]
"""Requests out, their completions in; in the end those of the first requests."""


async def sampled(speaker: Speaker, requests: Sequence[Request], disturb: Disturb | None) -> list[list[Completion]]:
    """Completions of each request, one for each of its streams, as the world leaves them."""
    if disturb is None:
        return await speaker.sample(requests)
    asked = written_into(requests, speaker.tokenizer, disturb)
    wanted = next(asked)
    while True:
        try:
            wanted = asked.send(await speaker.sample(wanted))
        except StopIteration as done:
            return list(done.value)


def generated(policy: Policy, requests: Sequence[Request], disturb: Disturb | None) -> list[list[Completion]]:
    """The same where no run batches requests (`Policy.generate`)."""
    if disturb is None:
        return policy.generate(requests)
    asked = written_into(requests, policy.tokenizer, disturb)
    wanted = next(asked)
    while True:
        try:
            wanted = asked.send(policy.generate(wanted))
        except StopIteration as done:
            return list(done.value)


@dataclass(slots=True)
class Writing:
    """A completion that is being written."""

    request: Request
    stream: int
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    given: list[int] = field(default_factory=list)
    stop: StopReason = StopReason.END
    start: int = 0
    """The place in the text from which on the world may write."""

    def add(self, found: Completion) -> None:
        """What was sampled behind what stands."""
        self.tokens += found.tokens
        self.logprobs += found.logprobs
        self.stop = found.stop

    def disturbed(self, script: Script, disturb: Disturb) -> bool:
        """Whether the world writes into it; what comes after that place is then gone."""
        text = script.decode(self.tokens)
        if (found := disturb(text, self.start, self.stream)) is None:
            return False
        place, character = found
        kept = fitting(script, self.tokens, place)
        shown = script.encode(text[len(script.decode(self.tokens[:kept])) : place] + character)
        self.tokens = [*self.tokens[:kept], *shown]
        self.logprobs = [*self.logprobs[:kept], *[0.0] * len(shown)]
        self.given = [*[one for one in self.given if one < kept], *range(kept, kept + len(shown))]
        self.start = place + 1
        return True

    def rest(self) -> Request:
        """What asks for the rest."""
        left = self.request.sampling.max_tokens - len(self.tokens)
        sampling = self.request.sampling.model_copy(update={"max_tokens": left})
        return Request((*self.request.prompt, *self.tokens), (key("rest", self.stream, len(self.tokens)),), sampling)

    def room(self) -> bool:
        """Whether there may be a rest; without it the completion is cut off."""
        if full := len(self.tokens) >= self.request.sampling.max_tokens:
            self.stop = StopReason.LENGTH
        return not full


def written_into(requests: Sequence[Request], script: Script, disturb: Disturb) -> Asked:
    """Asks until the world has nothing more to replace."""
    forced = [len(script.decode(request.forced)) for request in requests]
    groups = [[Writing(one, stream, start=start) for stream in one.streams] for one, start in zip(requests, forced, strict=True)]
    for group, found in zip(groups, (yield list(requests)), strict=True):
        for writing, completion in zip(group, found, strict=True):
            writing.add(completion)
    writings = [writing for group in groups for writing in group]
    while writings := [writing for writing in writings if writing.disturbed(script, disturb) and writing.room()]:
        for writing, (completion,) in zip(writings, (yield [writing.rest() for writing in writings]), strict=True):
            writing.add(completion)
    return [[Completion(one.tokens, one.logprobs, one.stop, tuple(one.given)) for one in group] for group in groups]


def fitting(script: Script, tokens: Sequence[int], length: int) -> int:
    """The most of some tokens, from the first on, that say no more than `length` characters."""
    return next(count for count in reversed(range(len(tokens) + 1)) if len(script.decode(tokens[:count])) <= length)
