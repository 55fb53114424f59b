"""The types that all modules share: tasks, rollouts, groups, examples, sampling. Read this first.

A `Task` is a problem. A `Rollout` is what a policy did with it: a path of `Turn`s with the token ids and log-probabilities of
the moment they were sampled. Rewards are written on a rollout by name and stay unsummed until an advantage is made of them.
A `Group` is the rollouts of one task. An `Example` is one training sequence with what objectives need of it. `Sampling` belongs to a call,
never to a model.

These are plain values. They know nothing of weights, engines, files or recipes.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache
from math import isfinite, nan
from typing import Any, Literal, NotRequired, Protocol, TypedDict, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from autotelic.errors import TrainingError

Metrics = dict[str, float]


class Message(TypedDict):
    """One chat message, as in the datasets of TRL and the chat templates of Hugging Face. What else a message holds reaches the chat template too."""

    role: str
    content: str
    name: NotRequired[str]
    tool_calls: NotRequired[list[dict[str, Any]]]
    tool_call_id: NotRequired[str]


Prompt = str | list[Message]


LARGEST = 10**9
"""A setting with no bound of its own lies between 0 and this. It may be below 0 where its default is, or where its upper bound is not above 0."""


class Settings(BaseModel):
    """Base of every typed setting: unknown keys are errors, values are checked, numbers are finite and bounded, instances are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="after")
    @classmethod
    def _bounded(cls, value: Any, info: ValidationInfo) -> Any:
        low, high = bounds(cls, str(info.field_name))
        for number in numbers_in(value):
            if low is not None and number < low:
                raise PydanticCustomError("bound", "Input should be at least {bound}", {"bound": low})
            if high is not None and number > high:
                raise PydanticCustomError("bound", "Input should be at most {bound}", {"bound": high})
        return value


@cache
def bounds(cls: type[BaseModel], name: str) -> tuple[int | None, int | None]:
    """The bounds that a setting has because it has none of its own; None where it has, or is no number."""
    field = cls.model_fields[name]
    if "int" not in (annotation := str(field.annotation)) and "float" not in annotation:
        return None, None
    limits = [*field.metadata, *limits_in(field.annotation)]
    lows = [getattr(one, "ge", getattr(one, "gt", None)) for one in limits]
    highs = [one for one in (getattr(one, "le", getattr(one, "lt", None)) for one in limits) if one is not None]
    negative = min([0, *numbers_in(field.default)]) < 0 or any(high <= 0 for high in highs)
    low = -LARGEST if negative else 0
    return (None if any(one is not None for one in lows) else low), (None if highs else LARGEST)


def limits_in(annotation: Any) -> Iterator[Any]:
    """The limits of the entries of a tuple or of another choice that a type has inside."""
    for part in get_args(annotation):
        yield from getattr(part, "metadata", [])
        yield from limits_in(part)


def numbers_in(value: Any) -> Iterator[float]:
    """The numbers in a value of a setting; groups of settings see to their own."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from numbers_in(one)
    elif isinstance(value, tuple | list):
        for one in value:
            yield from numbers_in(one)


def listed(value: object) -> object:
    """Names as a command line has them, `[a, b]` or `a,b`, as a list; anything else as it is."""
    if not isinstance(value, str):
        return value
    return [name for part in value.strip().removeprefix("[").removesuffix("]").split(",") if (name := part.strip().strip("\"'"))]


@dataclass(frozen=True, slots=True)
class Task:
    """One problem. Never changed: a new version is a new task whose tags name its parents."""

    id: str
    prompt: Prompt
    answer: str | None = None
    """The gold answer where there is one. Label-free recipes never read it; probes do."""
    hidden: Mapping[str, Any] = field(default_factory=dict)
    """What the policy must not see: tests, documents, further columns of the task file."""
    tags: Mapping[str, Any] = field(default_factory=dict)
    """Difficulty, source, parents, the round it was born in."""

    @property
    def labeled(self) -> bool:
        """Whether there is a gold answer; no secret, even where the answer is sealed."""
        return self.answer is not None

    def changed(self, **changes: Any) -> "Task":
        """The same problem with some fields changed. Unlike `dataclasses.replace` it also works on tasks whose answer is sealed."""
        return replace(self, **changes)


def whole(text: str) -> list[str]:
    """A text as one step."""
    return [text]


@dataclass(frozen=True, slots=True)
class Skill:
    """Something a model may be asked to do in a world beside solving its tasks: how it is asked, how its reply is read, what is true.

    The skills by name, with what each is asked and what its replies mean, are in `tasks.language`.
    """

    name: str
    ask: Callable[..., Prompt]
    """The prompt; of a problem, as the prompt that poses it, and of what else the skill is about."""
    read: Callable[[str], str | None]
    """The reply in a completion, canonical; None where there is none."""
    truth: Callable[[Task, str], str | None] | None = None
    """The right reply about a task and a text such as a solution; None where nobody knows. For monitors and probes: it is out of reach of recipes
    that read no answers."""
    steps: Callable[[str], list[str]] = whole
    """A solution's steps, of those that the skill may be asked about; joined they are how the solution begins."""


