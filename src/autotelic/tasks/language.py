"""Skills by name: what each is asked, and what its replies mean in every world that has it. The words are the worlds': `tasks.english`, `worlds.NAME.language`.

| skill | `ask` | a reply |
|---|---|---|
| critique | problem, solution | the number of the first wrong step, from 1; FINE where there is none |
| judge | problem, solution | a grade from '0' to '5' |
| score | problem, solution, critique | SOUND: the solution is right; '1': the critique is; '2': neither |
| refine | problem, solution, critique | the answer of a better solution |
| explain | problem, answer | the answer of a solution that is to end in the given one |
| continue | problem, begun | the answer of a solution that begins as given |
| propose | | a problem, in words |
| sneak | problem, solution, place | a wrong step for that place, from 1, of the steps that `Skill.steps` gives |
| rewrite | problem | the same problem in words that are easier to solve |
| demonstrate | problem | another problem of its kind with a solution, as a text |
| imitate | problem, demonstrations | the answer of a solution to the problem, behind solved ones |

`problem` is the prompt that poses it, `critique` a critic's reply, or None where it could not be read.
"""

from collections.abc import Mapping

from autotelic.errors import SettingError, nearest
from autotelic.types import Skill, World

Language = Mapping[str, Skill]
"""Skills by name."""

ENGLISH = "english"
"""The language of tasks in words, beside which worlds have their own."""
NAMES = ("critique", "judge", "score", "refine", "explain", "continue", "propose", "sneak", "rewrite", "demonstrate", "imitate")
FINE = "0"
"""The critique that finds nothing wrong."""
SOUND = "3"
"""The score of a solution that is right, whatever the critique says."""
FLAWED = "flawed"
"""As the truth about a solution: something is wrong, and the world cannot say where. Any critique agrees with it that finds something."""


def skill_of(world: str, language: Language, name: str) -> Skill:
    """A skill of a world's language.

    Raises:
        SettingError: it has none of that name.
    """
    if name not in language:
        raise SettingError(f"world {world!r} has no skill {name!r}; {nearest(name, language)}")
    return language[name]


def speaks(world: World, name: str) -> bool:
    """Whether a world has a skill; a world of one's own need not have a method `skill`."""
    try:
        return world.skill(name).name == name
    except (AttributeError, SettingError):
        return False


def agrees(critique: str | None, truth: str) -> bool:
    """Whether a critique is right."""
    return critique not in (None, FINE) if truth == FLAWED else critique == truth
