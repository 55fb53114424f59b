"""From rollouts to examples."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotelic.learning.examples import as_examples, example, merged, pair, token_count, units, written
from autotelic.types import Example, Group, Rollout, StopReason, Task, Turn, TurnKind

TASK = Task("t", "1+1=")


def rollout(name: str = "r", advantage: float | list[float] | None = 0.5) -> Rollout:
    """Prompt, action, observation, action."""
    turns = [
        Turn(TurnKind.PROMPT, [1, 2]),
        Turn(TurnKind.ACTION, [3, 4], [-0.3, -0.4], policy="p", version=5, temperature=0.7),
        Turn(TurnKind.OBSERVATION, [5]),
        Turn(TurnKind.ACTION, [6], [-0.6], policy="p", version=4, temperature=0.7),
    ]
    return Rollout(name, TASK, turns, advantage=advantage)


def test_actions_are_the_targets() -> None:
    found = example(rollout(), weight=2.0)
    assert found.tokens == [1, 2, 3, 4, 5, 6]
    assert found.mask == [0, 0, 1, 1, 0, 1]
    assert found.old_logprobs == [0, 0, -0.3, -0.4, 0, -0.6]
    assert found.advantage == [0, 0, 0.5, 0.5, 0, 0.5]
    assert (found.weight, found.temperature, found.version) == (2.0, 0.7, 4)


def test_an_advantage_per_action_token() -> None:
    assert example(rollout(advantage=[1.0, 2.0, 3.0])).advantage == [0, 0, 1, 2, 0, 3]
    assert example(rollout(advantage=None)).advantage is None
    with pytest.raises(ValueError, match="rollout r: 2 advantages for 3 action tokens"):
        example(rollout(advantage=[1.0, 2.0]))


def test_an_action_without_log_probs_makes_the_example_off_policy() -> None:
    found = rollout()
    found.turns[3].logprobs = None
    assert example(found).old_logprobs is None


def test_an_example_is_truncated_where_its_own_actions_are() -> None:
    found = rollout()
    found.turns[3].stop = StopReason.LENGTH
    assert found.truncated and example(found).truncated and example(found, actions=[1]).truncated
    assert not example(found, actions=[0]).truncated


@given(
    st.lists(st.tuples(st.sampled_from([(7,), (7, 8), (9,)]), st.floats(-3, 3), st.sampled_from([0.5, 1.0, 2.0])), min_size=1, max_size=8),
    st.sampled_from(["token", "sequence"]),
)
def test_merged_examples_pull_as_all_of_them_do(rows: list[tuple[tuple[int, ...], float, float]], by: Any) -> None:
    items = [Example(f"r{i}", [1, *text], [0.0] + [1.0] * len(text), weight, [0.0] + [a] * len(text)) for i, (text, a, weight) in enumerate(rows)]

    def pulls(found: list[Example]) -> dict[tuple[int, ...], float]:
        """By text, what its tokens' log-probabilities are multiplied by in the policy gradient."""
        size = sum(sum(item.mask) for item in found) if by == "token" else len(found)
        by_text = {tuple(item.tokens): 0.0 for item in found}
        for item in found:
            assert item.advantage is not None
            by_text[tuple(item.tokens)] += item.weight * item.advantage[1] / size
        return by_text

    assert pulls(merged(items, by)) == pytest.approx(pulls(items), abs=1e-9)
    assert len(merged(items, by)) == len({tuple(item.tokens) for item in items})


def test_untrained_rollouts_are_left_out() -> None:
    first, second, third = rollout("a"), rollout("b"), rollout("c")
    second.trained = False
    assert [item.rollout for item in as_examples([Group(TASK, [first, second]), Group(TASK, [third])])] == ["a", "c"]
    assert [item.rollout for item in as_examples([first, second])] == ["a"]
    ready = written("w", [1], [2])
    assert as_examples([ready]) == [ready]


def test_written_text_has_no_behavior() -> None:
    found = written("w", [1, 2], [3], weight=0.5)
    assert (found.tokens, found.mask, found.weight) == ([1, 2, 3], [0, 0, 1], 0.5)
    assert (found.old_logprobs, found.advantage, found.version) == (None, None, None)


def test_one_example_may_be_a_side_of_several_pairs() -> None:
    a, b, c = (written(name, [1], [2]) for name in "abc")
    sides = pair(a, b, 0.25) + pair(a, c, 0.5) + pair(b, a)
    assert [(s.pair, s.side, s.weight) for s in sides[:4]] == [
        ("a>b", "chosen", 0.25),
        ("a>b", "rejected", 0.25),
        ("a>c", "chosen", 0.5),
        ("a>c", "rejected", 0.5),
    ]
    assert [[item.rollout for item in unit] for unit in units(sides)] == [["a", "b"], ["a", "c"], ["b", "a"]]
    assert a.pair is None


def test_units_put_the_chosen_side_first_and_refuse_broken_pairs() -> None:
    chosen, rejected = pair(written("a", [1], [2]), written("b", [1], [3]))
    alone = written("c", [1], [4])
    assert units([rejected, alone, chosen, alone]) == [[chosen, rejected], [alone], [alone]]
    with pytest.raises(ValueError, match=r"pair a>b has sides \['rejected'\]"):
        units([rejected])
    with pytest.raises(ValueError, match="not one chosen and one rejected"):
        units([chosen, rejected, chosen])
    assert token_count([example(rollout()), written("w", [1], [2])]) == 8
