"""Language models that improve themselves, and an honest report of whether they did."""

__version__ = "0.2.0"

from autotelic import moved

moved.install()
