"""What a study is: the claim of a paper, the runs that test it on a tiny world, and what was seen. Not how they are run (`studies.running`).

A module `study` declares `STUDY = Study(...)`; the registry finds it, `autotelic replicate NAME` runs it. It stands beside the system whose claim it
tests. An analysis is a row of the catalogue that is no system: a study with ids of its own, whose arms are runs of recipes that are here. One of a model
as it is, which trains nothing, declares a `Trial` beside it: that is what its arms then are, in place of runs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from autotelic.errors import SettingError, nearest
from autotelic.measures.metrics import Metric
from autotelic.types import Metrics, Sampling, Settings, Task, World

if TYPE_CHECKING:
    from autotelic.rounds.context import Context
    from autotelic.rounds.roles import Role

Move = Literal["up", "down", "above", "below", "shown"]
"""What the paper says a quantity does. "up": it rises from the first weights to the last, and ends above the control's; "down" likewise.
"above": it ends above the control's, whatever it does from first to last; "below" likewise. "shown": nothing; it is there to be seen."""
StudyOutcome = Literal["replicated", "partly", "no"]


class Trial(Settings):
    """What an arm of an analysis does: a model is asked tasks in some way, and numbers are taken. Fields are the settings of the arm."""

    metrics: ClassVar[tuple[Metric, ...]] = ()
    """What its numbers are."""

    model: str
    """A shipped base, a model folder or a hub name."""
    tasks: str
    """A world."""
    count: int = Field(200, ge=1)
    """Tasks, of the split that no base was taught; each seed draws its own."""
    sampling: Sampling = Sampling(max_tokens=96)
    """How answers to the tasks are sampled."""

    def roles(self, world: World) -> "Mapping[str, Role]":
        """Who speaks, all of them with the weights of the policy `solver`."""
        raise NotImplementedError

    async def steps(self, ctx: "Context", tasks: Sequence[Task]) -> list[Metrics]:
        """Its numbers, step by step from step 0. What is true can be read."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Arms beside one another: runs, or trials, that differ between arms in their settings and between seeds in the seed alone.

    Raises:
        SettingError: no arm or no quantity.
    """

    system: str
    """Name on the command line and of the file of results; that of the recipe where there is one alone."""
    quantities: Mapping[str, Move]
    """Metrics of the run's history, such as "probe/accuracy" or "probe/nashconv"; the first is the one that is plotted."""
    arms: Mapping[str, Mapping[str, Any]]
    """Settings of the runs as in a file of settings ({"recipe": "srt", "rounds": 40, "optimizer": {"learning_rate": 3e-4}}), or of the trials; the first
    arm of a study is the system as claimed, about which the words "moves as the paper says" are."""
    trial: type[Trial] | None = None
    """What the arms are where they are no runs."""
    by_task: ClassVar[bool] = False
    """Whether rows keep what came out task by task."""

    @property
    def deciding(self) -> float | None:
        """The share of the probe's tasks that rows leave out because they decide what some run hands over; None: of all of them."""
        return None

    def __post_init__(self) -> None:
        if not self.arms or not self.quantities:
            raise SettingError(f"{self.system!r}: needs arms and quantities")

    def facts(self) -> dict[str, Any]:
        """What its file of results says of it."""
        return {"system": self.system}


@dataclass(frozen=True, slots=True, kw_only=True)
class Study(Comparison):
    """A comparison with a claim: a system beside its control, or an analysis.

    Raises:
        SettingError: no arm, no quantity, or a control that is no arm.
    """

    recipes: tuple[str, ...] = ()
    """Names of the recipes whose claim is tested; the recipes of control arms are not among them. An analysis has none, but for controls made for it."""
    claim: str
    """What the paper says moves, in one sentence."""
    catalogue: tuple[int, ...] = ()
    """Ids of the catalogue rows that it is itself, as an analysis is; those of a system stand with the system."""
    paper: str = ""
    """Where an analysis was published, such as "arXiv:2504.20571"; the papers of systems stand with the systems."""
    control: str
    """The arm that every other is compared with, seed by seed."""
    against: Mapping[str, str | None] = field(default_factory=dict)
    """Arms that have another control, or none, as where they start from another base."""
    seeds: int = 3
    """How many seeds every arm has at least, in the rows that stand beside the study. With fewer than three its outcome is no more than "no"."""
    finding: str = ""
    """What was seen, in honest words, with what was tried where it was not seen; Markdown."""
    outcome: StudyOutcome | None = None
    """In one word, None while it has not been run; never better than what the intervals say: "replicated" only where every quantity moved as claimed, "partly" only where one did."""

    def __post_init__(self) -> None:
        Comparison.__post_init__(self)
        for arm in (self.control, *self.against, *filter(None, self.against.values())):
            if arm not in self.arms:
                raise SettingError(f"study {self.system!r}: no arm {arm!r}; {nearest(arm, self.arms)}")

    @property
    def main(self) -> str:
        """The first arm: the system as claimed."""
        return next(iter(self.arms))

    def control_of(self, arm: str) -> str | None:
        """The arm that `arm` is compared with."""
        control = self.against.get(arm, self.control)
        return None if control == arm else control
