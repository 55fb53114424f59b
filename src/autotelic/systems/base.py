"""What systems are: typed settings, roles, and one coroutine. A recipe trains in rounds, a way answers. Not what runs them (`runs.loop`, `runs.ways`)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from pydantic import Field

from autotelic.engines.registry import Capability
from autotelic.learning.learner import Optimizer
from autotelic.measures.metrics import Metric
from autotelic.rounds.roles import Role
from autotelic.systems.about import About, first_line
from autotelic.tasks.samplers import Sampler
from autotelic.types import Metrics, Rollout, Sampling, Settings, Task, World

if TYPE_CHECKING:
    from autotelic.measures.probe import ProbeResult
    from autotelic.rounds.context import Context


class System(Settings):
    """What recipes and ways have in common."""

    about: ClassVar[About]
    main: ClassVar[str] = "solver"
    """The role that is measured on held-out tasks. Its policy is the main one: its metrics bear plain names, and its weights are handed over."""
    skills: ClassVar[tuple[str, ...]] = ()
    """Skills that the world's language must have; `tasks.language` says what each is."""
    engine_needs: ClassVar[frozenset[Capability]] = frozenset()
    """What not every engine can and this system needs; `engines.registry` says what each is. One that lacks it is refused before anything is sampled."""

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        """Raises TypeError where a class of 0.2 names its main role as it did there, which would be passed over."""
        if "probed" in vars(cls):
            raise TypeError(f"{cls.__name__}.probed: the role that is measured is `main` now")

    @property
    def needed_skills(self) -> tuple[str, ...]:
        """Of `skills`, what these settings need; a world that lacks one is refused before anything is sampled."""
        return self.skills

    def policies(self) -> Mapping[str, str | None]:
        """Further policies by name: a shipped base, a model folder or hub name, or None for a copy of the solver. They are trained when asked to learn."""
        return {}

    def setup(self, ctx: "Context") -> None:
        """Called once before anything is sampled, and in a run that is resumed before its state is put back: what cannot work is refused here; frozen
        copies and optimizers of their own are made here."""


class Recipe(System):
    """A whole system that trains, in rounds. Fields are its settings, with the paper's defaults scaled to tiny models where they must be."""

    run_defaults: ClassVar[Mapping[str, Any]] = {}
    """Settings of the run that this recipe wants to be different when the user does not say."""
    metrics: ClassVar[tuple[Metric, ...]] = ()
    """What the numbers are that it logs itself, beside those of `measures.metrics`."""
    engine_needs: ClassVar[frozenset[Capability]] = frozenset({"weights"})

    rounds: int = Field(20, ge=0)
    """Rounds of a run, unless the command says otherwise."""
    optimizer: Optimizer = Optimizer()
    sampling: Sampling = Sampling(max_tokens=96)
    """How the solver samples in training. Probes are greedy, and sampled in the same way unless `probe_sampling` says otherwise."""

    @property
    def reads_answers(self) -> bool:
        """Whether the round reads gold answers with these settings."""
        return self.about.needs_answers

    @property
    def sees_gold(self) -> bool:
        """Whether its round is open to what is true of tasks."""
        return self.reads_answers or self.about.preferences

    @property
    def trains_on_gold(self) -> bool:
        """Whether gold completions are targets, each of which must then fit the context behind the solver's prompt."""
        return False

    def roles(self, world: World) -> dict[str, Role]:
        """Who speaks; one solver by default."""
        return {"solver": Role("solver", "solver", self.sampling, world.parse)}

    def pool(self, world: World, size: int, seed: int) -> list[Task]:
        """The tasks a run begins with."""
        return world.tasks(size, seed=seed)

    def probe(self, world: World, size: int, seed: int) -> list[Task]:
        """Held-out tasks, from a split of the world that training never draws from."""
        return world.tasks(size, seed=seed, split="probe")

    def sampler(self) -> Sampler | None:
        """How the pool draws; None: every task once before any comes again."""
        return None

    async def ask(self, ctx: "Context", tasks: Sequence[Task]) -> "ProbeResult | None":
        """The probe, where the main role cannot simply be asked the held-out tasks, as in games; None: it can."""
        return None

    async def measure(self, ctx: "Context", tasks: Sequence[Task]) -> Metrics:
        """Further yardsticks of the probe on its held-out tasks, by their full names. What it samples leaves no trace in the round."""
        return {}

    def finished(self, ctx: "Context") -> bool:
        """Whether there is nothing left to do, so that the run ends before its last round."""
        return False

    async def round(self, ctx: "Context") -> None:
        """One round: draw, sample, reward, learn."""
        raise NotImplementedError


