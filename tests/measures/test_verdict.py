"""The verdict on synthetic probes of known truth."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest
from small import small

from autotelic.measures.probe import Outcome, ProbeResult
from autotelic.measures.verdict import Verdict, Word, ends, judge, rose_markedly
from autotelic.runs import loop
from autotelic.runs.progress import Progress
from autotelic.runs.reading import RunReader
from autotelic.types import Sampling

TASKS = 200


def probe(
    right: float, *, last: bool = False, answer: Callable[[int], str | None] = str, agreement: float | None = None, gold: bool = True
) -> ProbeResult:
    """`right` of 200 tasks are right, the same ones first; slice by thirds; gold answers all differ."""
    outcomes = [
        Outcome(
            task=f"t{i}",
            slice=f"digits {i * 7 % 3 + 4}",
            answer=answer(i),
            correct=float(i < round(right * TASKS)) if gold else None,
            samples=[] if agreement is None else ["a"] * round(agreement * 20) + [str(j) for j in range(20 - round(agreement * 20))],
            entropy=0.5,
            gold=str(i) if gold else None,
        )
        for i in range(TASKS)
    ]
    return ProbeResult(int(last), 9 if last else 0, outcomes)


def rewards(first: float, last: float) -> list[dict[str, float]]:
    return [{"probe/accuracy": 0.4}] + [{"rewards/agreement/mean": first + (last - first) * i / 8} for i in range(9)]


VOTE = "rewards/agreement/mean"


def test_majority_vote_from_a_weak_base_is_hacked() -> None:
    """The measured run: vote reward .46 -> 1.0 while accuracy falls .43 -> .15 and every prompt gets one of few answers."""
    verdict = judge(probe(0.43), probe(0.15, last=True, answer=lambda i: str(i % 2)), rewards(0.46, 1.0), VOTE, trained_on_probe=False)
    assert verdict.word is Word.HACKED
    assert verdict.numbers["proxy_last"] == 1.0
    assert verdict.numbers["right_to_wrong"] == 56
    text = " ".join(verdict.reasons)
    assert "0.430 -> 0.150" in text and "0.460 -> 1.000, a marked rise" in text and "Collapse" in text


def test_hacked_from_a_good_base_whose_reward_had_little_room() -> None:
    assert judge(probe(0.88), probe(0.28, last=True), rewards(0.95, 1.0), VOTE, trained_on_probe=False).word is Word.HACKED


def test_agreement_on_the_probe_shows_hacking_when_the_training_reward_does_not() -> None:
    verdict = judge(probe(0.6, agreement=0.5), probe(0.3, last=True, agreement=0.95), rewards(0.9, 0.9), VOTE, trained_on_probe=False)
    assert verdict.word is Word.HACKED


def test_without_a_proxy_a_fall_is_worse_and_not_hacked() -> None:
    assert judge(probe(0.6, agreement=0.5), probe(0.3, last=True, agreement=0.95), [], None, trained_on_probe=False).word is Word.WORSE


def test_a_proxy_that_rises_with_the_truth_is_no_hack() -> None:
    verdict = judge(probe(0.4), probe(0.7, last=True), rewards(0.4, 0.9), VOTE, trained_on_probe=False)
    assert verdict.word is Word.IMPROVED
    assert verdict.numbers["interval"][0] > 0
    assert verdict.numbers["wrong_to_right"] == 60


def test_a_small_change_is_unchanged() -> None:
    assert judge(probe(0.40), probe(0.41, last=True), [], None, trained_on_probe=False).word is Word.UNCHANGED


def test_one_answer_to_every_prompt_is_collapsed() -> None:
    assert judge(probe(0.4), probe(0.1, last=True, answer=lambda i: "0"), [], None, trained_on_probe=False).word is Word.COLLAPSED


def test_nothing_parsed_is_collapsed_and_nothing_parsed_from_the_start_is_not() -> None:
    broken = probe(0.0, last=True, answer=lambda i: None)
    assert judge(probe(0.4), broken, [], None, trained_on_probe=False).word is Word.COLLAPSED
    assert judge(probe(0.0, answer=lambda i: None), broken, [], None, trained_on_probe=False).word is Word.UNCHANGED


def test_few_answers_are_no_collapse_where_the_gold_has_few() -> None:
    """A yes/no probe: the last weights answer both ways and so does the gold, the first answered all kinds of things."""
    first, last = probe(0.5), probe(0.4, last=True, answer=lambda i: "yes" if i % 2 else "no")
    for result in (first, last):
        for i, outcome in enumerate(result.outcomes):
            outcome.gold = "yes" if i % 2 else "no"
    assert judge(first, last, [], None, trained_on_probe=False).word is Word.WORSE


def test_forgetting_is_told_when_the_whole_improved() -> None:
    first, last = probe(0.3), probe(0.3, last=True)
    for a, b in zip(first.outcomes, last.outcomes, strict=True):
        easy = a.slice == "digits 4"
        a.correct, b.correct = float(easy), float(not easy or int(a.task[1:]) % 2 == 0)
    verdict = judge(first, last, [], None, trained_on_probe=False)
    assert verdict.word is Word.IMPROVED
    assert any(reason.startswith("Forgetting") and "digits 4" in reason for reason in verdict.reasons)
    assert verdict.numbers["slices"]["digits 4"]["accuracy_first"] == 1.0


def test_without_gold_the_word_is_unknown_and_the_rest_is_told() -> None:
    verdict = judge(probe(0, gold=False, agreement=0.4), probe(0, gold=False, last=True, agreement=0.9), [], None, trained_on_probe=False)
    assert verdict.word is Word.UNKNOWN
    text = " ".join(verdict.reasons)
    assert "No gold answers" in text and "0.400 -> 0.900" in text and "entropy" in text
    assert "accuracy_first" not in verdict.numbers


def test_training_on_the_probe_is_told() -> None:
    assert any("trained on" in reason for reason in judge(probe(0.4), probe(0.7), [], None, trained_on_probe=True).reasons)


def test_sharpening_is_told_when_pass_at_k_falls() -> None:
    first, last = probe(0.4, agreement=0.5), probe(0.7, last=True, agreement=1.0)
    for side, result in enumerate((first, last)):
        for i, outcome in enumerate(result.outcomes):
            outcome.sample_correct = [1.0] * 10 + [0.0] * 10 if side == 0 else [float(i % 2)] * 20
            outcome.majority_correct = 1.0 if side == 0 else float(i % 2)
    reasons = " ".join(judge(first, last, [], None, trained_on_probe=False).reasons)
    assert "Sharpening: pass@20 fell 1.000 -> 0.500" in reasons
    assert "does not beat the first weights' majority vote of 20: 1.000" in reasons


def sampled(greedy: float, pass_at_1: float, majority: float, agreement: float, *, last: bool = False) -> ProbeResult:
    """As `probe`, with sampled and voted answers that are right on shares of the tasks, spread over them alike on both sides."""
    result = probe(greedy, last=last, agreement=agreement)
    least, most = max(0.0, 2 * pass_at_1 - 1), min(1.0, 2 * pass_at_1)
    for i, outcome in enumerate(result.outcomes):
        right = round(25 * (least + (most - least) * (i * 37 % TASKS) / TASKS))
        outcome.sample_correct = [1.0] * right + [0.0] * (25 - right)
        outcome.samples = ["a"] * round(agreement * 25) + [str(j) for j in range(25 - round(agreement * 25))]
        outcome.majority_correct = float(i * 37 % TASKS < majority * TASKS)
    return result


HABITS = sampled(0.13, 0.46, 0.81, 0.48), sampled(0.14, 0.15, 0.12, 0.80, last=True)
"""A run of the world `habits` with too high a learning rate: what the model could do is gone, and its greedy answers were wrong before."""


def test_what_samples_could_do_is_gone_and_greedy_did_not_see_it() -> None:
    first, last = HABITS
    assert (first.accuracy(), last.accuracy()) == (0.13, 0.14)
    assert fmean(first.pass_at_1.values()) == pytest.approx(0.46, abs=0.03) and fmean(last.pass_at_1.values()) == pytest.approx(0.15, abs=0.03)
    verdict = judge(first, last, [], VOTE, trained_on_probe=False)
    assert verdict.word is Word.HACKED
    assert verdict.reasons[0].startswith("Sampled accuracy fell: pass@1 and the majority's. Greedy accuracy did not change reliably. A fall")
    assert any(reason.startswith("Sampled accuracy (pass@1; 25 samples a task): 0.4") for reason in verdict.reasons)
    assert "0.480 -> 0.800, a marked rise" in " ".join(verdict.reasons)
    assert verdict.numbers["sampled"]["majority@25"]["accuracy_first"] == 0.81
    assert judge(first, last, [], None, trained_on_probe=False).word is Word.WORSE


def test_a_fall_of_sampled_accuracy_is_worse_whatever_greedy_does() -> None:
    first, last = sampled(0.3, 0.7, 0.8, 0.5), sampled(0.6, 0.3, 0.3, 0.5, last=True)
    verdict = judge(first, last, [], None, trained_on_probe=False)
    assert verdict.word is Word.WORSE and "Greedy accuracy rose." in verdict.reasons[0]


def test_a_gain_of_sampled_accuracy_alone_is_told() -> None:
    verdict = judge(HABITS[1], HABITS[0], [], None, trained_on_probe=False)
    assert verdict.word is Word.IMPROVED
    assert verdict.reasons[0] == (
        "Sampled accuracy rose: pass@1 and the majority's. Greedy accuracy did not change reliably. A rise of one alone is an improvement too."
    )
    fell = judge(sampled(0.6, 0.3, 0.3, 0.5), sampled(0.3, 0.7, 0.8, 0.5, last=True), [], None, trained_on_probe=False)
    assert fell.word is Word.WORSE and fell.reasons[0].endswith("Greedy accuracy fell. A fall of either is a fall.")


def test_samples_that_are_only_more_alike_do_not_decide() -> None:
    """pass@1 rises to what the vote could do already; the vote is no better."""
    verdict = judge(sampled(0.5, 0.4, 0.6, 0.5), sampled(0.5, 0.6, 0.6, 0.9, last=True), [], VOTE, trained_on_probe=False)
    assert verdict.word is Word.UNCHANGED
    assert verdict.reasons[0].startswith("pass@1 rose and majority@25 did not change reliably. The word rests on")


def test_two_quantities_share_the_five_percent() -> None:
    """Six flips to none, p = 2/64 = .03125: enough alone, and not beside samples that did not change, where .0625 counts."""
    first, last = probe(0.4), probe(0.4, last=True)
    for outcome in last.outcomes[80:86]:
        outcome.correct = 1.0
    assert judge(first, last, [], None, trained_on_probe=False).word is Word.IMPROVED
    for result in (first, last):
        for outcome in result.outcomes:
            outcome.samples, outcome.sample_correct, outcome.majority_correct = ["a"], [1.0], 1.0
    verdict = judge(first, last, [], None, trained_on_probe=False)
    assert verdict.word is Word.UNCHANGED and verdict.reasons[0].startswith("An interval excludes zero, but the exact tests, corrected")


def test_how_samples_were_drawn_is_told() -> None:
    first, last = (replace(result, sampling=Sampling(temperature=0.6, top_p=0.95, top_k=20)) for result in HABITS)
    verdict = judge(first, last, [], None, trained_on_probe=False)
    assert "25 samples a task, temperature 0.6, top-p 0.95, top-k 20)" in " ".join(verdict.reasons)
    assert verdict.numbers["sampling"]["temperature"] == 0.6


def test_a_few_tasks_do_not_collapse_by_chance() -> None:
    """One completion of one task that runs into the limit, or two prompts with the same answer, is no collapse."""
    for size in (1, 2):
        first, last = probe(1.0), probe(0.0, last=True, answer=lambda i: None)
        first.outcomes, last.outcomes = first.outcomes[:size], last.outcomes[:size]
        assert judge(first, last, [], None, trained_on_probe=False).word is Word.UNCHANGED


def test_different_probe_tasks_are_refused() -> None:
    short = probe(0.5)
    short.outcomes.pop()
    with pytest.raises(ValueError, match="different tasks"):
        judge(probe(0.5), short, [], None, trained_on_probe=False)


def test_a_verdict_survives_json() -> None:
    verdict = judge(probe(0.43, agreement=0.5), probe(0.15, last=True, agreement=1.0), rewards(0.46, 1.0), VOTE, trained_on_probe=True)
    raw = json.loads(json.dumps(verdict.to_json(), allow_nan=False))
    assert Verdict.from_json(raw) == verdict


@pytest.mark.parametrize(
    ("first", "last", "marked"),
    [
        (0.46, 0.95, True),
        (0.95, 1.0, True),
        (0.99, 1.0, False),
        (0.5, 0.53, False),
        (0.46, 0.51, False),
        (0.9, 0.5, False),
        (-2.0, -1.5, True),
        (5.0, 5.2, False),
    ],
)
def test_marked_rises(first: float, last: float, marked: bool) -> None:
    assert rose_markedly(first, last) is marked


def test_ends_are_means_of_windows_and_skip_what_is_not_finite() -> None:
    assert ends([1.0, 2.0, 4.0]) == (1.0, 4.0)
    assert ends([float("nan"), *[0.0, 1.0] * 15]) == (pytest.approx(1 / 3), pytest.approx(2 / 3))


def test_of_plays_the_verdict_speaks_of_scores() -> None:
    first, last = (replace(result, plays=True) for result in (probe(0.6), probe(0.2, last=True, answer=lambda i: "b")))
    text = " ".join(judge(first, last, [], None, trained_on_probe=False).reasons)
    assert "Mean score of 200 probe plays: 0.600 -> 0.200" in text and "exact test p < 0.0001" in text and "0 plays went better, 80 worse" in text
    assert "Effective number of different plays among 200: 200.0 -> 1.0" in text
    assert not any(word in text for word in ("reedy", "tasks", "answers to", "McNemar"))


def test_one_play_proves_nothing() -> None:
    """From a draw to a win: the interval is nearly all there is."""
    first, last = (ProbeResult(side, side, [Outcome("t", "", "b", (side + 1) / 2)], plays=True) for side in (0, 1))
    verdict = judge(first, last, [], None, trained_on_probe=False)
    assert verdict.word is Word.UNCHANGED and verdict.numbers["p"] == 1.0
    assert verdict.numbers["interval"] == pytest.approx([-0.795, 1.0], abs=1e-3)


def test_what_is_not_measured_in_a_game_is_not_reported(tmp_path: Path) -> None:
    """Games are played with sampled moves: no greedy answers, no entropy along them, no votes, and a report that says so."""
    outcome = loop.start(small("spiral", rounds=1, tasks="games?play=kuhn", out=str(tmp_path / "run")), Progress(quiet=True))
    run = RunReader.of(outcome.folder)
    result = run.probe("last")
    assert result is not None and result.plays and ProbeResult.from_json(result.to_json()) == result
    names = set().union(*run.history().values())
    assert "probe/accuracy" in names and not names & {"probe/entropy", "probe/agreement", "label/agreement", "answers/distinct"}
    assert outcome.verdict.reasons[0].startswith(f"Mean score of {len(result.outcomes)} probe plays")
    page = outcome.report.read_text(encoding="utf-8")
    assert f"{len(result.outcomes)} plays, moves sampled" in page and "reedy" not in page.split('<section id="settings">')[0].split("<main>")[1]
