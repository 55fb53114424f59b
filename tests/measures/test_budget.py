"""Budgets: how they are written and read, and what of a run counts."""

import pytest

from autotelic.errors import SettingError
from autotelic.measures.budget import USED, Budget
from autotelic.measures.meter import Meter
from autotelic.runs.checking import checked
from autotelic.runs.settings import RunSettings, resolve


@pytest.mark.parametrize(
    ("text", "amount", "unit", "shown"),
    [
        ("5m", 300, "seconds", "5 min"),
        ("90s", 90, "seconds", "1.5 min"),
        ("2h", 7200, "seconds", "2 h"),
        ("10min", 600, "seconds", "10 min"),
        ("200k", 200_000, "sampled", "200k sampled tokens"),
        ("5M", 5_000_000, "sampled", "5M sampled tokens"),
        ("1.5k-trained", 1500, "trained", "1.5k trained tokens"),
        ("300 sampled", 300, "sampled", "300 sampled tokens"),
        ("2B:passes", 2e9, "passes", "2B passes"),
    ],
)
def test_a_budget_is_read_and_shown(text: str, amount: float, unit: str, shown: str) -> None:
    found = checked(RunSettings, {"budget": text}).budget
    assert found == Budget(amount=amount, unit=unit) and str(found) == shown  # type: ignore[arg-type]
    assert checked(RunSettings, {"budget": found.model_dump(mode="json")}).budget == found


@pytest.mark.parametrize("text", ["", "5", 5, "5x", "5m-trained", "k", "-5k", "200 k trained words", "1e9k", True, "5K"])
def test_what_is_no_budget_is_refused_with_examples(text: object) -> None:
    with pytest.raises(SettingError, match=r"^budget: .* is no budget; say 5m or 2h of wall time, 200k sampled tokens, 200k-trained, 1M-passes$"):
        checked(RunSettings, {"budget": text})


def test_a_budget_of_nothing_or_of_another_unit_is_refused() -> None:
    with pytest.raises(SettingError, match=r"budget\.amount"):
        checked(RunSettings, {"budget": "0k"})
    with pytest.raises(SettingError, match=r"budget\.unit"):
        checked(RunSettings, {"budget": {"amount": 5, "unit": "words"}})


def test_what_counts() -> None:
    """Passes: 700 sampled and 200 read tokens once each, 100 trained ones three times."""
    meter = Meter(sampled=700, read=200, trained=100)
    used = {unit: Budget(amount=1, unit=unit).used(meter.metrics(), 12.5) for unit in ("seconds", "sampled", "trained", "passes")}  # type: ignore[arg-type]
    assert used == {"seconds": 12.5, "sampled": 700, "trained": 100, "passes": 1200} and meter.passes == 1200


def test_points_at_which_a_run_is_probed() -> None:
    budget = Budget(amount=200)
    assert [budget.point({USED: used}) for used in (0, 19, 20, 39.9, 40, 199, 200, 250)] == [0, 0, 1, 1, 2, 9, 10, 12]
    assert [budget.is_used({USED: used}) for used in (0, 199.9, 200)] == [False, False, True] and not budget.is_used({})


def test_a_budget_takes_the_place_of_rounds_that_are_not_given() -> None:
    assert [resolve({"recipe": "srt", **more})[1].rounds for more in ({}, {"budget": "5m"}, {"budget": "5m", "rounds": 7})] == [20, 10**6, 7]