class World(Protocol):
    """Where tasks come from and what is true of them: a generator with an exact verifier, or a task file with a checker."""

    name: str

    def tasks(self, count: int, *, seed: int, split: str = "train", **knobs: Any) -> list[Task]:
        """`count` distinct tasks of a keyed stream; no task is in two splits."""

    def parse(self, text: str) -> str | None:
        """The answer in a completion, canonical (equal answers are equal strings), or None when there is none."""

    def verify(self, task: Task, answer: str | None) -> float:
        """1.0 for a right answer, 0.0 for a wrong or missing one."""

    def gold(self, task: Task) -> str:
        """A completion that `verify` accepts; raises DataError where the world has none."""

    def skill(self, name: str) -> Skill:
        """A skill by name; raises SettingError where the world's language has none of that name."""


Disturb = Callable[[str, int, int], tuple[int, str] | None]
"""How a world writes into what is sampled: asked of a completion's text, of the place from which on it may do so, and of the sample's random stream, it says
where the first character stands that it replaces, and by which; None where there is none."""

# A world whose tasks are played in turns has a further method, `open(task) -> Environment`, which raises DataError for a task that is none of these;
# `task.hidden["seed"]` is what a play of it begins from. Where the environment has one player, the world's `parse` is given all its moves, one a line.


class Environment(Protocol):
    """A world of many turns with one or more players. One instance is one play at a time; `reset` begins it.

    What it raises is the episode's business, which counts the play as failed; nothing is trained on it.
    """

    name: str
    """Of the game: with the seat, the key under which rewards are compared."""
    players: int

    def reset(self, seed: int) -> None:
        """Begin a play; all chance in it follows from `seed`."""

    @property
    def to_move(self) -> int | None:
        """The player whose turn it is, from 0; None when the play is over."""

    def observe(self, player: int) -> str:
        """What a player is shown that it was not shown before: the others' moves, and what is private to it. Its own moves are not repeated."""

    def step(self, action: str) -> bool:
        """The move of the player whose turn it is. False: it is not legal, and nothing has changed."""

    def rewards(self) -> list[float]:
        """Per player, when the play is over, from -1 (the worst) to 1 (the best)."""

    @property
    def outcome(self) -> str:
        """How the play ended, in a word or two."""


class TurnKind(StrEnum):
    """What a run of tokens is."""

    PROMPT = "prompt"
    ACTION = "action"
    OBSERVATION = "observation"


class StopReason(StrEnum):
    """Why a completion ended."""

    END = "end"
    """An end-of-sequence token."""
    STOP = "stop"
    """A stop string or stop token."""
    LENGTH = "length"
    """The limit on new tokens: the completion is truncated."""
    TIMED_OUT = "timed_out"
    """No reply of an endpoint in time."""
    REFUSED = "refused"
    """An endpoint would not answer."""
    MALFORMED = "malformed"
    """What an endpoint sent was no reply."""

    @property
    def failed(self) -> bool:
        """Whether there is no completion at all."""
        return self in (StopReason.TIMED_OUT, StopReason.REFUSED, StopReason.MALFORMED)


class Sampling(Settings):
    """How one call samples."""

    temperature: float = Field(1.0, ge=0.0)
    """0 is greedy. Log-probabilities are those of the softmax at this temperature, before top-p and top-k; of 1.0 when greedy."""
    top_p: float = Field(1.0, gt=0.0, le=1.0)
    top_k: int = Field(0, ge=0)
    """0 keeps all tokens."""
    max_tokens: int = Field(64, ge=1, le=10**6)
    stop: tuple[str, ...] = ()
    """Strings after which a completion ends; the stop string stays in it."""

    @property
    def scale(self) -> float:
        """The temperature that the log-probabilities belong to."""
        return self.temperature or 1.0


@dataclass(slots=True)
class Turn:
    """A run of tokens in a rollout. Sampled text is never tokenized again: these ids are what is trained on."""

    kind: TurnKind
    tokens: list[int]
    logprobs: list[float] | None = None
    """Behavior log-probabilities, one per token of an action."""
    role: str | None = None
    policy: str | None = None
    version: int | None = None
    """The version of the policy that sampled it."""
    temperature: float = 1.0
    stop: StopReason | None = None
    text: str = ""
    """The tokens as text; of a prompt as the model reads it, special tokens included."""
    given: tuple[int, ...] = ()
    """Places of the tokens of an action that the world put there in place of what was sampled: read as an observation is, and never a target."""


