"""Asking policies: sampling, dialogues, forks and plays, and how a task is put to a role. One part of the context; how a play goes is in `playing`."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

from autotelic.engines.base import Completion, Request
from autotelic.errors import DataError, EpisodeError, SettingError, nearest
from autotelic.policies.endpoint import Endpoint
from autotelic.policies.policy import Policy
from autotelic.policies.speaker import Speaker
from autotelic.rounds.disturbed import sampled
from autotelic.rounds.notes import Notes
from autotelic.rounds.playing import LONGEST, OPENING, Fault, Full, attempt, environment, opening
from autotelic.rounds.roles import Role
from autotelic.streams import key
from autotelic.tasks.columns import task_name
from autotelic.types import Group, Prompt, Rollout, Sampling, StopReason, Task, Turn, TurnKind, World


class Asking(Notes):
    """What asks; streams are keyed by seed, round, role, task and sample."""

    policies: dict[str, Policy]
    roles: dict[str, Role]
    endpoints: dict[str, Endpoint]
    """Models elsewhere that speak roles, under the names of these roles' policies."""
    world: World

    def speaker(self, role: str) -> Speaker:
        """Who speaks a role: a policy of the run, or an endpoint."""
        return self._behind(self.role(role))

    async def sample(self, role: str, tasks: Sequence[Task], n: int, note: bool = True, forced: Sequence[int] = (), **settings: Any) -> list[Group]:
        """`n` attempts at every task under a role, in one batch; `settings` override the role's sampling for this call only.

        An attempt is one action; at a task that opens an environment (`World.open`) it is a play (`rounds.playing.attempt`), each of whose moves is sampled so.
        Every completion begins with the tokens `forced`. With `note` off the rollouts are kept out of the round's monitors and store: for checks
        by the thousand. Sample `i` of a task has a random stream of its own, so what else is sampled never changes it.

        Raises:
            SettingError: `forced`, and a task opens an environment.
        """
        played = [task for task in tasks if environment(self.world, task) is not None]
        if forced and played:
            raise SettingError(f"forced: task {played[0].id!r} is played in turns, which cannot be forced")
        plays = {task.id for task in played}
        said, found = await asyncio.gather(
            self._said(role, [task for task in tasks if task.id not in plays], n, forced, settings), self._played(role, played, n, settings)
        )
        one, two = iter(said), iter(found)
        groups = [next(two if task.id in plays else one) for task in tasks]
        if note:
            self.note(groups)
        return groups

    async def _said(self, role: str, tasks: Sequence[Task], n: int, forced: Sequence[int], settings: dict[str, Any]) -> list[Group]:
        speaker, sampling = self._speaker(role, settings)
        policy = self._behind(speaker)
        requests, firsts = [], []
        for task in tasks:
            prompt = tuple(prompt_tokens(policy, speaker, task, sampling))
            firsts.append(first := self._count(role, task, n))
            streams = tuple(key(self.seed, self.round, role, task.id, first + i) for i in range(n))
            requests.append(Request(prompt, streams, sampling, tuple(forced)))
        completions = await self._complete(speaker, requests)
        groups = []
        for task, request, found, first in zip(tasks, requests, completions, firsts, strict=True):
            rollouts = [self._opened(speaker, task, request.prompt, first + i) for i in range(n)]
            for rollout, completion in zip(rollouts, found, strict=True):
                self._append(rollout, speaker, sampling, completion)
            groups.append(Group(task, rollouts))
        return groups

    async def _played(self, role: str, tasks: Sequence[Task], n: int, settings: dict[str, Any]) -> list[Group]:
        places = [(task, self._count(role, task, n) + i) for task in tasks for i in range(n)]
        plays = [asyncio.create_task(self._attempt(role, task, place, None, settings)) for task, place in places]
        rollouts = [await play for play in plays]
        return [Group(task, rollouts[place * n : (place + 1) * n]) for place, task in enumerate(tasks)]

    async def _attempt(self, role: str, task: Task, index: int, rollout: Rollout | None, settings: dict[str, Any]) -> Rollout:
        env = environment(self.world, task)
        assert env is not None
        return await attempt(self, env, role, task, index, rollout, **settings)

    def opened(self, role: str, task: Task, shown: str | None, index: int) -> Rollout:
        """The rollout of an attempt in an environment that has shown its first text; None: it has shown nothing.

        Raises:
            Fault: the player cannot read it, or has no room for it.
        """
        if shown is None:
            return self._opened(self.role(role), task, [], index)
        context = self.speaker(role).context
        try:
            prompt = encode_prompt(self.speaker(role), self.role(role), task.changed(prompt=shown)) if len(shown) <= LONGEST * context else None
        except DataError as error:
            raise Fault(str(error)) from error
        if prompt is None or len(prompt) >= context:
            raise Full(f"{task_name(task)}: its first text of {len(shown)} characters exceeds the model's context of {context}")
        rollout = self._opened(self.role(role), task, prompt, index)
        rollout.keys[OPENING] = shown
        return rollout

    def begin(self, role: str, task: Task) -> Rollout:
        """A rollout that holds only its prompt, to be extended; not even that where the environment that the task opens shows nothing."""
        index, env = self._count(role, task, 1), environment(self.world, task)
        if env is None:
            return self._opened(self.role(role), task, self.prompt(role, task), index)
        try:
            return self.opened(role, task, str(opening(env, task).prompt), index)
        except Fault:
            return self.opened(role, task, None, index)

    async def extend(self, role: str, rollouts: Sequence[Rollout], **settings: Any) -> None:
        """Append an attempt of `role` to each rollout, all in one batch; the prompt of each is all it holds so far.

        An attempt is an action, or a play, as in `sample`. The limit on new tokens shrinks to what room the context leaves; where there is none, the action
        is empty and cut off, and `rollouts/no_room` counts it.
        """
        played = [rollout for rollout in rollouts if environment(self.world, rollout.task) is not None]
        plays = [asyncio.create_task(self._attempt(role, rollout.task, 0, rollout, settings)) for rollout in played]
        ids = {rollout.id for rollout in played}
        await self._extend(role, [rollout for rollout in rollouts if rollout.id not in ids], settings)
        for play in plays:
            await play

    async def _extend(self, role: str, rollouts: Sequence[Rollout], settings: dict[str, Any]) -> None:
        speaker, sampling = self._speaker(role, settings)
        policy = self._behind(speaker)
        requests, places = [], []
        for rollout in rollouts:
            prompt = rollout.tokens
            room = policy.context - len(prompt)
            stream = self.stream(role, rollout)
            if room < 1:
                self.count("rollouts/no_room")
                self._append(rollout, speaker, sampling, Completion([], [], StopReason.LENGTH))
                continue
            own = sampling if room >= sampling.max_tokens else sampling.model_copy(update={"max_tokens": room})
            requests.append(Request(tuple(prompt), (stream,), own))
            places.append(rollout)
        for rollout, found in zip(places, await self._complete(speaker, requests), strict=True):
            self._append(rollout, speaker, sampling, found[0])

    async def act(self, role: str, rollout: Rollout, **settings: Any) -> Turn:
        """Append one action of `role` to a rollout; what concurrent episodes ask for goes to the engine as one batch."""
        await self._extend(role, [rollout], settings)
        return rollout.turns[-1]

    def say(self, role: str, rollout: Rollout, completion: Completion, **settings: Any) -> None:
        """Append an action of `role` that was decoded by other means than the engine; `settings` are those with which it was.

        Raises:
            SettingError: the world writes into what is sampled, which other means do not know.
        """
        if self.role(role).disturb is not None:
            raise SettingError(f"the world writes into what the role {role!r} says, as it is sampled: no other way of decoding works in it")
        self._append(rollout, *self._speaker(role, settings), completion)

    def stream(self, role: str, rollout: Rollout) -> int:
        """The key of the random stream for the next action of `role`: what `extend` uses, for actions that are decoded by other means."""
        return key(self.seed, self.round, role, rollout.id, self._count(role, rollout, 1))

    def observe(self, rollout: Rollout, shown: str | Sequence[int]) -> None:
        """Show a rollout some text, or tokens that were sampled before: an observation, which is never a target of training.

        Where the model was asked in a chat, a text is a further message of the user, and the assistant's next turn is opened.

        Raises:
            DataError: the vocabulary lacks a character of it, or the chat template has no place for it.
        """
        task = rollout.task.changed(prompt=rollout.keys[OPENING]) if OPENING in rollout.keys else rollout.task
        tokens = self.turn(rollout.role, task, shown, rollout.turns[-1].tokens) if isinstance(shown, str) else list(shown)
        tokenizer = self.speaker(rollout.role).tokenizer
        rollout.turns.append(Turn(TurnKind.OBSERVATION, tokens, text=tokenizer.shown(tokens)))
        rollout.text, rollout.answer = "", None

    def turn(self, role: str, task: Task, text: str, said: Sequence[int] = ()) -> list[int]:
        """The token ids of a text that a role is shown after `said` in answer to a task: of the text alone, or in a chat of a message of the user.

        Raises:
            DataError: see `observe`.
        """
        speaker = self.role(role)
        tokenizer, prompt = self._behind(speaker).tokenizer, speaker.render(self.put(task))
        return tokenizer.encode(text) if isinstance(prompt, str) else tokenizer.encode_turn(prompt, said, text)

    def fork(self, rollout: Rollout, n: int) -> list[Rollout]:
        """`n` rollouts that go on from where this one is: its children, without rewards or advantage."""
        first = self._count("fork", rollout, n)
        return [
            replace(
                rollout,
                id=f"{rollout.id}.{first + i}",
                turns=list(rollout.turns),
                rewards={},
                abstained=frozenset(),
                keys=dict(rollout.keys),
                parent=rollout.id,
                advantage=None,
            )
            for i in range(n)
        ]

    async def play(self, episode: Callable[[Self, Task, int], Awaitable[list[Rollout]]], tasks: Sequence[Task], n: int = 1) -> list[Group]:
        """`n` plays of an episode for every task, all at once; a group holds all rollouts of a task, whichever role made them.

        A play that raises EpisodeError is counted in `episodes/failed` and leaves no rollouts.
        """
        plays = [asyncio.create_task(self._play(episode, task, index)) for task in tasks for index in range(n)]
        done = [await play for play in plays]
        groups = [Group(task, [r for play in done[place * n : (place + 1) * n] for r in play]) for place, task in enumerate(tasks)]
        self.note(groups)
        return groups

    async def _play(self, episode: Callable[[Self, Task, int], Awaitable[list[Rollout]]], task: Task, index: int) -> list[Rollout]:
        try:
            return await episode(self, task, index)
        except EpisodeError:
            self.count("episodes/failed")
            return []

    def proposal(self, rollout: Rollout, prompt: Prompt, answer: str | None = None, hidden: Mapping[str, Any] | None = None, **tags: Any) -> Task:
        """A task that a rollout made; its tags name the rollout as the parent and the round as its birth."""
        return Task(f"by-{rollout.id}", prompt, answer, hidden or {}, {"parents": [rollout.id], "born": self.round, **tags})

    def prompt(self, role: str, task: Task) -> list[int]:
        """The token ids with which a task is put to a role."""
        speaker = self.role(role)
        return encode_prompt(self._behind(speaker), speaker, self.put(task))

    def put(self, task: Task) -> Task:
        """A task as it is put to a player: one that opens an environment with the first text of that for its prompt."""
        return put(self.world, task)

    def fits(self, role: str, task: Task, **settings: Any) -> bool:
        """Whether a task can be put to a role: its characters are known, and the context has room for it and for the answer."""
        speaker, sampling = self._speaker(role, settings)
        try:
            prompt_tokens(self._behind(speaker), speaker, self.put(task), sampling)
        except DataError:
            return False
        return True

    def role(self, name: str) -> Role:
        """A role by name."""
        if name not in self.roles:
            raise SettingError(f"no role {name!r}; {nearest(name, self.roles)}")
        return self.roles[name]

    def _behind(self, role: Role) -> Speaker:
        return self.endpoints.get(role.policy) or self.policies[role.policy]

    def _speaker(self, role: str, settings: dict[str, Any]) -> tuple[Role, Sampling]:
        speaker = self.role(role)
        return speaker, Sampling(**{**speaker.sampling.model_dump(), **settings}) if settings else speaker.sampling

    def _count(self, what: str, of: Task | Rollout, n: int) -> int:
        """How many samples of it this round has drawn, so that the next get new random streams."""
        first = self._drawn[what, of.id]
        self._drawn[what, of.id] += n
        return first

    async def _complete(self, role: Role, requests: list[Request]) -> list[list[Completion]]:
        self.on_phase("sampling")
        speaker = self._behind(role)
        completions = await sampled(speaker, requests, None if role.policy in self.endpoints else role.disturb) if requests else []
        if role.disturb is not None:
            self.count("rollouts/slips", sum(bool(found.given) for group in completions for found in group))
        if isinstance(speaker, Endpoint):
            for name, number in speaker.take_counts().items():
                self.count(name, number)
        return completions

    def _opened(self, role: Role, task: Task, prompt: Sequence[int], index: int) -> Rollout:
        turn = Turn(TurnKind.PROMPT, list(prompt), role=role.name, text=self._behind(role).tokenizer.shown(prompt))
        return Rollout(
            f"r{self.round}/{role.name}/{task.id}/{index}",
            task,
            [turn],
            keys={"role": role.name, "task": task.id},
            role=role.name,
            trained=role.policy not in self.endpoints,
        )

    def _append(self, rollout: Rollout, role: Role, sampling: Sampling, completion: Completion) -> None:
        policy = self._behind(role)
        rollout.turns.append(
            Turn(
                TurnKind.ACTION, completion.tokens, None if role.policy in self.endpoints else completion.logprobs, role.name, policy.name, policy.version, sampling.scale, completion.stop,
                policy.tokenizer.decode(completion.tokens), completion.given,
            )
        )  # fmt: skip
        utterance = rollout.utterance
        rollout.text = utterance[0].text if len(utterance) == 1 else policy.tokenizer.decode([token for turn in utterance for token in turn.tokens])
        # What ran into the limit has no answer, whatever its fragment looks like.
        rollout.answer = None if completion.stop is StopReason.LENGTH or completion.stop.failed else role.parse(rollout.text)


