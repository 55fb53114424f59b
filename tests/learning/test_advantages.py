"""Advantages: golden numbers and degenerate groups."""

import math
import statistics

import pytest

from autotelic.errors import TrainingError
from autotelic.learning.advantages import MovingAverage, against_others, center, deviation, leave_one_out, over_sets, standardize, total, whiten
from autotelic.measures.monitors import reward_metrics
from autotelic.types import Group, Rollout, Task, Turn, TurnKind

TASK = Task("t", "1+1=")


def rollout(reward: float, tokens: int = 1, **keys: object) -> Rollout:
    return Rollout(
        "r", TASK, [Turn(TurnKind.PROMPT, [5, 6]), Turn(TurnKind.ACTION, [7] * tokens, [0.0] * tokens)], rewards={"r": reward}, keys=dict(keys)
    )


def group(*rewards: float) -> Group:
    return Group(TASK, [rollout(reward) for reward in rewards])


def advantages(found: Group) -> list[object]:
    return [member.advantage for member in found]


def test_group_standardization_biased_and_unbiased() -> None:
    one = group(1, 1, 0, 0, 0)
    center([one], scale="std", ddof=1)
    assert advantages(one) == pytest.approx([1.0954] * 2 + [-0.7303] * 3, abs=1e-4)
    center([one], scale="std", ddof=0)
    assert advantages(one) == pytest.approx([1.2247] * 2 + [-0.8165] * 3, abs=1e-4)
    center([one])
    assert advantages(one) == pytest.approx([0.6] * 2 + [-0.4] * 3)


def test_scaling_by_the_whole_batch_and_the_constant_beside_the_deviation() -> None:
    mixed, sure = group(1, 0), group(1, 1)
    center([mixed, sure], scale="batch")
    # Rewards 1, 0, 1, 1: unbiased deviation sqrt(.75 / 3) = .5.
    assert advantages(mixed) == pytest.approx([0.5 / 0.500001, -0.5 / 0.500001]) and advantages(sure) == [0.0, 0.0]
    center([mixed], scale="std", eps=1e-4)
    assert advantages(mixed) == pytest.approx([0.5 / (0.5**0.5 + 1e-4), -0.5 / (0.5**0.5 + 1e-4)])
    assert deviation([1, 0, 1, 1]) == 0.5 and deviation([3.0]) == 0.0
    alone = group(2)
    center([alone], scale="batch")
    assert advantages(alone) == [0.0]


def test_groups_are_centered_apart() -> None:
    low, high = group(0, 1), group(10, 20)
    center([low, high])
    assert advantages(low) == [-0.5, 0.5]
    assert advantages(high) == [-5, 5]


@pytest.mark.parametrize("rewards", [(0.1,), (0.1, 0.1, 0.1), (1.0, 1.0)])
def test_equal_rewards_and_groups_of_one_carry_no_signal(rewards: tuple[float, ...]) -> None:
    found = group(*rewards)
    for scale in ("none", "std"):
        center([found], scale=scale)
        assert advantages(found) == [0.0] * len(rewards)
    leave_one_out([found])
    assert advantages(found) == [0.0] * len(rewards)


def test_leave_one_out() -> None:
    found = group(1, 1, 0, 0, 0)
    leave_one_out([found])
    assert advantages(found) == pytest.approx([0.75, 0.75, -0.5, -0.5, -0.5])


def test_rewards_are_summed_by_weight() -> None:
    member = Rollout("r", TASK, [], rewards={"a": 1.0, "b": 10.0, "c": 100.0})
    assert total(member) == 111.0
    assert total(member, {"a": 0.5, "c": -1.0}) == -99.5
    with pytest.raises(TrainingError, match=r"rollout r has no reward 'aa'; did you mean 'a'\?"):
        total(member, {"aa": 1.0})
    pair = Group(TASK, [Rollout("x", TASK, [], rewards={"a": 1.0, "b": 5.0}), Rollout("y", TASK, [], rewards={"a": 0.0, "b": 9.0})])
    center([pair], weights={"a": 1.0})
    assert advantages(pair) == [0.5, -0.5]


def test_sets_share_what_they_are_worth() -> None:
    """Right 1 1 1 0, answers a a b x, pairs: worths .5 1 .5 1 .5 .5, mean 2/3; the pairs of each hold .5 1 .5, .5 1 .5, 1 1 .5, .5 .5 .5."""
    assert over_sets([1, 1, 1, 0], "aabx", 2) == pytest.approx([0, 0, 1 / 6, -1 / 6])
    assert over_sets([1, 1, 1, 1], "aaaa", 2) == [0, 0, 0, 0]
    assert over_sets([1, 0], "ab", 3) == [0, 0], "no set is that large"
    assert over_sets([1, 1, 0, 0], "aabb", 4) == [0, 0, 0, 0], "there is but one set"


