"""The model of a run: its weights on the device of the settings, and the engine that samples from them."""

from pathlib import Path

import torch

from autotelic.bases.keeping import at_hand
from autotelic.bases.places import base_folder, known
from autotelic.engines.base import Engine
from autotelic.engines.batching import Batcher
from autotelic.engines.registry import AUTO, EngineOptions, find_engine, open_engine
from autotelic.errors import DataError, SettingError, nearest
from autotelic.networks import machine
from autotelic.networks.model import LanguageModel
from autotelic.policies.loading import Loaded, load
from autotelic.policies.policy import Policy
from autotelic.runs.settings import RunSettings
from autotelic.systems.base import Recipe

LOGPROB_LIMIT = {"fp32": 1e-4, "bf16": 0.5}
"""On a CPU; see `most_apart`. Ten times as much on a GPU, which sums in other orders."""


def settled(settings: RunSettings, model: LanguageModel) -> RunSettings:
    """Settings with the threads and the precision that suit a run's main model, where they were left open."""
    chosen = {"threads": settings.threads or machine.threads_for(model), "precision": machine.settled(settings.precision, model)}
    return settings.model_copy(update=chosen)


def learning_settled(recipe: Recipe, model: LanguageModel) -> Recipe:
    """A recipe with the precision of learning that suits a run's main model, where it was left open."""
    precision = machine.settled(recipe.optimizer.precision, model)
    return recipe.model_copy(update={"optimizer": recipe.optimizer.model_copy(update={"precision": precision})})


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
    try:
        loaded = load(base_folder(source) or source, choose_device(settings.device), settings.lora)
    except DataError as error:
        unknown = not Path(source).exists() and "/" not in source and source not in known()
        raise DataError(f"{error}; nor is it a base; {nearest(source, known())}") if unknown else error from error
    loaded.tokenizer.set_variables(settings.chat_template_kwargs)
    return loaded


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
