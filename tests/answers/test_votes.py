"""Votes as each published system counts them, on groups where they differ."""

from collections.abc import Callable

import pytest

from autotelic.answers.votes import Count, VoteRule, agrees, frequencies, heaviest, vote

SRT = VoteRule()
TTRL = VoteRule(denominator="all")
SQLM = VoteRule(unparsed="candidate", denominator="all")
CO_REWARDING = VoteRule()
R_ZERO_SERVER, R_ZERO_DATA = VoteRule(denominator="all"), VoteRule(denominator="parsed", min_share=0.3)
OPEN_SIR = VoteRule(min_share=0.5)
POPULATION = VoteRule(min_share=0.7, denominator="all")  # Self-Improving Transformers: the top vote over the number of models

HALF = ["7", None, "7", "8", None, None]  # 7 leads among the parsed, nothing leads overall
Answers = list[str | None]


@pytest.mark.parametrize(
    ("rule", "answers", "label", "share", "outcome"),
    [
        # Unparsed answers: not counted, and in the share's denominator or not.
        (SRT, HALF, "7", 2 / 3, "decided"),
        (TTRL, HALF, "7", 2 / 6, "decided"),
        (SQLM, HALF, None, 3 / 6, "unparsed won"),
        (R_ZERO_SERVER, HALF, "7", 2 / 6, "decided"),
        (R_ZERO_DATA, HALF, "7", 2 / 3, "decided"),
        (OPEN_SIR, HALF, "7", 2 / 3, "decided"),
        (POPULATION, HALF, None, 2 / 6, "below threshold"),
        # None parsed: no label, no share, no exception.
        (SRT, [None, None], None, 0.0, "none parsed"),
        (TTRL, [None, None], None, 0.0, "none parsed"),
        (SQLM, [None, None], None, 1.0, "unparsed won"),
        (SRT, [], None, 0.0, "none parsed"),
        (SQLM, [], None, 0.0, "none parsed"),
        # Ties go to the first seen.
        (SRT, ["8", "7", "7", "8"], "8", 0.5, "decided"),
        (TTRL, ["7", "8", "8", "7"], "7", 0.5, "decided"),
        (CO_REWARDING, [None, "8", "7"], "8", 0.5, "decided"),
        (SQLM, ["7", None], "7", 0.5, "decided"),
        (SQLM, [None, "7"], None, 0.5, "unparsed won"),
        # Thresholds are met exactly.
        (R_ZERO_DATA, ["7"] * 3 + list("1234568"), "7", 0.3, "decided"),
        (R_ZERO_DATA, ["7"] * 2 + list("1234568"), None, 2 / 9, "below threshold"),
        (OPEN_SIR, ["7", None, None, None, "7", "8", "9"], "7", 0.5, "decided"),
        (POPULATION, ["7"] * 7 + [None] * 3, "7", 0.7, "decided"),
        (POPULATION, ["7"] * 6 + [None] * 4, None, 0.6, "below threshold"),
        # A group of one.
        (SRT, ["7"], "7", 1.0, "decided"),
    ],
)
def test_outcomes(rule: VoteRule, answers: Answers, label: str | None, share: float, outcome: str) -> None:
    found = vote(answers, rule)
    assert (found.label, found.outcome) == (label, outcome)
    assert found.share == pytest.approx(share)
    if rule.unparsed == "drop":
        assert found == vote(answers, rule, count="agreements"), "canonical answers are equal or not, so that SeRL's count is the same"


def test_votes_stand_beside_the_answers() -> None:
    assert vote(HALF).votes == (2, 0, 2, 1, 0, 0)
    assert vote(HALF, SQLM).votes == (2, 3, 2, 1, 3, 3)
    assert vote([None], SRT).votes == (0,)


def test_ties_by_rule() -> None:
    answers: Answers = ["8", "7", "7", "8", "9"]
    none = vote(answers, VoteRule(ties="none"))
    assert (none.winners, none.outcome, none.share) == ((), "tie", 0.4)
    every = vote(answers, VoteRule(ties="all"))
    assert (every.winners, every.label, every.outcome) == (("8", "7"), "8", "decided")
    assert [every.elects(answer) for answer in (*answers, None)] == [True] * 4 + [False] * 2
    assert [vote(answers).elects(answer) for answer in answers] == [True, False, False, True, False]
    assert vote(["7", "7", "8"], VoteRule(ties="none")).label == "7"
    for mixed in ([None, "7"], ["7", None]):
        assert vote(mixed, VoteRule(ties="all", unparsed="candidate")).winners == ("7",)
        assert vote(mixed, VoteRule(ties="none", unparsed="candidate")).outcome == "tie"


def test_an_unparsed_candidate_never_makes_a_share_above_one() -> None:
    assert vote([None, None, "7"], VoteRule(unparsed="candidate")).share == pytest.approx(2 / 3)


def near(tolerance: int) -> Callable[[str, str], bool]:
    """Not transitive: what graders of floating-point answers are."""
    return lambda a, b: abs(int(a) - int(b)) <= tolerance


def test_members_are_compared_with_the_first_of_their_cluster() -> None:
    found = vote(["1", "2", "3", "3"], VoteRule(), near(1))
    assert found.votes == (2, 2, 2, 2)
    assert found.label == "1"


def test_agreements_compare_every_pair() -> None:
    # 2 agrees with all four, 1 with two, 3 with three: only a full matrix finds that.
    found = vote(["1", "2", "3", "3"], TTRL, near(1), "agreements")
    assert (found.votes, found.label, found.share) == ((2, 4, 3, 3), "2", 1.0)
    assert vote(["1", None, "1", "5"], TTRL, count="agreements").votes == (2, 0, 2, 1)


def test_equal_answers_in_other_words_are_no_tie() -> None:
    def value(a: str, b: str) -> bool:
        return float(a) == float(b)

    counts: tuple[Count, ...] = ("members", "agreements")
    for count in counts:
        found = vote(["0.5", ".5", "1"], VoteRule(ties="none"), value, count)
        assert (found.label, found.votes) == ("0.5", (2, 2, 1))
    assert vote(["0.5", ".5", "1"], VoteRule(ties="all"), value, "agreements").winners == ("0.5",)


def test_agreement_holds_in_both_directions() -> None:
    def contains(a: str, b: str) -> bool:
        return b in a

    assert contains("12", "2")
    assert not agrees("12", "2", contains)
    assert agrees("12", "12", contains)
    assert not agrees(None, None, contains)
    assert vote(["2", "12", "12"], TTRL, contains, "agreements").votes == (1, 2, 2)
    assert vote(["2", "12", "12"], SRT, contains).votes == (3, 3, 3)


def test_frequencies_are_empos_reward() -> None:
    assert frequencies(["7", None, "7", "8", None]) == [0.4, 0.2, 0.4, 0.2, 0.2]
    assert frequencies(["7"]) == [1.0]
    assert frequencies([None]) == [1.0]
    assert frequencies(["1", "2", "9"], near(1)) == pytest.approx([2 / 3, 2 / 3, 1 / 3])
    assert frequencies([]) == []


def test_the_heaviest_answer_and_its_share_of_the_weight() -> None:
    assert heaviest([("7", 0.5), (None, 9.0), ("4", 0.75), ("7", 0.5)]) == ("7", pytest.approx(1 / 1.75))
    assert heaviest([("7", 1.0), ("4", 1.0)]) == ("7", 0.5), "ties go to the first"
    assert heaviest([("7", 0.0), ("4", 0.0)]) == ("7", 0.0)
    assert heaviest([(None, 1.0)]) == heaviest([]) == (None, 0.0)