def test_moving_average_reads_before_it_updates_and_keeps_keys_apart() -> None:
    baseline = MovingAverage(0.95)
    ours = [rollout(value, role="first") for value in (1, -1, 1, 1)]
    theirs = [rollout(value, role="second") for value in (-1, 1, -1, -1)]
    baseline([member for pair in zip(ours, theirs, strict=True) for member in pair], key=lambda member: member.keys["role"])
    assert [member.advantage for member in ours] == pytest.approx([1, -1.05, 1.0025, 0.952375])
    assert [member.advantage for member in theirs] == pytest.approx([-1, 1.05, -1.0025, -0.952375])
    again = MovingAverage(0.95)
    again.state = dict(baseline.state)
    later = rollout(1, role="first")
    again([later], key=lambda member: member.keys["role"])
    assert later.advantage == pytest.approx(1 - (0.95 * 0.047625 + 0.05))


def test_whitening_by_bucket_is_not_whitening_of_all() -> None:
    values = [(1.0, "easy", 2), (0.8, "easy", 1), (0.1, "hard", 3), (0.0, "hard", 1)]
    members = [rollout(value, tokens, kind=kind) for value, kind, tokens in values]
    whiten(members, key=lambda member: member.keys["kind"])
    mean, spread = (2 * 1.0 + 0.8) / 3, math.sqrt((2 * (1 - 14 / 15) ** 2 + (0.8 - 14 / 15) ** 2) / 3)
    assert members[0].advantage == pytest.approx((1.0 - mean) / (spread + 1e-6))
    hard = [0.1, 0.1, 0.1, 0.0]
    assert members[3].advantage == pytest.approx((0.0 - 0.075) / (statistics.pstdev(hard) + 1e-6))
    by_bucket = [member.advantage for member in members]
    whiten(members, key=lambda member: "all")
    assert [member.advantage for member in members] != pytest.approx(by_bucket, abs=0.1)
    tokens = [1.0, 1.0, 0.8, 0.1, 0.1, 0.1, 0.0]
    assert members[0].advantage == pytest.approx((1.0 - statistics.fmean(tokens)) / (statistics.pstdev(tokens) + 1e-6))
    whiten([rollout(0.3), rollout(0.3, 4)], key=lambda member: 0)


def test_standardize_ignores_rounding_where_all_are_equal() -> None:
    assert standardize([0.1 + 0.2] * 3, True) == [0.0] * 3


def test_values_against_the_mean_of_the_others() -> None:
    assert against_others([0.3, 0.1, 0.2]) == pytest.approx([0.15, -0.15, 0.0])
    assert against_others([0.1] * 3) == [0.0] * 3, "exactly, whatever rounding says"
    assert against_others([0.3]) == [0.0] and against_others([]) == []


def test_a_reward_that_abstains_is_no_zero() -> None:
    """Means of 1 and 4 are 2.5, whoever says nothing beside them."""
    one = Group(TASK, [Rollout(name, TASK, []) for name in "abc"])
    one.reward(score=[None, 1.0, 4.0])
    assert [member.rewards for member in one] == [{}, {"score": 1.0}, {"score": 4.0}]
    center([one])
    assert advantages(one) == [0.0, -1.5, 1.5]
    leave_one_out([one])
    assert advantages(one) == [0.0, -3.0, 3.0]
    average = MovingAverage(decay=0.5)
    average(one.rollouts, key=lambda _: "all")
    assert advantages(one) == [0.0, 1.0, 3.5] and average.state == {"'all'": 2.25}
    assert reward_metrics([one])["reward"] == 2.5


def test_the_others_speak_where_one_reward_abstains() -> None:
    one = Group(TASK, [Rollout(name, TASK, []) for name in "ab"])
    one.reward(right=[1.0, 0.0], style=[None, 3.0])
    assert [total(member) for member in one] == [1.0, 3.0]
    assert [total(member, {"right": 1.0, "style": 0.1}) for member in one] == [1.0, pytest.approx(0.3)]
    center([one], weights={"style": 1.0})
    assert advantages(one) == [0.0, 0.0], "one speaks alone"
    assert reward_metrics([one]) == {
        "reward": 2.0, "reward_std": 1.0, "frac_reward_zero_std": 0.0, "rewards/right/mean": 0.5, "rewards/style/mean": 3.0,
    }  # fmt: skip


def test_abstaining_rollouts_are_in_no_bucket() -> None:
    members = [rollout(1.0), rollout(0.0, tokens=3), Rollout("r", TASK, [Turn(TurnKind.ACTION, [7] * 100, [0.0] * 100)], abstained=frozenset("r"))]
    whiten(members, key=lambda _: "all")
    mean, spread = 1 / 4, (3 / 16) ** 0.5
    assert [member.advantage for member in members] == [pytest.approx((1 - mean) / spread, abs=1e-5), pytest.approx(-mean / spread, abs=1e-5), 0.0]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "much"])
def test_a_reward_that_is_no_number_is_named_with_its_rollout(value: object) -> None:
    one = Group(TASK, [Rollout("r1/solver/t/0", TASK, []), Rollout("r1/solver/t/1", TASK, [])])
    message = rf"the reward 'score' of rollout r1/solver/t/1 is {value!r}, not a finite number"
    with pytest.raises(TrainingError, match=message):
        one.reward(score=[1.0, value])  # type: ignore[list-item]
    one.rollouts[0].rewards, one.rollouts[1].rewards = {"score": 1.0}, {"score": value}  # type: ignore[dict-item]
    for use in (lambda: center([one]), lambda: leave_one_out([one], {"score": 1.0})):
        with pytest.raises(TrainingError, match=message):
            use()
