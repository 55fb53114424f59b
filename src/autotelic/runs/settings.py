"""The settings of a run, and how a file, dotted overrides and a recipe's own settings become one checked whole."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from autotelic.engines.registry import AUTO, check_name
from autotelic.errors import DataError, SettingError, nearest
from autotelic.measures.alarms import Alarms
from autotelic.measures.budget import UNLIMITED, Budget
from autotelic.measures.gate import GateSettings
from autotelic.measures.probe import ProbeSampling
from autotelic.measures.selection import Selection
from autotelic.networks.lora import LoRA
from autotelic.networks.machine import Wanted
from autotelic.policies.endpoint import EndpointSettings
from autotelic.runs.checking import checked
from autotelic.runs.trackers import Name
from autotelic.systems.base import Recipe
from autotelic.systems.registry import find
from autotelic.tasks.english import Texts
from autotelic.types import Settings, listed


class RunSettings(Settings):
    """What a run needs beside the recipe's own settings. Keys of both share one namespace in files and overrides."""

    recipe: str = "easy-to-hard"
    """Name of a shipped recipe, or a `.py` file that declares one."""
    model: str | None = None
    """Shipped base, model folder, PEFT adapter folder, GGUF file or hub name; None: the recipe's own base."""
    policies: dict[str, str] = Field(default_factory=dict)
    """Roles that a model behind an OpenAI-compatible API speaks: policies.judge=openai:MODEL. Address and key are those of the environment."""
    endpoint: EndpointSettings = EndpointSettings()
    tasks: str | None = None
    """Task file, world or data set, or several with their weights: "a.jsonl*2 + b.jsonl"; None: the recipe's own world."""
    probe: str | None = None
    """Held-out tasks from elsewhere, named as `tasks`; None: a split of `tasks` that training never sees."""
    prompt_column: str = "prompt"
    """Column of a task file that holds the prompt."""
    answer_column: str | None = None
    """Column of a task file that holds the gold answer; None: the first of the usual names that the file has."""
    verifier: Literal["exact", "number", "math", "tests", "partial-tests"] = "exact"
    """How answers of a task file are compared."""
    slice_column: str | None = None
    """Column of a task file by whose values results are told apart."""
    template: str | None = None
    """What prompts are put into, with names of columns in braces: '{question} Answer:'; of worlds '{prompt}' alone."""
    system: str | None = None
    """System message in front of every task; text prompts then go through the chat template."""
    chat: bool = False
    """Put text prompts through the model's chat template, as messages of the user."""
    chat_template_kwargs: dict[str, Any] = Field(default_factory=dict)
    """Variables of the model's chat template, such as enable_thinking."""
    language: str | None = None
    """In which roles are asked about the problems of a task file: "english", or the name of a world, such as "chain". None: of a shipped base the
    language of its world, if that has one; else English."""
    texts: Texts = Texts()
    """The words of English: how a model is asked to judge, criticize, mend or write problems."""
    pool_size: int = Field(2048, ge=1, le=10**7)
    """Tasks a world makes for the pool, or most tasks read from a file."""
    probe_size: int = Field(200, ge=1, le=10**6)
    """Held-out tasks that the probe asks."""
    probe_samples: int = Field(8, ge=0, le=10**5)
    """Samples per probe task, for pass@k and the majority vote."""
    probe_sampling: ProbeSampling = ProbeSampling()
    """How they are drawn; what is left out is as the main role samples in training."""
    probe_every: int | None = Field(None, ge=1)
    """Rounds between probes; None: every round, of a large model (`probing.SMALL`) so seldom that probes take a fifth of all tokens. The first and the
    last weights are always probed."""
    probe_seed: int | None = Field(None, ge=0, lt=2**63)
    """Of the held-out tasks alone, so that runs with other seeds are asked the same ones; None: `seed`."""
    budget: Budget | None = None
    """How much the run may use: "5m" or "2h" of wall time, "200k" sampled tokens, "200k-trained" tokens, "1M-passes". The round in which it is reached is the
    last, and `rounds` a limit only where it is given too."""
    seed: int = Field(0, ge=0, lt=2**63)
    """Of all random streams of the run."""
    out: str | None = None
    """Run directory; None: a new one under runs/."""
    engine: Annotated[str, AfterValidator(check_name)] = AUTO
    """What samples: "native", "torch", "vllm" or one that another package ships; "auto": the native engine where the model, the device and a compiler allow it,
    else torch."""
    precision: Wanted = "auto"
    """Arithmetic of the engine; "auto": bf16 for models from 20 million parameters on where the CPU multiplies it, else fp32."""
    workers: int | None = Field(None, ge=1, le=1024)
    """Sampling threads of the native engine; None: one per core this process may use."""
    threads: int | None = Field(None, ge=1, le=1024)
    """Threads of one torch operation; None: one per core for models from 20 million parameters on, else 1. More than one beside another busy process
    is many times slower."""
    device: str = "auto"
    """Torch device, such as "cpu" or "cuda"; "auto": the GPU where there is one."""
    lora: LoRA | None = None
    """Train an adapter instead of all weights."""
    gate: GateSettings = GateSettings()
    select: Selection = Selection()
    alarms: Alarms = Alarms()
    report_to: Annotated[tuple[Name, ...], BeforeValidator(listed)] = ()
    """Trackers that metrics are mirrored to: "tensorboard", "wandb", "trackio". The run directory has them all the same."""
    keep_checkpoints: int = Field(2, ge=1)
    """Rounds whose weights stay on disk: the newest, and the one that `select` or the gate would hand over."""
    keep_tokens: bool = False
    """Keep every sampled token with its log-probability then and after the round's learning, for `autotelic view`. One more pass over each rollout."""
    keep_every: int | None = Field(None, ge=1)
    """Beside those, each round with a number that this divides, round 0 among them."""

    @model_validator(mode="after")
    def _one_chooses(self) -> Self:
        if self.select.chooses and self.gate.decides:
            raise ValueError(f"gate.by = {self.gate.by!r} and select.by = {self.select.by!r} would both choose what is handed over: set one of them")
        return self


