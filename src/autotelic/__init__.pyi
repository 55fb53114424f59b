"""The public names with their types. `__init__.py` loads them when they are asked for; a test holds the two to each other."""

from autotelic.answers.votes import VoteRule, frequencies, vote
from autotelic.errors import AutotelicError, DataError, SettingError
from autotelic.learning.advantages import center, leave_one_out
from autotelic.learning.examples import example, pair, sided, under, written
from autotelic.learning.learner import Optimizer, Updates
from autotelic.learning.objectives import DPO, KTO, NLL, SPPO, Mixture, PolicyGradient, Term, TokenScore, Unlikelihood
from autotelic.measures.metrics import Metric
from autotelic.rounds.context import Context
from autotelic.rounds.roles import Role
from autotelic.runs.loop import resume, start
from autotelic.runs.reading import RunReader
from autotelic.systems.base import Recipe, Way, recipe, variation, way
from autotelic.systems.study import Study
from autotelic.tasks.pool import TaskPool
from autotelic.tasks.samplers import Sampler
from autotelic.tasks.validate import validate
from autotelic.types import Example, Group, Rollout, Sampling, Settings, Task, World
from autotelic.worlds import WORLDS, GeneratedWorld, Longest, open_world
from autotelic.worlds.base import Lesson

__version__: str
__all__ = [
    "DPO",
    "KTO",
    "NLL",
    "SPPO",
    "WORLDS",
    "AutotelicError",
    "Context",
    "DataError",
    "Example",
    "GeneratedWorld",
    "Group",
    "Lesson",
    "Longest",
    "Metric",
    "Mixture",
    "Optimizer",
    "PolicyGradient",
    "Recipe",
    "Role",
    "Rollout",
    "RunReader",
    "Sampler",
    "Sampling",
    "SettingError",
    "Settings",
    "Study",
    "Task",
    "TaskPool",
    "Term",
    "TokenScore",
    "Unlikelihood",
    "Updates",
    "VoteRule",
    "Way",
    "World",
    "center",
    "example",
    "frequencies",
    "leave_one_out",
    "open_world",
    "pair",
    "recipe",
    "resume",
    "sided",
    "start",
    "under",
    "validate",
    "variation",
    "vote",
    "way",
    "written",
]
