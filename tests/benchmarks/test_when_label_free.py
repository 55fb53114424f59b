"""What the map of label-free methods makes of a run."""

import pytest

from autotelic.studies.results import Row
from benchmarks.when_label_free import BASES, FAST, METHODS, RUN, gain_cell, point_of, ranks


def row(values: list[float], arm: str = "srt, fast, habits") -> Row:
    first = {"probe/accuracy": values[0], "probe/majority@8": 0.75}
    return Row(arm=arm, seed=0, verdict="improved", seconds=1.0, command="", first=first, history={"probe/accuracy": list(enumerate(values))})


def test_a_run_is_a_point() -> None:
    point = point_of(row([0.25, 1.0, 0.5]))
    assert (point.title, point.base, point.margin, point.gain, point.crashed) == ("srt, fast", "habits", 0.5, 0.25, True)
    assert not point_of(row([0.25, 1.0, 0.95])).crashed and not point_of(row([0.75, 0.75])).crashed
    assert point_of(row([0.5, 0.25])).crashed, "the first weights count too"


def test_a_cell_says_how_many_runs_there_are_and_how_many_fell() -> None:
    fell, rose = point_of(row([0.25, 1.0, 0.5])), point_of(row([0.25, 1.0]))
    assert [gain_cell(runs) for runs in ([], [rose], [rose, rose, fell])] == ["", "1.00 (1 of 3 seeds)", "0.83 (1 fell)"]


def test_equal_values_share_the_mean_of_their_places() -> None:
    assert ranks([0.3, 0.1, 0.3, 0.5]) == pytest.approx([1.5, 0, 1.5, 3])


def test_every_method_starts_from_every_base() -> None:
    assert len(RUN.arms) == len(METHODS) * len(BASES) + len(FAST)
    assert all(arm["tasks"] == BASES[arm["model"]] for arm in RUN.arms.values())
