"""Choosing weights by a part of the probe: which part, which round, and how long a run waits."""

import pytest
from pydantic import ValidationError

from autotelic.errors import SettingError
from autotelic.measures.probe import Outcome, ProbeResult
from autotelic.measures.selection import Chosen, Selection, best, parts, score


def probe(*correct: float | None, shared: str = "") -> ProbeResult:
    """Outcomes of tasks t0, t1, ...; samples are right as the greedy answer is, and one of three disagrees."""
    return ProbeResult(
        0,
        0,
        [
            Outcome(f"t{i}", "", "a", right, samples=["a", "a", "b"], sample_correct=[] if right is None else [right, right, 0.0], shared=shared)
            for i, right in enumerate(correct)
        ],
    )


def test_the_parts_are_the_same_whatever_was_right() -> None:
    one, two = (parts(probe(*values), 0.25) for values in ([1.0] * 8, [0.0] * 8))
    assert [[outcome.task for outcome in part.outcomes] for part in one] == [[outcome.task for outcome in part.outcomes] for part in two]
    assert (len(one[0].outcomes), len(one[1].outcomes)) == (2, 6)
    assert {outcome.task for part in one for outcome in part.outcomes} == {f"t{i}" for i in range(8)}


def test_what_is_not_independent_stays_together() -> None:
    result = probe(*[1.0] * 8)
    for place, outcome in enumerate(result.outcomes):
        outcome.shared = f"deal {place // 2}"
    choosing, judging = parts(result, 0.5)
    assert len(choosing.outcomes) == len(judging.outcomes) == 4
    assert {outcome.shared for outcome in choosing.outcomes}.isdisjoint(outcome.shared for outcome in judging.outcomes)


def test_scores_are_those_of_the_choosing_part() -> None:
    result = probe(1.0, 1.0, 0.0, 0.0, 1.0, 0.0)
    choosing, _ = parts(result, 0.5)
    right = [outcome.correct or 0.0 for outcome in choosing.outcomes]
    assert score(result, Selection(by="accuracy")) == {"select/score": sum(right) / 3}
    assert score(result, Selection(by="pass@1")) == {"select/score": pytest.approx(sum(right) * 2 / 9)}
    assert score(result, Selection(by="agreement")) == {"select/score": pytest.approx(2 / 3)}
    assert score(result, Selection()) == {}


@pytest.mark.parametrize(
    ("result", "settings", "message"),
    [
        (probe(None, None, None), Selection(by="accuracy"), "no gold answer is known of the tasks that choose"),
        (ProbeResult(0, 0, [Outcome(f"t{i}", "", "a", 1.0) for i in range(4)]), Selection(by="pass@1"), "the probe takes no samples"),
        (ProbeResult(0, 0, [Outcome(f"t{i}", "", "a", None) for i in range(4)]), Selection(by="agreement"), "the probe takes no samples"),
        (probe(1.0), Selection(by="accuracy"), "of 1 independent probe tasks none is left to judge by"),
        (probe(1.0, 0.0, 1.0), Selection(by="accuracy", share=0.9), "of 3 independent probe tasks none is left"),
    ],
)
def test_what_cannot_choose(result: ProbeResult, settings: Selection, message: str) -> None:
    with pytest.raises(SettingError) as caught:
        score(result, settings)
    assert message in str(caught.value)


def test_patience_needs_something_to_wait_for() -> None:
    with pytest.raises(ValidationError, match="set by to 'accuracy'"):
        Selection(patience=3)


def row(value: float, back: float = 0.0) -> dict[str, float]:
    return {"select/score": value, "gate/rolled_back": back}


def test_the_earliest_of_the_best_rounds() -> None:
    assert best({0: {"probe/accuracy": 1.0}}) is None
    assert best({0: row(0.5)}) == Chosen(0, 0.5, 0)
    assert best({0: row(0.5), 1: row(0.7), 2: {}, 3: row(0.7), 4: row(0.6)}) == Chosen(1, 0.7, 2)
    assert best({0: row(0.5), 1: row(0.9, back=1.0), 2: row(0.6)}) == Chosen(2, 0.6, 0), "what was rolled back is gone"
