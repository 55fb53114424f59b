"""Worlds whose problems are English, for models that speak it: arithmetic stories, and small ones of dates, units, numbers, words and logic."""

from autotelic.worlds.english.base import EnglishWorld
from autotelic.worlds.english.stories import WordProblems

__all__ = ["EnglishWorld", "WordProblems"]
