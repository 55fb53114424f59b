"""`autotelic eval`: how a model is asked, the file of completions, how far it is, and what is refused before anything is sampled."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from chatting import REFUSING, chat_model
from command import Result, call
from complaints import ENVIRONMENT, lines, names

ROWS = [{"question": f"What is {i} plus 3?", "answer": i + 3, "level": ["even", "odd"][i % 2], "context": f"c{i}"} for i in range(8)]
SHORT = ("--max-tokens", 6, "--samples", 0)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chat_model(tmp_path_factory.mktemp("models") / "chat")


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    return lines(tmp_path / "t.jsonl", *map(json.dumps, ROWS))


def asked(model: Path, tasks: Path, out: Path, *arguments: object) -> tuple[Result, list[dict[str, Any]]]:
    """The call and the lines it wrote."""
    found = call("eval", model, "--tasks", tasks, "--out", out, *arguments)
    assert found.status == 0, found
    return found, [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


def test_prompts_stand_in_the_file_as_the_model_read_them(model: Path, tasks: Path, tmp_path: Path) -> None:
    question = "What is 0 plus 3?"
    opened = "<|open|>user\n{}<|close|>\n<|open|>assistant\n"
    for number, (arguments, prompt) in enumerate(
        (
            (("--prompt-column", "question"), question),
            (("--template", "{question} Answer:"), f"{question} Answer:"),
            (("--template", "{context}: {question}"), f"c0: {question}"),
            (("--prompt-column", "question", "--chat"), opened.format(question)),
            (("--template", "{question} Answer:", "--system", "Be brief."), "<|open|>system\nBe brief.<|close|>\n" + opened.format(f"{question} Answer:")),
            (("--prompt-column", "question", "--chat", "--chat-template-kwargs", '{"enable_thinking": false}'), opened.format(question) + "<think></think>"),
        )
    ):  # fmt: skip
        _, rows = asked(model, tasks, tmp_path / f"o{number}.jsonl", *arguments, *SHORT)
        assert rows[0]["prompt"] == prompt and rows[0]["record"] == f"{tasks} line 1"
        assert [row["gold"] for row in rows] == [str(i + 3) for i in range(8)], "in the order of the file"


def test_the_file_holds_what_the_numbers_are_made_of(tmp_path: Path) -> None:
    """A base that is often right, so that the table has something to count."""
    found, rows = asked(Path("chain-medium"), Path("chain?ops=4-5"), tmp_path / "o.jsonl", "--samples", 3, "--limit", 12, "--json")
    numbers = json.loads(found.out)
    assert len(rows) == numbers["judged"] == 12
    for row in rows:
        for said in (row["greedy"], *row["samples"]):
            assert said["verdict"] == float(said["answer"] == row["gold"]) and (said["answer"] is None or f"#{said['answer']}" in said["completion"])
            assert said["stop"] in ("end", "length") and said["tokens"] > 0
    right = [row["greedy"]["verdict"] for row in rows]
    assert numbers["measures"]["greedy accuracy"]["value"] == sum(right) / 12 and 0 < sum(right) < 12
    shares = [sum(said["verdict"] for said in row["samples"]) / 3 for row in rows]
    assert numbers["measures"]["pass@1"]["value"] == pytest.approx(sum(shares) / 12)
    for part, value in numbers["slices"].items():
        own = [row["greedy"]["verdict"] for row in rows if row["slice"] == part]
        assert value == sum(own) / len(own)
    assert len(numbers["slices"]) == 2


def test_slices_are_those_of_the_column(model: Path, tasks: Path) -> None:
    arguments = ("eval", model, "--tasks", tasks, "--template", "{question}", *SHORT, "--json")
    assert json.loads(call(*arguments).out)["slices"] == {}
    assert list(json.loads(call(*arguments, "--slice-column", "level").out)["slices"]) == ["level even", "level odd"]
    names(call(*arguments, "--slice-column", "levle").complaint, "slice column 'levle'", "did you mean 'level'?")


def test_sampling_settings_reach_the_samples_and_are_said(model: Path, tasks: Path, tmp_path: Path) -> None:
    base = ("--template", "{question}", "--samples", 2, "--max-tokens", 8)
    runs = {
        name: asked(model, tasks, tmp_path / f"{name}.jsonl", *base, *more)
        for name, more in {
            "plain": (),
            "again": (),
            "cold": ("--top-k", 1),
            "nucleus": ("--top-p", 0.3, "--temperature", 0.7),
            "seed": ("--seed", 1),
        }.items()
    }
    said = {name: [[one["completion"] for one in row["samples"]] for row in rows] for name, (_, rows) in runs.items()}
    greedy = {name: [row["greedy"]["completion"] for row in rows] for name, (_, rows) in runs.items()}
    assert said["plain"] == said["again"] and len({json.dumps(texts) for texts in said.values()}) == 4
    assert said["cold"] == [[text, text] for text in greedy["cold"]], "the likeliest token is the greedy one"
    assert len({json.dumps(texts) for texts in greedy.values()}) == 1, "greedy completions know none of these"
    text = runs["nucleus"][0].out.splitlines()
    assert text[1] == "greedy, and 2 samples at temperature 0.7, top-p 0.3; at most 8 new tokens"
    assert text[-2].endswith(("of greedy completions ran into the limit on new tokens", "of greedy completions ended without an answer"))
    none = call("eval", model, "--tasks", tasks, "--template", "{question}", "--temperature", 0, "--max-tokens", 8)
    assert none.out.splitlines()[1] == "greedy; at most 8 new tokens"


def test_a_limit_that_nobody_named_bends_to_the_context(model: Path, tmp_path: Path) -> None:
    long = lines(tmp_path / "l.jsonl", json.dumps({"prompt": "2 " * 60, "answer": "1"}))
    found, rows = asked(model, long, tmp_path / "o.jsonl", "--samples", 0)
    assert rows[0]["greedy"]["tokens"] <= 192 - 60 and found.err.startswith("note: prompts are plain text")
    names(call("eval", model, "--tasks", long, "--max-tokens", 150).complaint.splitlines()[-1], f"{long} line 1", "context of 192")
    names(
        call("eval", model, "--tasks", lines(tmp_path / "m.jsonl", json.dumps({"prompt": "2 " * 300, "answer": "1"}))).complaint,
        "line 1",
        "context of 192",
    )


def test_a_file_that_is_there_is_not_lost(model: Path, tasks: Path, tmp_path: Path) -> None:
    out = tmp_path / "o.jsonl"
    arguments = ("eval", model, "--tasks", tasks, "--template", "{question}", *SHORT, "--out")
    assert call(*arguments, out).status == 0
    before = out.read_bytes()
    names(call(*arguments, out).complaint, out, "exists already", "--force")
    names(call(*arguments[:-3], "--out", out, "--force", "--template", "x").complaint, "names no column")
    assert out.read_bytes() == before, "an error before sampling writes over nothing"
    assert call(*arguments, out, "--force").status == 0 and out.read_bytes() == before
    names(call(*arguments, tmp_path).complaint, tmp_path, "is not a file")
    names(call(*arguments, tmp_path / "none" / "o.jsonl").complaint, "the folder", "does not exist")


def test_whole_lines_are_written_as_it_goes_and_kept_when_it_is_stopped(tmp_path: Path) -> None:
    out = tmp_path / "o.jsonl"
    command = [sys.executable, "-m", "autotelic", "eval", "chain-medium", "--tasks", "chain", "--samples", "31", "--limit", "1000", "--out", str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT, text=True) as going:
        while not (out.exists() and out.read_bytes().count(b"\n") >= 4):
            assert going.poll() is None, going.communicate()
            time.sleep(0.01)
        going.send_signal(signal.SIGINT)
        _, err = going.communicate(timeout=60)
    rows = out.read_text(encoding="utf-8")
    assert going.returncode == 130 and rows.endswith("\n")
    count = len([json.loads(line) for line in rows.splitlines()])
    assert 4 <= count < 1000 and err.splitlines()[-1] == f"stopped by SIGINT; {out} holds {count} lines" and "Traceback" not in err


def test_long_work_says_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert call("eval", "chain-medium", "--tasks", "chain", "--limit", 40, "--samples", 7).err == "", "short work says nothing"
    monkeypatch.setattr("autotelic.runs.evaluating.PATIENCE", 0.0)
    found = call("eval", "chain-medium", "--tasks", "chain", "--limit", 40, "--samples", 7)
    said = found.err.splitlines()
    assert len(said) == 4 and all("tokens/s" in line and line.endswith("left") for line in said)
    assert [line.split()[0] for line in said] == ["8/40", "16/40", "24/40", "32/40"]
    accuracy = next(line for line in found.out.splitlines() if line.startswith("greedy accuracy")).split()[2]
    assert abs(float(said[-1].split("greedy ")[1][:4]) - float(accuracy)) < 0.2


def test_what_does_not_go_together(model: Path, tasks: Path, tmp_path: Path) -> None:
    plain = chat_model(tmp_path / "plain", template=None)
    own = lines(tmp_path / "own.jsonl", json.dumps({"prompt": [{"role": "system", "content": "a"}, {"role": "user", "content": "b"}], "answer": "1"}))
    for arguments, parts in (
        ((model, "--tasks", tasks, "--template", "Answer:"), ["template = 'Answer:' names no column", "'context', 'level', 'question'"]),
        ((model, "--tasks", tasks, "--template", "{qestion}"), ["no column 'qestion'", "did you mean 'question'?", f"{tasks} line 1"]),
        ((model, "--tasks", tasks, "--template", "{question}{answer}"), ["the column 'answer' holds the answer"]),
        (("chain-medium", "--tasks", "chain", "--template", "{question}"), ["no column 'question'", "columns of the world 'chain': 'prompt'"]),
        (("games", "--tasks", "games?play=kuhn", "--system", "x"), ["system: the world 'games' is played in turns"]),
        ((plain, "--tasks", tasks, "--template", "{question}", "--system", "x"), ["system: ", "plain has no chat template"]),
        ((model, "--tasks", own, "--system", "x"), [f"{own} line 1", "has a system message of its own"]),
        ((model, "--tasks", tasks, "--template", "{question}", "--samples", 3, "--temperature", 0), ["samples: at temperature 0 all samples"]),
        ((model, "--tasks", tasks, "--template", "{question}", "--top-p", 0), ["top_p = 0"]),
        (
            (model, "--tasks", tasks, "--template", "{question}", "--chat-template-kwargs", "[]"),
            ["chat_template_kwargs = '[]': expected a JSON object"],
        ),
    ):
        names(call("eval", *arguments).complaint, *parts)


def test_a_template_that_refuses_names_file_and_line(tmp_path: Path) -> None:
    """The first task fits: the second one's role is what the template refuses."""
    refusing = chat_model(tmp_path / "refusing", template=REFUSING)
    user = {"role": "user", "content": "What is 1 plus 2?"}
    rows = [{"prompt": [user], "answer": "3"}, {"prompt": [{"role": "system", "content": "Be brief."}, user], "answer": "3"}]
    path = lines(tmp_path / "sys.jsonl", *map(json.dumps, rows * 1))
    complaint = call("eval", refusing, "--tasks", path, "--verifier", "number").complaint
    names(complaint, f"{path} line 2", "chat template", "System role not supported")
    more = [{"prompt": [{"role": "user", "content": f"What is {i} plus 2?"}], "answer": str(i + 2)} for i in range(9)]
    path = lines(tmp_path / "run.jsonl", *map(json.dumps, [*more, rows[1]]))
    run = ("run", "srt", "--model", refusing, "--tasks", path, "--verifier", "number", "sampling.max_tokens=8", "--dry-run")
    names(call(*run).complaint, f"{path} line 10", "chat template", "System role not supported")
    names(call("validate", path, "--verifier", "number", "--model", refusing).complaint, f"{path} line 10", "System role not supported")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a pseudo-terminal")