TRIED = "tried"
"""Under this key a final rollout holds the answers that came before it, and itself."""
ASKED = "way/asked"
"""What counts the questions that a way asks the truth."""


class Way(System):
    """A way of answering, which learns nothing: the weights stay as they are, and a task gets one answer, by however many calls.

    Fields are its settings. `autotelic eval --way` sets it beside plain sampling of the same weights at equal tokens.
    """

    sampling: Sampling = Sampling(max_tokens=96)
    """How the solver samples where the way itself does not say. `autotelic eval` draws plain samples so too, as its options say."""

    @property
    def reads_truth(self) -> bool:
        """Whether it asks what is true while it answers, with these settings. Such a way counts its questions by `ctx.count(ASKED)`; of any other, what
        is true is out of reach."""
        return self.about.oracle

    @property
    def ablations(self) -> Mapping[str, Self]:
        """Itself without what it is said to live by, at as many calls, by what it then does."""
        return {}

    def roles(self, world: World) -> dict[str, Role]:
        """Who speaks; one solver by default."""
        return {"solver": Role("solver", "solver", self.sampling, world.parse)}

    async def answer(self, ctx: "Context", tasks: Sequence[Task]) -> list[Rollout]:
        """One final rollout for each task, in order; its `answer` may be None. Several answers on the way to it stand in `keys[TRIED]`, the final one last."""
        raise NotImplementedError


RecipeType = TypeVar("RecipeType", bound=type[Recipe])
WayType = TypeVar("WayType", bound=type[Way])


def recipe(
    *,
    name: str,
    system: str,
    paper: str,
    family: str,
    catalogue: tuple[int, ...] = (),
    proxy: str | None = None,
    needs_answers: bool = False,
    preferences: bool = False,
    environment: bool = False,
    seeds: str = "",
    model: str = "chain-medium",
    tasks: str = "chain",
) -> Callable[[RecipeType], RecipeType]:
    """Declare a recipe class; the first line of its docstring becomes its one line."""

    def declare(cls: RecipeType) -> RecipeType:
        line = first_line(cls, system)
        cls.about = About(name, system, paper, family, line, catalogue, proxy, needs_answers, preferences, environment, seeds, model, tasks)
        return cls

    return declare


def variation(
    *,
    name: str,
    system: str,
    paper: str,
    catalogue: tuple[int, ...] = (),
    family: str | None = None,
    proxy: str | None = None,
    needs_answers: bool | None = None,
    model: str | None = None,
    tasks: str | None = None,
) -> Callable[[RecipeType], RecipeType]:
    """Declare a subclass of a recipe that has other defaults, or does one step otherwise, in `variations.py` beside that recipe.

    It is a recipe in every way: it runs by its name, and its settings are checked, overridden and saved as those of any other. What is not given is
    as the recipe declares it.

    Raises:
        TypeError: the class has no declared recipe above it, so that there is nothing to vary.
    """
    given = {"family": family, "proxy": proxy, "needs_answers": needs_answers, "model": model, "tasks": tasks}

    def declare(cls: RecipeType) -> RecipeType:
        if (above := getattr(cls.__base__, "about", None)) is None:
            raise TypeError(f"{cls.__name__} is declared as a variation, and {cls.__base__.__name__ if cls.__base__ else None} is no declared recipe")
        own: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
        own |= {"name": name, "system": system, "paper": paper, "line": first_line(cls, system), "catalogue": catalogue}
        cls.about = replace(above, kind="variation", of=above.name, **own)
        return cls

    return declare


def way(
    *,
    name: str,
    system: str,
    paper: str,
    family: str,
    catalogue: tuple[int, ...] = (),
    oracle: bool = False,
    model: str = "chain-skills",
    tasks: str = "chain-skills",
) -> Callable[[WayType], WayType]:
    """Declare a way of answering, in `way.py`; the first line of its docstring becomes its one line."""

    def declare(cls: WayType) -> WayType:
        line = first_line(cls, system)
        cls.about = About(name, system, paper, family, line, catalogue, model=model, tasks=tasks, kind="way", oracle=oracle)
        return cls

    return declare
