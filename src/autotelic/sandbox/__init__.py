"""Code that a model wrote, run apart from everything: no network, no files of this machine, no other process, and limits on all that it may use."""

from autotelic.sandbox.limits import Ended, Limits, Program, Result
from autotelic.sandbox.pool import Sandbox, why_not

__all__ = ["Ended", "Limits", "Program", "Result", "Sandbox", "why_not"]