def put(world: World, task: Task) -> Task:
    """A task as it is put to a player: one that opens an environment with the first text of that for its prompt.

    Raises:
        DataError: the environment raised an error, took too long, or was over at once.
    """
    env = environment(world, task)
    try:
        return task if env is None else opening(env, task)
    except Fault as fault:
        raise DataError(f"{task_name(task)}: {fault}") from fault


def prompt_tokens(policy: Speaker, role: Role, task: Task, sampling: Sampling) -> list[int]:
    """A task's prompt as token ids.

    Raises:
        DataError: the vocabulary lacks its characters, or it leaves no room in the context for `sampling.max_tokens` more.
    """
    tokens = encode_prompt(policy, role, task)
    if len(tokens) + sampling.max_tokens > (context := policy.context):
        needed = f"its prompt of {len(tokens)} tokens and sampling.max_tokens={sampling.max_tokens}"
        raise DataError(f"{task_name(task)}: {needed} exceed the model's context of {context}")
    return tokens


def encode_prompt(policy: Speaker, role: Role, task: Task) -> list[int]:
    """A task's prompt as token ids, however long.

    Raises:
        DataError: the vocabulary lacks its characters.
    """
    try:
        return policy.tokenizer.encode_prompt(role.render(task))
    except DataError as error:
        raise DataError(f"{task_name(task)}: {error}") from error
