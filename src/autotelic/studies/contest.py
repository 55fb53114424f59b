"""Recipes beside one another on one base, one set of tasks and an equal budget: how the arms are made of what a command says, and read back from a file.

How they are run is `studies.running`, what came out `studies.pairs`.
"""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from autotelic.errors import AutotelicError, DataError, SettingError, nearest
from autotelic.measures.budget import USED, Budget
from autotelic.measures.gate import GateSettings
from autotelic.runs.checking import checked
from autotelic.runs.checks import check_skills
from autotelic.runs.models import check_there
from autotelic.runs.opening import open_probe
from autotelic.runs.sealing import digest_of
from autotelic.runs.settings import RunSettings, apply, read_file, resolve
from autotelic.runs.tasks import open_tasks
from autotelic.studies.jobs import settings_digest
from autotelic.systems.base import Recipe
from autotelic.systems.registry import find
from autotelic.systems.study import Comparison, Move
from autotelic.types import World

GOLD, RANDOM = "gold", "random-reward"
"""Controls that are in every comparison: training on right answers, where these are known, and a reward that knows nothing."""
FILES = (".toml", ".json")
SAME = (
    "model", "tasks", "probe", "prompt_column", "answer_column", "verifier", "slice_column", "template", "system", "chat", "chat_template_kwargs",
    "probe_size", "probe_samples", "probe_sampling", "probe_every", "probe_seed", "budget", "seed", "select", "out",
)  # fmt: skip
"""Settings that no arm has for itself: what is asked, how it is put, and what may be used."""
MEASURED: dict[str, Move] = {"probe/accuracy": "shown", "probe/pass@1": "shown", USED: "shown"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest(Comparison):
    """Recipes at an equal budget, with their controls among the arms."""

    by_task: ClassVar[bool] = True

    compared: tuple[str, ...]
    """The arms that were asked for; the others are controls."""
    budget: str
    """What each run may use, as a setting."""

    @property
    def limit(self) -> Budget:
        """The budget as numbers."""
        return limit_of(self.budget)

    @property
    def controls(self) -> tuple[str, ...]:
        """The arms that nobody asked for."""
        return tuple(arm for arm in self.arms if arm not in self.compared)

    @property
    def deciding(self) -> float | None:
        """The share of the probe's tasks by which a gate decides in some arm: no arm is then judged by these. None without such an arm."""
        gates = [checked(GateSettings, settings["gate"]) for settings in self.arms.values() if isinstance(settings.get("gate"), Mapping)]
        return next((gate.share for gate in gates if gate.decides), None)

    def reads_answers(self, arm: str) -> bool | None:
        """Whether an arm trains on gold answers or on what was made with them, or a gate decides by them what it hands over; None where its recipe is a
        file that is no longer there."""
        with suppress(AutotelicError):
            about, gate = find(str(self.arms[arm].get("recipe", ""))).about, checked(GateSettings, self.arms[arm].get("gate", {}))
            return (gate.decides and gate.by != "votes") or about.needs_answers or about.preferences or bool(about.seeds)
        return None

    def facts(self) -> dict[str, Any]:
        """What its file of results says of it."""
        return {"system": self.system, "comparison": {"compared": self.compared, "budget": self.budget, "arms": self.arms}}


def limit_of(budget: Any) -> Budget:
    """A budget from a setting.

    Raises:
        SettingError: it is none.
    """
    found = checked(RunSettings, {"budget": budget}).budget
    if found is None:
        raise SettingError("budget: a comparison needs one; say --budget 200k, 5m or another")
    return found


def contest_of(words: Sequence[str], shared: Mapping[str, Any]) -> Contest:
    """The comparison that a command asks for.

    `words` are arms, "srt group_size=8": a recipe, or a file of settings that names one, and what differs; or overrides for all arms, "group_size=8".
    `shared` are settings of all arms by name; of base and tasks the first recipe's own stand in where they are not given.

    Raises:
        SettingError: an arm twice, a setting that no arm may have for itself or that an arm does not have, no budget.
        DataError: a file or a model that is not there or cannot be read, or held-out tasks without an answer.
    """
    common, specs = dict(shared), []
    for word in words:
        parts = parted(word)
        if "=" in parts[0]:
            apply(common, parts)
        else:
            specs.append(parts)
    if not specs:
        raise SettingError("no arm to compare; say recipes, such as: autotelic compare srt intuitor --budget 200k")
    limit_of(common.get("budget"))
    arms = {" ".join(parts): arm_of(parts) for parts in specs}
    if len(arms) < len(specs):
        raise SettingError("two arms are the same; name each once")
    common = alike(arms, common)
    asked = {arm: {**settings, **common} for arm, settings in arms.items()}
    world = opened(asked, next(iter(asked)))
    controls = {name: {"recipe": name, **common} for name in (GOLD, RANDOM) if name not in asked}
    if GOLD in controls and not answered(world, *resolved(GOLD, controls[GOLD])):
        del controls[GOLD]
    check_arms({**asked, **controls}, world)
    budget = str(common["budget"])
    return Contest(system=", ".join(asked), quantities=MEASURED, arms={**asked, **controls}, compared=tuple(asked), budget=budget)


def parted(word: str) -> list[str]:
    """The words of an arm.

    Raises:
        SettingError: none, or a quotation that does not end.
    """
    try:
        parts = shlex.split(word)
    except ValueError as error:
        raise SettingError(f"arm {word!r}: {error}") from error
    if not parts:
        raise SettingError("an arm without a recipe; name one, or a file of settings")
    return parts


def arm_of(parts: Sequence[str]) -> dict[str, Any]:
    """The settings that an arm has for itself."""
    source, *overrides = parts
    settings = apply(read_file(Path(source)) if source.endswith(FILES) else {"recipe": source}, overrides)
    if "recipe" not in settings:
        raise SettingError(f'{source}: names no recipe; put one into it: recipe = "srt"')
    for key in SAME:
        if key in settings:
            raise SettingError(f"arm {' '.join(parts)!r}: {key} is the same for all arms; give it once, as {key}=... or as an option of the command")
    return settings


def alike(arms: Mapping[str, Mapping[str, Any]], common: Mapping[str, Any]) -> dict[str, Any]:
    """What all arms have in common: with base, tasks and probe said, by the first recipe where nobody else does."""
    if wrong := [key for key in ("seed", "out", "select") if key in common]:
        raise SettingError(f"{wrong[0]}: not a setting of a comparison" + ("; say --seeds, of which each is a run" if wrong[0] == "seed" else ""))
    opened = {arm: resolved(arm, {**settings, **common}) for arm, settings in arms.items()}
    run, recipe = next(iter(opened.values()))
    sampling = run.probe_sampling.over(recipe.sampling)
    asks = {
        "temperature": sampling.temperature or 1.0, "top_p": sampling.top_p, "top_k": sampling.top_k,
        "max_tokens": run.probe_sampling.max_tokens or max(one.sampling.max_tokens for _, one in opened.values()),
    }  # fmt: skip
    chosen = {"model": run.model or recipe.about.model, "tasks": run.tasks or recipe.about.tasks, "probe_seed": run.probe_seed or 0}
    sizes = {"probe_size": run.probe_size, "probe_samples": run.probe_samples}
    return {**common, **chosen, **sizes, "probe_sampling": asks}


def resolved(arm: str, settings: Mapping[str, Any]) -> tuple[RunSettings, Recipe]:
    """Settings of run and recipe.

    Raises:
        SettingError: they are refused; names the arm.
    """
    try:
        return resolve(settings)
    except SettingError as error:
        raise SettingError(f"arm {arm!r}: {error}") from error


def opened(arms: Mapping[str, Mapping[str, Any]], arm: str) -> World:
    """The world of all arms, opened for one of them.

    Raises:
        DataError: a held-out task has no answer, so that nothing could be said of the arms.
    """
    run, recipe = resolved(arm, arms[arm])
    world = open_tasks(str(run.tasks), run)
    if not recipe.about.environment:
        missing = [task.id for task in open_probe(run, recipe, world)[1] if task.answer is None]
        if missing:
            raise DataError(
                f"{run.probe or run.tasks}: {len(missing)} held-out tasks have no answer (first: {missing[0]}); give some with answers, as --probe"
            )
    return world


def answered(world: World, run: RunSettings, recipe: Recipe) -> bool:
    """Whether all tasks that are trained on have an answer."""
    return all(task.answer is not None for task in recipe.pool(world, run.pool_size, run.seed))


def check_arms(arms: Mapping[str, Mapping[str, Any]], world: World) -> None:
    """See to it that the world has what the arms ask of it, and that their models are there.

    Raises:
        SettingError: the world lacks something.
        DataError: a model is not there.
    """
    opened = [resolved(arm, settings) for arm, settings in arms.items()]
    for _, recipe in opened:
        check_skills(recipe, world)
    for source in {source: None for run, recipe in opened for source in (run.model, *recipe.policies().values()) if source}:
        check_there(source)


def folder_of(contest: Contest) -> Path:
    """Where a comparison stands if nobody says: the same for the same arms, whatever the seeds."""
    name = re.sub("[^a-z0-9]+", "-", "-".join(contest.compared).lower()).strip("-")[:48]
    return Path("comparisons") / f"{name}-{digest_of([settings_digest(contest, arm) for arm in contest.arms])[:6]}"


def read_contest(path: Path) -> Contest:
    """The comparison of a file of results.

    Raises:
        DataError: no such file, or one of something else.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        facts = raw["comparison"]
        compared, arms = tuple(facts["compared"]), dict(facts["arms"])
        found = Contest(system=raw["system"], quantities=MEASURED, arms=arms, compared=compared, budget=facts["budget"])
        limit_of(found.budget)
    except (OSError, ValueError, TypeError, KeyError, SettingError) as error:
        raise DataError(f"{path}: cannot be read as results of a comparison: {error}") from error
    if unknown := [arm for arm in compared if arm not in arms]:
        raise DataError(f"{path}: no arm {unknown[0]!r}; {nearest(unknown[0], arms)}")
    return found
