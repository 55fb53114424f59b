"""The model of a run: its weights on the device of the settings, and the engine that samples from them."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from autotelic.bases.keeping import at_hand
from autotelic.bases.places import base_folder, known
from autotelic.engines.base import Engine
from autotelic.engines.batching import Batcher
from autotelic.engines.registry import AUTO, EngineOptions, find_engine, open_engine
from autotelic.errors import DataError, SettingError, nearest
from autotelic.learning.learner import Optimizer, rate_for
from autotelic.networks import machine
from autotelic.networks.model import LanguageModel
from autotelic.policies.folder import resolve
from autotelic.policies.loading import Loaded, load
from autotelic.policies.policy import Policy
from autotelic.runs.settings import RunSettings
from autotelic.systems.base import Recipe

LOGPROB_LIMIT = {"fp32": 1e-4, "bf16": 0.5}
"""On a CPU; see `most_apart`. Ten times as much on a GPU, which sums in other orders."""
FAST = 1e-4
"""A learning rate above this is one for tiny models."""


def settled(settings: RunSettings, model: LanguageModel) -> RunSettings:
    """Settings with the threads and the precision that suit a run's main model, where they were left open."""
    chosen = {"threads": settings.threads or machine.threads_for(model), "precision": machine.settled(settings.precision, model)}
    return settings.model_copy(update=chosen)


def learning_settled(recipe: Recipe, policy: Policy) -> Recipe:
    """A recipe with the precision and the rate of learning that suit a run's main policy, where they were left open."""
    asked = recipe.optimizer
    chosen = {"precision": machine.settled(asked.precision, policy.model), "learning_rate": asked.learning_rate or rate_for(policy)}
    return recipe.model_copy(update={"optimizer": asked.model_copy(update=chosen)})


def say_fast(policy: Policy, optimizer: Optimizer) -> None:
    """Says on stderr where a large model would learn at the rate of a tiny one, which several recipes have for their tiny worlds."""
    if rate_for(policy) < FAST < (optimizer.learning_rate or 0.0):
        usual = "where all weights of so large a model are trained, 1e-6 to 5e-5 are usual"
        print(f"note: optimizer.learning_rate is {optimizer.learning_rate:g}; {usual}", file=sys.stderr)


def load_policy(name: str, source: str, settings: RunSettings, quiet: bool = False) -> Policy:
    """A policy on the device of the settings, with the engine that they name. A `source` that is a base and nowhere yet is made, with progress on
    standard error unless `quiet`.

    Raises:
        DataError: nothing loadable there.
        SettingError: settings that do not fit the model, or an engine that cannot sample from it.
        AutotelicError: a base that cannot be made or kept.
    """
    at_hand(source, quiet)
    torch.set_num_threads(settings.threads or 1)
    loaded = load_weights(source, settings)
    settings = settled(settings, loaded.model)
    torch.set_num_threads(settings.threads or 1)
    return Policy.of(name, loaded, Batcher(choose_engine(settings, loaded.model)))


def read_policy(name: str, source: str, settings: RunSettings, batcher: Batcher) -> Policy:
    """A policy on the device of the settings that samples through a batcher that is there already."""
    return Policy.of(name, load_weights(source, settings), batcher)


def load_weights(source: str, settings: RunSettings) -> Loaded:
    """A model on the device of the settings; `source` may be a base that is at hand."""
    with naming_bases(source):
        loaded = load(base_folder(source) or source, choose_device(settings.device), settings.lora)
    loaded.tokenizer.set_variables(settings.chat_template_kwargs)
    return loaded


def check_there(source: str) -> None:
    """See to it that a model is there: a base, even one that is still to be made, a folder, a GGUF file or a hub name, which is downloaded if need be.

    Raises:
        DataError: it is not; names the nearest base.
    """
    with naming_bases(source):
        if source not in known():
            resolve(source)


@contextmanager
def naming_bases(source: str) -> Iterator[None]:
    """A DataError inside names the nearest base too, where `source` could be meant as one."""
    try:
        yield
    except DataError as error:
        unknown = not Path(source).exists() and "/" not in source and source not in known()
        raise DataError(f"{error}; nor is it a base; {nearest(source, known())}") if unknown else error from error


def choose_engine(settings: RunSettings, model: LanguageModel) -> Engine:
    """The engine of the settings, for a model; see `open_engine`."""
    return open_engine(settings.engine, model, EngineOptions(machine.settled(settings.precision, model), settings.workers or machine.usable_cores()))


def most_apart(settings: RunSettings, model: LanguageModel) -> float:
    """The largest difference between the log-probabilities of sampler and trainer that a model may have when it is loaded."""
    return LOGPROB_LIMIT[machine.settled(settings.precision, model)] * (1 if model.device.type == "cpu" else 10)


def refusal(settings: RunSettings, batcher: Batcher, model: LanguageModel) -> str | None:
    """Why the engine behind a batcher, opened by these settings, cannot sample from a further model; None where it can."""
    name = batcher.engine.name if settings.engine == AUTO else settings.engine
    return find_engine(name).refuses(model)


def choose_device(name: str) -> str:
    """The device of a name as torch spells them; "auto" is the first GPU where there is one.

    Raises:
        SettingError: torch does not have it.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise SettingError(f"device = {name!r}: {str(error).splitlines()[0]}") from error
    return name
