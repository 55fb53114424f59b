"""What the settings `template`, `system` and `chat` put around the prompts of tasks, and under which roles. The frame itself is in `tasks.prompting`."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace

from autotelic.errors import SettingError
from autotelic.policies.policy import Policy
from autotelic.rounds.roles import Role, own_prompt
from autotelic.runs.settings import RunSettings
from autotelic.tasks.file_world import FileWorld
from autotelic.tasks.mixing import MixedWorld
from autotelic.tasks.prompting import PROMPT, Frame, Template
from autotelic.types import Task, World
from autotelic.worlds.base import Disturbing
from autotelic.worlds.games import Games


def template_of(settings: RunSettings) -> Template | None:
    """The template of the settings, if they have one."""
    return None if settings.template is None else Template(settings.template)


def frame_of(settings: RunSettings, world: World) -> Frame:
    """What the settings put around the prompts of a world's tasks.

    Raises:
        SettingError: a frame around plays of games, or a template for what a generated world has not.
    """
    asked = next((name for name in ("system", "chat", "template") if getattr(settings, name)), None)
    if asked and isinstance(world, Games):
        raise SettingError(f"{asked}: the world {world.name!r} is played in turns, so that nothing can be put around its prompts")
    template = template_of(settings)
    for one in [part.world for part in world.parts.values()] if isinstance(world, MixedWorld) else [world]:
        if isinstance(one, Disturbing) and isinstance(world, MixedWorld):
            raise SettingError(f"the world {one.name!r} writes into what is sampled, which it cannot in a mix; take it alone")
        if template and not isinstance(one, FileWorld):
            template.check([PROMPT], f"the world {one.name!r}")
    return Frame(template, settings.system, settings.chat, world.prompt_column if isinstance(world, FileWorld | MixedWorld) else PROMPT)


def framed(roles: Mapping[str, Role], world: World, frame: Frame) -> dict[str, Role]:
    """The roles that answer the world's tasks put them into the frame; what the others read becomes chat messages where the tasks do. A world that writes
    into what is sampled does so under every role."""
    chat = Frame(chat=frame.chat or frame.system is not None)
    disturb = world.disturb if isinstance(world, Disturbing) else None

    def one(role: Role) -> Role:
        role = replace(role, disturb=disturb)
        if role.parse == world.parse and role.render is own_prompt:
            return replace(role, render=frame)
        return replace(role, render=lambda task: chat.around(role.render(task))) if chat.chat else role

    return {name: one(role) for name, role in roles.items()}


def check_chat(policy: Policy, frame: Frame) -> None:
    """Raises SettingError where the frame makes chat messages, and the model has no chat template."""
    if (frame.chat or frame.system is not None) and not policy.tokenizer.inner.chat_template:
        raise SettingError(f"{'chat' if frame.system is None else 'system'}: {policy.source} has no chat template")


def say_plain(policy: Policy, frame: Frame, tasks: Sequence[Task]) -> None:
    """Says on stderr where a chat model is given plain text, which is seldom meant."""
    if policy.tokenizer.chats and any(isinstance(frame(task), str) for task in tasks[:1]):
        print("note: prompts are plain text, although the model has a chat template; --chat puts them through it", file=sys.stderr)
