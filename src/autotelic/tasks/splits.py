"""Which split a problem is in: a fixed function of what it is, so that no task is in two."""

from typing import Literal, get_args

from autotelic import streams
from autotelic.errors import SettingError, nearest

Split = Literal["train", "probe", "validation"]


def split_of(identity: object) -> Split:
    """The split of a task: 80% train, 10% probe, 10% validation, by a hash of `identity` alone."""
    return {0: "probe", 1: "validation"}.get(streams.key("split", identity) % 10, "train")  # type: ignore[return-value]


def known_split(split: str) -> None:
    """Raises SettingError with the nearest name when `split` is none."""
    if split not in get_args(Split):
        raise SettingError(f"unknown split {split!r}: {nearest(split, get_args(Split))}")
