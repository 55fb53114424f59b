"""Monitors on metrics whose failure is known; alarms that are raised once, in a row, and lower the rate or end the run."""

from collections.abc import Sequence

import pytest
from pydantic import ValidationError

from autotelic.measures import alarms
from autotelic.measures.alarms import MONITORS, Alarm, Alarms, Seen, effects, raised, values
from autotelic.measures.metrics import check
from autotelic.measures.probe import relative_gap, votes
from autotelic.types import Metrics

GAP = "sampling/sampling_logp_difference/mean"


def names(rounds: Sequence[Metrics], settings: Alarms) -> list[str]:
    return [one.monitor.name for one in raised(rounds, settings)]


def test_every_monitor_is_a_setting_and_its_number_is_documented() -> None:
    assert [monitor.name for monitor in MONITORS] == [name for name in Alarms.model_fields if name not in ("patience", "factor")]
    for monitor in MONITORS:
        limit = getattr(Alarms(), monitor.name).limit
        assert monitor.documented.holds(limit), monitor.name
        assert monitor.do and not monitor.do.endswith(".")


def test_numbers_that_are_made_of_others() -> None:
    first = {
        "p": 0.4,
        "probe/accuracy": 0.5,
        "probe/pass@8": 0.9,
        "probe/pass@1": 0.5,
        "probe/agreement": 0.5,
        "probe/majority@8": 0.5,
        "explore/right": 0.4,
    }
    now = {
        "p": 0.9,
        "probe/accuracy": 0.3,
        "probe/pass@8": 0.6,
        "probe/pass@1": 0.6,
        "probe/agreement": 0.9,
        "probe/majority@8": 0.3,
        "explore/right": 0.1,
    }
    found = values(Seen([first, {"p": 0.6}, {**now, "proposals/distinct": 0.25}], "p"))
    assert found == pytest.approx(
        {
            "monitor/proxy_over_truth": 0.7,
            "monitor/vote_over_truth": 0.6,
            "monitor/reach_lost": 0.3,
            "monitor/exploration": 0.25,
            "monitor/repeated_proposals": 0.75,
        }
    )
    check(found)
    assert values(Seen([first, {"p": 0.6}], "p")) == {}  # no probe in this round
    assert "monitor/proxy_over_truth" not in values(Seen([first, {**now, "p": 3.0}], "p"))  # not between 0 and 1: of another scale
    assert "monitor/proxy_over_truth" not in values(Seen([first, now]))


def test_an_alarm_is_raised_once_where_a_number_stays_beyond_its_limit() -> None:
    settings, high, low = Alarms(), {"frac_reward_zero_std": 0.95}, {"frac_reward_zero_std": 0.9}
    assert names([high], settings) == []
    assert names([high, high], settings) == ["no_signal"]
    assert names([high, {}, high], settings) == ["no_signal"]  # a round without the number is no look
    assert names([high, high, {}], settings) == names([high, high, high], settings) == names([high] * 9, settings) == []
    assert names([high, high, low, high], settings) == []
    assert names([high, high, low, high, high], settings) == ["no_signal"]
    assert names([high], Alarms(patience=1)) == ["no_signal"]
    assert names([high, high], Alarms(no_signal=Alarm(limit=0.9, act="off"))) == []


def test_limits_below_and_biases_of_either_sign() -> None:
    once = Alarms(patience=1)
    assert names([{"exploit/gain": -0.1}], once) == ["exploitation"] and names([{"exploit/gain": 0.0}], once) == []
    assert names([{"judge/length_bias": -0.8}], once) == ["judge_length"]
    assert names([{"judge/self_preference": -0.8}], once) == []
    assert names([{GAP: 0.2, "probe/vote_gap": -0.1}], once) == ["verification_gap", "logp_gap"]
    with pytest.raises(ValidationError):
        Alarms(no_signal=Alarm(limit=0.9, act="shout"))  # type: ignore[arg-type]


def test_what_follows_from_alarms() -> None:
    settings = Alarms(patience=1, no_signal=Alarm(limit=0.9, act="lower"), logp_gap=Alarm(limit=0.1, act="stop"))
    assert effects([], {}, 0.5) == {}
    lowered = effects(raised([{"frac_reward_zero_std": 1.0}], settings), {}, 0.5)
    assert lowered == {alarms.RAISED: 1.0, alarms.RATE: 0.5}
    assert effects([], lowered, 0.5) == {alarms.RATE: 0.5}  # it stays lowered
    again = effects(raised([{"frac_reward_zero_std": 1.0, GAP: 1.0}], settings), lowered, 0.5)
    assert again == {alarms.RAISED: 2.0, alarms.RATE: 0.25, alarms.STOP: 1.0}
    (told,) = map(str, raised([{GAP: 1.0}], settings))
    assert told.startswith(f"logp_gap: {GAP} is 1.000, above 0.1 (") and "; the run ends. Sampler and trainer" in told and "`" not in told


def test_the_gap_between_generation_and_verification() -> None:
    truths = (1.0, 0.0, 0.0, 1.0)
    assert relative_gap((0.9, 0.8, 0.1, 0.2), truths) == 0.0
    assert relative_gap((0.9, 0.1, 0.2, 0.8), truths) == 1.0
    assert relative_gap((0.5, 0.5, 0.5, 0.5), truths) == 0.0  # equal scores are kept together
    assert relative_gap((0.1, 0.9, 0.8, 0.2), truths) == -1.0
    assert votes(["2", None, "2", "3", None]) == [2.0, 0.0, 2.0, 1.0, 0.0]