@dataclass(slots=True)
class Rollout:
    """A path of turns on one task. Rollouts form a forest through `parent`; credit groups them by `keys`."""

    id: str
    task: Task
    turns: list[Turn]
    text: str = ""
    """The text of the last utterance: of all actions since the last prompt or observation. Of an attempt in an environment all moves, one a line."""
    answer: str | None = None
    """What the role's parser found in `text`; None when it did not parse or was cut off by the limit on new tokens."""
    rewards: dict[str, float] = field(default_factory=dict)
    """Rewards by name. They are not summed before an advantage is made of them."""
    keys: dict[str, Any] = field(default_factory=dict)
    """What an episode notes about it, such as its role or the seat of a player; advantages can be grouped by it."""
    parent: str | None = None
    """Id of the rollout that it was forked from."""
    advantage: float | list[float] | None = None
    """One number for every action token, or one per action token."""
    trained: bool = True
    """Whether a learner that is given it may train on it."""
    role: str = ""
    """The role that it was opened under, to which observations are shown; credit groups by `keys`."""
    abstained: frozenset[str] = frozenset()
    """Rewards that were asked and said nothing."""

    @property
    def tokens(self) -> list[int]:
        """All token ids, prompt included."""
        return [token for turn in self.turns for token in turn.tokens]

    @property
    def actions(self) -> list[Turn]:
        """The turns that a policy sampled."""
        return [turn for turn in self.turns if turn.kind is TurnKind.ACTION]

    @property
    def utterance(self) -> list[Turn]:
        """The actions since the last prompt or observation."""
        last = max((place for place, turn in enumerate(self.turns) if turn.kind is not TurnKind.ACTION), default=-1)
        return self.turns[last + 1 :]

    def cut(self, count: int) -> None:
        """Take back the last `count` tokens of the last utterance, to go on from an earlier place. `text` and `answer` are then unknown.

        Raises:
            ValueError: the utterance has fewer tokens.
        """
        if count > sum(len(turn.tokens) for turn in self.utterance):
            raise ValueError(f"rollout {self.id}: cannot take back {count} tokens, its last utterance has fewer")
        while count:
            last = self.turns.pop()
            kept = max(len(last.tokens) - count, 0)
            count -= len(last.tokens) - kept
            if kept:
                logprobs = None if last.logprobs is None else last.logprobs[:kept]
                given = tuple(place for place in last.given if place < kept)
                self.turns.append(replace(last, tokens=last.tokens[:kept], logprobs=logprobs, stop=StopReason.STOP, text="", given=given))
        self.text, self.answer = "", None

    @property
    def truncated(self) -> bool:
        """Whether the last action ran into the limit on new tokens."""
        return bool(self.turns) and self.turns[-1].stop is StopReason.LENGTH


@dataclass(slots=True)
class Group:
    """The rollouts of one task under one role."""

    task: Task
    rollouts: list[Rollout]

    def __iter__(self) -> Iterator[Rollout]:
        return iter(self.rollouts)

    def __len__(self) -> int:
        return len(self.rollouts)

    @property
    def answers(self) -> list[str | None]:
        """The parsed answer of each rollout, in order of the rollouts."""
        return [rollout.answer for rollout in self.rollouts]

    def reward(self, **named: Iterable[float | None]) -> None:
        """Write rewards by name, one value per rollout, in order of the rollouts. None: the reward abstains on this rollout, as in TRL.

        Raises:
            ValueError: a name has not exactly one value per rollout.
            TrainingError: a value is not a finite number.
        """
        for name, values in named.items():
            for rollout, value in zip(self.rollouts, values, strict=True):
                if value is None:
                    rollout.abstained |= {name}
                else:
                    rollout.rewards[name] = finite(rollout, name, value)


def finite(rollout: Rollout, name: str, value: Any) -> float:
    """A reward as a number. Raises TrainingError, which names it and the rollout, where it is none, or NaN, or infinite."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = nan
    if not isfinite(number):
        raise TrainingError(f"the reward {name!r} of rollout {rollout.id} is {value!r}, not a finite number; a reward abstains with None")
    return number


@dataclass(slots=True)
class Example:
    """One training sequence, with everything that an objective may ask of it.

    Lists of length T run beside `tokens`; entries of prompt and observation tokens are 0 and ignored.
    """

    rollout: str
    """Id of the rollout it came from; nothing is ever paired by position."""
    tokens: list[int]
    mask: list[float]
    """(T,) loss weight of each token as a target; 0 for the prompt."""
    weight: float = 1.0
    """Weight of the whole example."""
    advantage: list[float] | None = None
    """(T,) what a policy gradient weighs each target by; None for text that is trained on by likelihood or in pairs."""
    old_logprobs: list[float] | None = None
    """(T,) behavior log-probabilities; None when the text was not sampled as it stands."""
    temperature: float = 1.0
    """At which the targets were sampled."""
    pair: str | None = None
    """Name of the pair whose side it is; both sides land in one micro-batch."""
    side: Literal["chosen", "rejected"] | None = None
    """Which side of its pair it is. Without a pair: "chosen" for a text that is good by itself, "rejected" for one that is bad (`KTO`)."""
    version: int | None = None
    """Version of the policy that sampled it; None for text from elsewhere."""
    kl: list[float] | None = None
    """(T,) multiples of the objective's KL coefficient, beside each token; None: 1 everywhere."""
    truncated: bool = False
    """Whether one of the actions that are its targets ran into the limit on new tokens."""
    part: str = ""
    """Which term of a `Mixture` it belongs to; other objectives do not look."""
    extra: dict[str, float] = field(default_factory=dict)
    """Further numbers an objective declares that it reads, such as SPPO's win rates."""
    task: Task | None = field(default=None, repr=False, compare=False)
    """What it is about, so that nothing held out is learned; None only for text that is about no task."""
