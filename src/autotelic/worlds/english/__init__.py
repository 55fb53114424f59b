"""Worlds whose problems are English, for models that speak it: arithmetic stories, and small ones of days, units, numbers, words and order."""

from autotelic.worlds.english.base import EnglishWorld
from autotelic.worlds.english.small import Comparing, Ordering, Sorting, Units, Weekdays
from autotelic.worlds.english.stories import WordProblems

__all__ = ["Comparing", "EnglishWorld", "Ordering", "Sorting", "Units", "Weekdays", "WordProblems"]
