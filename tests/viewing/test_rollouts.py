"""Rollouts as columns: what is found, what is mended, what is read again."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import viewed
from hypothesis import given
from hypothesis import strategies as st

from autotelic.errors import DataError
from autotelic.runs.reading import RunReader
from autotelic.viewing import rollouts as columns
from autotelic.viewing.rollouts import Rollouts, Wanted, mended


def opened(folder: Path, cache: Path) -> Rollouts:
    found = Rollouts(folder, cache)
    found.refresh(RunReader.of(folder))
    return found


def ids(found: Rollouts, **wanted: Any) -> list[str]:
    return [row["id"] for row in found.page(Wanted(**wanted))["rows"]]


def test_filters_find_what_they_say(tmp_path: Path) -> None:
    folder = viewed.make(tmp_path / "run", rounds=2, count=8)
    viewed.add(folder, 3, [viewed.rollout(3, 0, role="judge", rewards={"grade": 7.0}, gold=None, text="A Grade", trained=False, answer=None)])
    found = opened(folder, tmp_path / "cache")
    assert found.facets() | {"roles": 0} == {
        "lines": 17,
        "count": 17,
        "first": 1,
        "last": 3,
        "gold": True,
        "roles": 0,
        "rewards": ["correct", "grade"],
    }
    assert {row["role"]: row["count"] for row in found.facets()["roles"]} == {"judge": 1, "solver": 16}
    page = found.page(Wanted(right="right"))
    assert (page["count"], page["reward"], page["right"]) == (8, 1.0, 1.0)
    assert (
        ids(found, right="unknown")
        == ids(found, role="judge")
        == ids(found, reward="grade", least=7)
        == ids(found, trained=False)
        == ["r3/solver/t0/0"]
    )
    assert ids(found, text="a gRADE") == ["r3/solver/t0/0"]
    assert ids(found, first=1, last=1, task="t1") == [f"r1/solver/t1/{i}" for i in range(4)]
    assert ids(found, order="highest reward")[0] == "r3/solver/t0/0"
    assert ids(found, order="oldest")[:2] == ["r1/solver/t0/0", "r1/solver/t0/1"]
    assert ids(found, reward="grade", most=6) == [] and ids(found, most=0.5, right="wrong", last=1) == [
        f"r1/solver/t{i // 4}/{i % 4}" for i in (1, 3, 5, 7)
    ]


def test_pages_follow_one_another(tmp_path: Path) -> None:
    found = opened(viewed.make(tmp_path / "run", rounds=3, count=40), tmp_path / "cache")
    pages = [ids(found, page=number) for number in range(4)]
    assert [len(page) for page in pages] == [50, 50, 20, 0] and len({name for page in pages for name in page}) == 120


def test_a_round_that_comes_later_is_added_and_one_made_again_replaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "MOST_PARTS", 3)
    folder = viewed.make(tmp_path / "run", rounds=1, count=4)
    found = opened(folder, tmp_path / "cache")
    for number in range(2, 9):
        viewed.add(folder, number, [viewed.rollout(number, place) for place in range(4)])
        found.refresh(RunReader.of(folder))
        assert found.facets()["count"] == 4 * number
    assert len(list(found.cache.glob("*.parquet"))) <= 3
    (folder / "rounds" / "00004").rename(tmp_path / "damaged")
    viewed.add(folder, 4, [viewed.rollout(4, 0, text="another")])
    found.refresh(RunReader.of(folder))
    assert ids(found, text="another") == ["r4/solver/t0/0"] and found.facets()["count"] == 29
    assert opened(folder, tmp_path / "cache").facets()["count"] == 29, "another viewer takes the parts that are there"


def test_much_is_read_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "BATCH", 4000)
    found = opened(viewed.make(tmp_path / "run", rounds=9, count=6), tmp_path / "cache")
    assert 1 < len(list(found.cache.glob("*.parquet"))) < 9 and found.facets()["count"] == 54
    assert [row["round"] for row in found.page(Wanted(order="oldest"))["rows"]] == sorted(6 * list(range(1, 10)))[:50]


def test_nothing_is_written_into_the_run(tmp_path: Path) -> None:
    folder = viewed.make(tmp_path / "run")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    opened(folder, tmp_path / "cache").page(Wanted(text="sum"))
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


@pytest.mark.parametrize("name", ["run", "run[1]*", "it's a=b {run}"])
def test_damaged_lines_are_counted_and_the_others_read(tmp_path: Path, name: str) -> None:
    folder = viewed.make(tmp_path / name, rounds=1, count=4)
    path = folder / "rounds" / "00001" / "rollouts.jsonl"
    whole = path.read_bytes()
    path.write_bytes(b"null\n[1]\n\xff\xfe\n" + whole + whole[:40])
    facets = opened(folder, tmp_path / "cache").facets()
    assert facets["count"] == 4 and facets["lines"] > 4


def test_texts_come_back_as_they_were_but_for_halves_of_pairs(tmp_path: Path) -> None:
    folder = viewed.make(tmp_path / "run", rounds=0)
    texts = [viewed.HOSTILE, "\ud83d\ude00 half: \udc00", "back\\slash \\ud800", "\u0000 nul", "y" * 100_000, "é∑😀"]
    viewed.add(folder, 1, [viewed.rollout(1, place, text=text, prompt=text, id=f"<b>{place}") for place, text in enumerate(texts)])
    found = opened(folder, tmp_path / "cache")
    shown = [found.one(1, f"<b>{place}")["text"] for place in range(len(texts))]
    assert shown[2:] == texts[2:] and shown[1] == "😀 half: \ufffd" and shown[0] == viewed.HOSTILE.replace("\ud800", "\ufffd")


@given(st.text(st.characters(categories=None), max_size=40))
def test_mended_lines_are_what_python_reads(text: str) -> None:
    line = json.dumps(text).encode()
    read = json.loads(mended(line))
    assert read == "".join("\ufffd" if "\ud800" <= one <= "\udfff" else one for one in json.loads(line))


def test_a_line_too_long_to_hold_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "LONGEST", 1000)
    folder = viewed.make(tmp_path / "run", rounds=0)
    viewed.add(folder, 1, [viewed.rollout(1, 0), viewed.rollout(1, 1, text="x" * 5000), viewed.rollout(1, 2)])
    assert ids(opened(folder, tmp_path / "cache")) == ["r1/solver/t0/0", "r1/solver/t0/2"]


def test_links_and_pipes_are_not_read(tmp_path: Path) -> None:
    folder = viewed.make(tmp_path / "run", rounds=2, count=4)
    (tmp_path / "secret.jsonl").write_text(json.dumps(viewed.rollout(1, 0, text="secret")))
    for number in (1, 2):
        (folder / "rounds" / f"0000{number}" / "rollouts.jsonl").unlink()
    (folder / "rounds" / "00001" / "rollouts.jsonl").symlink_to(tmp_path / "secret.jsonl")
    os.mkfifo(folder / "rounds" / "00002" / "rollouts.jsonl")
    found = opened(folder, tmp_path / "cache")
    assert found.facets()["count"] == 0
    assert ids(found, text="secret") == []


def test_a_tree_is_told_from_its_root_and_a_group_by_its_task(tmp_path: Path) -> None:
    folder = viewed.make(tmp_path / "run", rounds=0)
    forks = {"a": None, "b": "a", "c": "b", "d": "a", "alone": None, "orphan": "missing", "loop": "loop"}
    viewed.add(folder, 1, [viewed.rollout(1, 0, id=name, parent=parent, task=name) for name, parent in forks.items()])
    found = opened(folder, tmp_path / "cache")
    for name in "abcd":
        assert {row["id"] for row in found.one(1, name)["tree"]} == set("abcd")
    assert found.one(1, "alone")["tree"] == [] and len(found.one(1, "alone")["group"]) == 1
    assert found.one(1, "orphan")["id"] == "orphan" and found.one(1, "loop")["id"] == "loop"
    with pytest.raises(DataError, match="no rollout 'zz'"):
        found.one(1, "zz")


def test_advantages_by_token_have_a_mean_and_stay_a_list(tmp_path: Path) -> None:
    folder = viewed.make(tmp_path / "run", rounds=0)
    viewed.add(
        folder, 1, [viewed.rollout(1, 0, advantage=[1.0, 2.0, -6.0]), viewed.rollout(1, 1, advantage=None), viewed.rollout(1, 2, advantage=[])]
    )
    rows = opened(folder, tmp_path / "cache")
    assert [row["credit"] for row in rows.page(Wanted())["rows"]] == [-1.0, None, None]
    assert rows.one(1, "r1/solver/t0/0")["advantage"] == [1.0, 2.0, -6.0]
