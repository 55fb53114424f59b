"""Engines by name, of this package and of others: how each is opened, which models it refuses, and what it can. Not the engines themselves."""

import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal

from autotelic.engines import native, vllm_engine
from autotelic.engines.base import Engine
from autotelic.engines.torch_engine import TorchEngine
from autotelic.entries import load, package, points
from autotelic.errors import SettingError, nearest
from autotelic.networks.model import LanguageModel
from autotelic.networks.operations import Precision

GROUP = "autotelic.engines"
"""The group of entry points by which other packages ship engines: the name of the engine, and its `EngineMaker`."""
AUTO = "auto"
"""In the place of a name: the native engine where it can be had, else the torch engine."""

Capability = Literal["stops", "weights"]
CAPABILITIES: dict[Capability, str] = {
    "stops": "end a completion at the strings of Sampling.stop",
    "weights": "sample from any weights that it is handed, as they are at that moment",
}
"""What a system may need of an engine and not every engine can, in words."""


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What of a run's settings is an engine's business. An engine may not heed them."""

    precision: Precision = "fp32"
    workers: int = 1
    """Threads to sample with."""


def takes_all(model: LanguageModel) -> None:
    """Refuses no model."""


@dataclass(frozen=True, slots=True)
class EngineMaker:
    """An engine that can be asked for by name."""

    open: Callable[[EngineOptions], Engine]
    capabilities: frozenset[Capability]
    refuses: Callable[[LanguageModel], str | None] = takes_all
    """Why it cannot sample from a model, or not on this machine; None where it can."""


ENGINES: dict[str, EngineMaker] = {
    "native": EngineMaker(
        lambda options: native.NativeEngine(threads=options.workers, precision=options.precision),
        frozenset(CAPABILITIES),
        lambda model: native.supports(model) or native.available(),
    ),
    "torch": EngineMaker(lambda options: TorchEngine(precision=options.precision), frozenset(CAPABILITIES)),
    "vllm": EngineMaker(lambda options: vllm_engine.VllmEngine(precision=options.precision), frozenset(CAPABILITIES), vllm_engine.supports),
}
"""The engines of this package."""


def known_engines() -> list[str]:
    """Names of engines, of this package and of others."""
    return [*ENGINES, *(name for name in points(GROUP) if name not in ENGINES)]


def check_name(name: str) -> str:
    """The name of an engine, or "auto".

    Raises:
        SettingError: there is no such engine; names the nearest.
    """
    if name not in (known := [AUTO, *known_engines()]):
        raise SettingError(f"engine = {name!r}: {nearest(name, known)}")
    return name


def find_engine(name: str) -> EngineMaker:
    """The maker of an engine by name.

    Raises:
        SettingError: no such engine, or the package that ships it has none there.
    """
    if check_name(name) in ENGINES:
        return ENGINES[name]
    made = load(GROUP, name, "engine")
    if not isinstance(made, EngineMaker):
        point = points(GROUP)[name]
        raise SettingError(f"engine {name!r}: the entry point {point.value!r} of {package(point)} is no EngineMaker")
    return made


def open_engine(name: str, model: LanguageModel, options: EngineOptions) -> Engine:
    """The engine of a name, for a model. "auto" is the native engine for weights on a CPU where it can be had, and says on stderr why it cannot; else torch.

    Raises:
        SettingError: no such engine, or it cannot sample from the model.
    """
    if name == AUTO:
        reason = ENGINES["native"].refuses(model)
        if reason and model.device.type == "cpu":
            print(f"sampling with the torch engine: {reason}", file=sys.stderr)
        return ENGINES["torch" if reason else "native"].open(options)
    if reason := find_engine(name).refuses(model):
        raise SettingError(f"engine={name}: {reason}")
    return find_engine(name).open(options)


def check_capabilities(name: str, needed: Collection[Capability], whose: str) -> None:
    """Raises SettingError where the engine of a name lacks what somebody needs, and names the engines that have it. "auto" lacks nothing."""
    if name == AUTO or not (lacking := sorted(set(needed) - find_engine(name).capabilities)):
        return
    able = [other for other in ENGINES if ENGINES[other].capabilities >= set(needed)]
    raise SettingError(f"engine={name}: cannot {CAPABILITIES[lacking[0]]}, which {whose} needs; {', '.join(able[:-1])} and {able[-1]} can")
