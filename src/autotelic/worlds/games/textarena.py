"""The worlds of the library `textarena` as environments: an adapter, no more. Tested with version 0.7.4 (`pip install "autotelic[envs]"`).

TextArena draws from Python's global generator, also in the middle of a play; each play gets a state of its own here, or concurrent plays would mix.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from autotelic.errors import SettingError, nearest


class TextArena:
    """An `Environment` of TextArena, such as 'TicTacToe-v0'. Its own prompts are the first observations, its own rules judge the moves."""

    def __init__(self, name: str, players: int = 2) -> None:
        """Raises SettingError where the library is not installed or has no such environment."""
        try:
            from textarena.envs.registration import ENV_REGISTRY, make
        except ImportError as error:
            raise SettingError(f'textarena is not installed ({error}): pip install "autotelic[envs]"') from error
        if name not in ENV_REGISTRY:
            raise SettingError(f"textarena has no environment {name!r}: {nearest(name, ENV_REGISTRY)}")
        self.name, self.players = f"textarena:{name}", players
        self.inner: Any = make(f"{name}-raw" if f"{name}-raw" in ENV_REGISTRY else name)
        self._chance: Any = None

    @contextmanager
    def _own_chance(self) -> Iterator[None]:
        outside = random.getstate()
        if self._chance is not None:
            random.setstate(self._chance)
        try:
            yield
        finally:
            self._chance = random.getstate()
            random.setstate(outside)

    def reset(self, seed: int) -> None:
        """See `Environment`."""
        with self._own_chance():
            self.inner.reset(num_players=self.players, seed=seed % 2**32)

    @property
    def to_move(self) -> int | None:
        """See `Environment`."""
        return None if self.inner.state.done else self.inner.state.current_player_id

    def observe(self, player: int) -> str:
        """See `Environment`. A player's own words, which TextArena repeats to it, are left out."""
        seen, self.inner.state.observations[player] = self.inner.state.observations[player], []
        return "".join(f"{'' if speaker < 0 else f'Player {speaker}: '}{text}\n" for speaker, text, _ in seen if speaker != player)

    def step(self, action: str) -> bool:
        """See `Environment`. The attempts that TextArena would still allow after an illegal move are not asked for."""
        state, player = self.inner.state, self.inner.state.current_player_id
        errors = getattr(state, "error_count", 0)
        with self._own_chance():
            self.inner.step(action)
        return not (state.game_info[player]["invalid_move"] or getattr(state, "error_count", 0) > errors)

    def rewards(self) -> list[float]:
        """See `Environment`."""
        found = self.inner.state.rewards or {}
        return [float(found.get(player, 0.0)) for player in range(self.players)]

    @property
    def outcome(self) -> str:
        """TextArena's own reason."""
        return str(self.inner.state.game_info[0].get("reason", "not over"))
