"""Roles that models behind endpoints speak in a run: which may be, and the endpoints from their opening to their end."""

import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from autotelic.errors import AutotelicError, EndpointError, SettingError, nearest
from autotelic.measures.meter import Meter
from autotelic.policies.endpoint import PREFIX, Endpoint, close_all, is_endpoint
from autotelic.policies.replies import KEPT
from autotelic.rounds.context import Context
from autotelic.rounds.roles import Role
from autotelic.runs.settings import RunSettings
from autotelic.runs.store import Store
from autotelic.systems.base import Recipe


def spoken(recipe: Recipe, roles: Mapping[str, Role], policies: Mapping[str, str]) -> dict[str, Role]:
    """The roles, those of the setting `policies` on an endpoint.

    Raises:
        SettingError: no such role, no such kind of policy, or a role that is trained, scored or forced, which no endpoint can be.
    """
    for name, source in policies.items():
        check_spoken(recipe, roles, name, source)
    return {name: replace(role, policy=named(name)) if name in policies else role for name, role in roles.items()}


def check_spoken(recipe: Recipe, roles: Mapping[str, Role], name: str, source: str) -> None:
    """Raises SettingError; see `spoken`."""
    setting, able = f"policies.{name} = {source!r}", [role.name for role in roles.values() if role.only_read]
    if name not in roles:
        raise SettingError(f"{setting}: recipe {recipe.about.name!r} has no role {name!r}; {nearest(name, able or roles)}")
    if not is_endpoint(source):
        raise SettingError(f"{setting}: must be {PREFIX}MODEL, a model behind an OpenAI-compatible API")
    if not roles[name].only_read:
        others = f"an endpoint may speak: {', '.join(able)}" if able else "an endpoint may speak none of its roles"
        raise SettingError(
            f"{setting}: recipe {recipe.about.name!r} trains, scores or forces what the role {name!r} says, and an endpoint can only be asked; {others}"
        )


def named(role: str) -> str:
    """The name under which a role's endpoint stands beside the policies."""
    return f"endpoint {role}"


def endpoints(settings: RunSettings, meter: Meter) -> dict[str, Endpoint]:
    """The endpoints of the settings, each of which has answered.

    Raises:
        EndpointError: one does not.
        SettingError: see `Endpoint`.
    """
    opened: dict[str, Endpoint] = {}
    try:
        for role, source in settings.policies.items():
            opened[named(role)] = Endpoint(source, role, meter, settings.endpoint)
            opened[named(role)].check()
    except AutotelicError:
        close_all(opened)
        raise
    return opened


@contextmanager
def speaking(ctx: Context, store: Store) -> Iterator[None]:
    """Inside, replies of endpoints are kept with the run. One that goes away ends the run, with a word on what is kept and how to go on."""
    for endpoint in ctx.endpoints.values():
        endpoint.replies.keep(store.folder / KEPT)
    try:
        yield
    except EndpointError as error:
        last = store.last
        kept = "no round is done yet" if last is None else f"rounds 0 to {last} are kept, and so is every reply"
        raise EndpointError(f"{error}; {kept}; to go on: {shlex.join(['autotelic', 'resume', str(store.folder)])}") from error
    finally:
        close_all(ctx.endpoints)
