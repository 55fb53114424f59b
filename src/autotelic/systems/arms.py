"""Arms on chain arithmetic that several studies share: settings and controls. No study is declared here."""

from typing import Any

LONG: dict[str, Any] = {"optimizer": {"learning_rate": 3e-4}, "rounds": 40, "probe_every": 20}
"""Reinforcement learning on the shipped bases."""
RANDOM: dict[str, Any] = {"recipe": "random-reward", **LONG}
GOLD: dict[str, Any] = {"recipe": "gold", **LONG}
HABITS: dict[str, Any] = {"model": "habits", "tasks": "habits", "rounds": 20, "probe_every": 5}
"""From the base whose majority is right where its greedy answer is not, at the rate that systems have where nobody says another."""
RANDOM_HABITS: dict[str, Any] = {"recipe": "random-reward", **HABITS}
GOLD_HABITS: dict[str, Any] = {"recipe": "gold", **HABITS}
PROBED_AT_ONE: dict[str, Any] = {"probe_sampling": {"temperature": 1.0}}
"""For arms of recipes that sample colder than their control: arms are compared at one temperature."""
SUPERVISED: dict[str, Any] = {"recipe": "supervised", "rounds": 40, "probe_every": 20}
