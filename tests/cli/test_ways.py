"""`autotelic eval --way` and `autotelic ways`: what is printed, what is written, and what is refused in one line before anything is sampled."""

import json
from pathlib import Path

import pytest
from chatting import chat_model
from command import call
from complaints import lines, names

SMALL = ("--limit", 6, "--samples", 4)
SKILLS = ("eval", "chain-skills", "--tasks", "chain-skills")


def test_several_ways_are_told(tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    found = call(*SKILLS, "--way", "self-refine", "majority", "refinements=1", "--way", "best-of-n", *SMALL, "--out", out)
    assert found.status == 0, found.err
    text = found.out.splitlines()
    assert text[0] == "chain-skills on 6 tasks of chain-skills" and text[1].startswith("greedy ") and text[2].startswith("majority of 1: ")
    assert [line.split(":")[0] for line in text if " at no more tokens" in line] == ["self-refine", "best-of-n", "majority"]
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 18 and {len(row["tried"]) for row in rows} <= {1, 2}
    names(call(*SKILLS, "--way", "majority", *SMALL, "--out", out).complaint, out, "exists already", "--force")


def test_the_same_seed_gives_the_same_numbers() -> None:
    first, again, other = (json.loads(call(*SKILLS, "--way", "self-refine", *SMALL, "--seed", seed, "--json").out) for seed in (0, 0, 1))
    for found in (first, again, other):
        for one in (found["ways"][0], *found["ways"][0]["ablations"]):
            assert one.pop("seconds") > 0
    assert first == again != other
    assert first["sampling"] == {"temperature": 1.0, "top_p": 1.0, "top_k": 0, "max_tokens": first["sampling"]["max_tokens"]}
    assert first["plain"]["samples"] == 4 and list(first["plain"]["majority"]) == ["1", "2", "3", "4"]


def test_options_of_sampling_reach_ways_and_plain_samples() -> None:
    found = json.loads(call(*SKILLS, "--way", "majority", *SMALL, "--max-tokens", 5, "--top-k", 3, "--temperature", 0.5, "--json").out)
    assert found["ways"][0]["settings"]["sampling"] == {"temperature": 0.5, "top_p": 1.0, "top_k": 3, "max_tokens": 5, "stop": []}
    assert found["plain"]["tokens"] == 5 and found["ways"][0]["tokens"] == 20 and found["ways"][0]["unanswered"] == 1.0


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ((*SKILLS, "--way", "self-refin"), ["no way 'self-refin'", "did you mean 'self-refine'?"]),
        ((*SKILLS, "--way", "self"), ["'self' is a recipe, no way", "autotelic run self"]),
        (("run", "self-refine"), ["'self-refine' is a way, no recipe", "autotelic eval MODEL --tasks TASKS --way self-refine"]),
        ((*SKILLS, "n=3"), ["'n=3'", "say --way NAME"]),
        ((*SKILLS, "majority"), ["'majority'", "say --way NAME"]),
        ((*SKILLS, "--way", "majority", "m=3"), ["no setting 'm' of majority"]),
        ((*SKILLS, "--way", "majority", "n=0"), ["n = 0", "greater than or equal to 1"]),
        ((*SKILLS, "--way", "self-refine?critiques.temperatur=1"), ["no setting 'critiques.temperatur'", "did you mean 'temperature'?"]),
        ((*SKILLS, "--way", "majority", "--way", "majority"), ["--way: 'majority' is there twice"]),
        ((*SKILLS, "--way", "majority", "--samples", 1), ["samples", "at least 2 a task"]),
        ((*SKILLS, "--way", "majority", "--temperature", 0), ["samples", "at temperature 0"]),
        ((*SKILLS, "--way", "steps-back", "back=ab"), ["back = 'ab'", "vocabulary lacks"]),
        (("eval", "strings", "--tasks", "strings", "--way", "self-refine"), ["way 'self-refine' needs the skill 'critique'", "'strings'"]),
        (("eval", "chain-skills", "--tasks", "chain-skills", "--way", "absent.py"), ["absent.py: no such way file"]),
        (("eval", "games", "--tasks", "games?play=kuhn", "--way", "majority"), ["no task has a gold answer"]),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(arguments: tuple[object, ...], parts: list[str]) -> None:
    names(call(*arguments).complaint, *parts)


def test_tasks_of_a_file_are_asked_about_in_words(tmp_path: Path) -> None:
    """A chat model criticizes and mends in English; an oracle of steps is asked for in vain, and a model without the letters cannot be asked."""
    tasks = lines(tmp_path / "t.jsonl", *(json.dumps({"prompt": f"What is {i} plus 3?", "answer": i + 3}) for i in range(4)))
    model = chat_model(tmp_path / "chat")
    short = ("--tasks", tasks, "--max-tokens", 6, *SMALL, "--chat")
    found = json.loads(call("eval", model, *short, "--way", "self-refine", "critiques.max_tokens=6", "--json").out)
    assert found["judged"] == 4 and found["ways"][0]["counted"]["critic/unparsed"] > 0
    names(call("eval", model, *short, "--way", "backtracking", "locate=truth").complaint, "locate = 'truth'", "say locate=critic")
    names(call("eval", "addition-4", "--tasks", tasks, *SMALL, "--way", "self-refine").complaint, "vocabulary lacks")


def test_the_ways_are_listed() -> None:
    found = call("ways")
    assert found.status == 0 and "self-refine" in found.out and "arXiv:2303.17651" in found.out and "srt" not in found.out.split()
    rows = json.loads(call("ways", "--json").out)
    assert {"majority", "backtracking", "srgen", "tree-search", "steps-back"} <= {row["name"] for row in rows}
    assert {row["kind"] for row in rows} == {"way"}
    assert json.loads(call("systems", "68", "self-refine", "--json").out)[0]["names"] == ["self-refine"]
