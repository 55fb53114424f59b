"""What a round keeps of its rollouts beside what they hold: right or not, tokens, notes of the episode."""

from pathlib import Path
from typing import Any

import pytest
from committed import contents
from small import small

from autotelic.runs import loop
from autotelic.runs.progress import Progress
from autotelic.runs.reading import RunReader


def rows(out: Path, name: str, **settings: Any) -> list[dict[str, Any]]:
    loop.start(small(name, out=str(out), rounds=1, **settings), Progress(quiet=True))
    return list(RunReader.of(out).rollouts(1))


def test_tokens_are_kept_with_what_they_gained_and_nothing_else_changes(tmp_path: Path) -> None:
    plain = rows(tmp_path / "plain", "gold")
    found = rows(tmp_path / "tokens", "gold", keep_tokens=True)
    one, two = (contents(tmp_path / name, 1) for name in ("plain", "tokens"))
    assert {name for name in one if one[name] != two[name]} == {"rollouts.jsonl"}
    assert all("pieces" not in row for row in plain)
    assert [{key: value for key, value in row.items() if key != "pieces"} for row in found] == plain
    for row in found:
        (piece,) = row["pieces"]
        assert len(piece["texts"]) == len(piece["logprobs"]) == len(piece["ratios"]) == row["tokens"]
        assert "".join(piece["texts"]).startswith(row["text"])
    gained = [(row["advantage"], sum(row["pieces"][0]["ratios"])) for row in found if row["advantage"]]
    assert sum(advantage * gain for advantage, gain in gained) > 0, "what had an advantage became likelier"


def test_ratios_are_one_where_nothing_was_learned(tmp_path: Path) -> None:
    for row in rows(tmp_path / "run", "gold", keep_tokens=True, optimizer={"learning_rate": 1e-12}):
        assert row["pieces"][0]["ratios"] == pytest.approx([0.0] * row["tokens"], abs=1e-4)


def test_right_is_what_the_verifier_says(tmp_path: Path) -> None:
    found = rows(tmp_path / "run", "gold")
    assert [row["right"] for row in found] == [row["rewards"]["correct"] == 1.0 for row in found] and {row["right"] for row in found} == {True, False}


def test_plays_keep_seat_outcome_and_the_order_of_moves(tmp_path: Path) -> None:
    found = rows(tmp_path / "run", "spiral")
    play = [row for row in found if row["task"].rpartition("/")[0] == found[0]["task"].rpartition("/")[0]]
    assert {row["keys"]["game"] for row in play} == {"kuhn"} and all(row["right"] is None for row in play)
    assert sorted(move for row in play for move in row["keys"]["moves"]) == list(range(1, 1 + sum(len(row["keys"]["moves"]) for row in play)))