def resolve(raw: Mapping[str, Any]) -> tuple[RunSettings, Recipe]:
    """Split a flat mapping of keys into the run's settings and the recipe's, and check both.

    Raises:
        SettingError: an unknown key, with the nearest known one, or a value that does not fit.
    """
    cls = find(str(raw.get("recipe", RunSettings.model_fields["recipe"].default)))
    own = {key: value for key, value in raw.items() if key in cls.model_fields}
    rest = {key: value for key, value in raw.items() if key not in cls.model_fields}
    for key in rest:
        if key not in RunSettings.model_fields:
            raise SettingError(f"no setting {key!r}; {nearest(key, [*RunSettings.model_fields, *cls.model_fields])}")
    settings = checked(RunSettings, {**cls.run_defaults, **rest})
    return settings, checked(cls, {**({"rounds": UNLIMITED} if settings.budget else {}), **own})


def given(**options: Any) -> dict[str, Any]:
    """The options of a command that were given: settings by name, to be laid over others."""
    return {key: value for key, value in options.items() if value is not None}


def read_file(path: Path) -> dict[str, Any]:
    """A TOML or JSON file of settings."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        raw = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except FileNotFoundError:
        raise DataError(f"{path}: no such settings file") from None
    except (OSError, ValueError, RecursionError) as error:  # what is not UTF-8, not TOML, not JSON, or too deep
        raise DataError(f"{path}: cannot be read as settings: {error}") from error
    if not isinstance(raw, dict):
        raise DataError(f"{path}: expected settings by name")
    return raw


def apply(raw: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """`raw` with dotted overrides such as `optimizer.learning_rate=1e-4`; values are JSON where they parse as JSON, else text."""
    for override in overrides:
        dotted, sign, text = override.partition("=")
        if not sign or not dotted:
            raise SettingError(f"{override!r} is not of the form key=value")
        *parents, key = dotted.split(".")
        place = raw
        for parent in parents:
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                raise SettingError(f"{override!r}: {parent!r} is a value, not a group of settings")
        place[key] = literal(text)
    return raw


def literal(text: str) -> Any:
    """JSON, or `None`, `True`, `False` as in Python, or the text itself."""
    words = {"None": None, "True": True, "False": False}
    if text in words:
        return words[text]
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # not JSON, or with a number of thousands of digits, or nested thousands deep
        return text