def test_on_a_terminal_one_line_changes(tmp_path: Path) -> None:
    import pty

    child, terminal = pty.fork()
    if child == 0:
        os.environ.update(ENVIRONMENT)
        os.execv(
            sys.executable, [sys.executable, "-m", "autotelic", *["eval", "chain-medium", "--tasks", "chain", "--limit", "20", "--samples", "7"]]
        )
    seen = b""
    while True:
        try:
            piece = os.read(terminal, 4096)
        except OSError:
            break
        if not piece:
            break
        seen += piece
    assert os.waitpid(child, 0)[1] == 0
    assert seen.count(b"\r\x1b[K") == 3 and b"16/20 tasks" in seen and seen.index(b"greedy accuracy") > seen.rindex(b"\x1b[K")


def test_it_says_beforehand_what_label_free_training_promises(tmp_path: Path) -> None:
    """Of a base whose majority is right where its greedy answers are not, of one where it is not, and of questions without answers."""
    found = {base: call("eval", base, "--tasks", "chain?ops=4" if base == "habits" else "chain", "--limit", 60) for base in ("habits", "chain-good")}
    assert "training without labels is likely to help: the majority's accuracy minus the greedy answers' is +0." in found["habits"].out
    assert "training without labels is unlikely to help: " in found["chain-good"].out
    questions = lines(tmp_path / "q.jsonl", *(json.dumps({"prompt": f"{i % 9}+1*3-2+7="}) for i in range(8)))
    rows = asked(Path("habits"), questions, tmp_path / "o.jsonl", "--json")
    numbers = json.loads(rows[0].out)
    assert (numbers["judged"], numbers["without_answer"], list(numbers["measures"])) == (0, 8, ["agreement", "overruled"])
    assert numbers["label_free"]["margin"] is None and numbers["label_free"]["word"] == "unclear"
    differ = [max(answers := [one["answer"] for one in row["samples"]], key=answers.count) != row["greedy"]["answer"] for row in rows[1]]
    assert numbers["measures"]["overruled"]["value"] == sum(differ) / 8 and all(row["greedy"]["verdict"] is None for row in rows[1])
    text = call("eval", "habits", "--tasks", questions).out.splitlines()
    assert text[0] == f"habits on 8 tasks of {questions}, none with an answer"
    assert text[-1].startswith("training without labels may help or not: without gold answers nobody knows")
    names(call("eval", "games", "--tasks", "games?play=kuhn").complaint, "no task has a gold answer")
