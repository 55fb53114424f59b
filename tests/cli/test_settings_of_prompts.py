"""`template`, `system`, `chat` and `chat_template_kwargs` of a run: what its policy reads, and that the config keeps them."""

import json
from pathlib import Path

import pytest
from chatting import chat_model
from command import call, refused
from complaints import lines, names

from autotelic.rounds.asking import encode_prompt
from autotelic.runs.opening import plan
from autotelic.runs.store import Store
from autotelic.systems.registry import recipes

ROWS = [json.dumps({"question": f"What is {i} plus 3?", "answer": i + 3}) for i in range(12)]
SMALL = {"sampling": {"max_tokens": 8}, "probe_size": 2, "probe_samples": 0}
FRAMED = {"template": "{question} Answer:", "system": "Be brief.", "chat_template_kwargs": {"enable_thinking": False}}
SHOWN = "<|open|>system\nBe brief.<|close|>\n<|open|>user\nWhat is {} plus 3? Answer:<|close|>\n<|open|>assistant\n<think></think>"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chat_model(tmp_path_factory.mktemp("models") / "chat", context=256)


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    return lines(tmp_path / "t.jsonl", *ROWS)


def test_the_solver_reads_its_tasks_in_the_frame(model: Path, tasks: Path) -> None:
    session = plan({"recipe": "srt", "model": str(model), "tasks": str(tasks), "verifier": "number", **SMALL, **FRAMED})
    policy, role = session.ctx.policies["solver"], session.ctx.role("solver")
    for task in (*session.ctx.pool.tasks, *session.probe_tasks):
        number = str(task.prompt).split()[2]
        assert policy.tokenizer.inner.decode(encode_prompt(policy, role, task)) == SHOWN.format(number)


def test_other_roles_read_what_they_are_asked_as_chat_messages(model: Path) -> None:
    raw = {"model": str(model), "tasks": "chain-skills", **SMALL, **FRAMED, "template": "{prompt} Answer:"}
    session = plan({"recipe": "self", **raw})
    policy, task = session.ctx.policies["solver"], session.ctx.pool.tasks[0]
    solver, critic = (policy.tokenizer.inner.decode(encode_prompt(policy, session.ctx.role(name), task)) for name in ("solver", "critic"))
    assert f"<|open|>user\n{task.prompt} Answer:<|close|>" in solver and "Be brief." in solver
    assert critic == f"<|open|>user\n{task.prompt}<|close|>\n<|open|>assistant\n<think></think>"


def test_what_is_taught_in_a_chat_ends_as_a_turn_ends(tasks: Path, tmp_path: Path) -> None:
    """A tokenizer whose end token is not the one with which its template closes a turn, as of Qwen's base models."""
    two_ends = chat_model(tmp_path / "m", end="<|pad|>")
    for chat, last in ((False, "<|pad|>"), (True, "<|close|>")):
        raw = {"recipe": "supervised", "model": str(two_ends), "tasks": str(tasks), "prompt_column": "question", "chat": chat, **SMALL}
        ctx = plan(raw).ctx
        taught = ctx.taught("solver", ctx.pool.tasks[0], "6")
        assert ctx.policies["solver"].tokenizer.shown(taught.tokens).endswith("6" + last)


def test_without_a_frame_nothing_is_changed(model: Path) -> None:
    for name, cls in recipes().items():
        if cls.about.tasks != "chain":
            continue
        session = plan({"recipe": name, "pool_size": 4, "probe_size": 2, "probe_samples": 0})
        task, policy = session.ctx.pool.tasks[0], session.ctx.policies["solver"]
        assert encode_prompt(policy, session.ctx.role(cls.main), task) == policy.tokenizer.encode_prompt(task.prompt)


def test_a_run_keeps_the_frame_and_goes_on_with_it(model: Path, tasks: Path, tmp_path: Path) -> None:
    options = ["--template", FRAMED["template"], "--system", FRAMED["system"], "chat_template_kwargs.enable_thinking=false"]
    out = tmp_path / "run"
    small = ("sampling.max_tokens=8", "probe_size=2", "probe_samples=0", "tasks_per_round=2", "group_size=2")
    found = call("run", "random-reward", "--model", model, "--tasks", tasks, "--verifier", "number", *options, *small, "--rounds", 1, "--out", out)
    assert found.status == 0, found
    config = json.loads((out / "config.json").read_text(encoding="utf-8"))
    assert {name: config["run"][name] for name in FRAMED} == FRAMED
    assert call("resume", out, "--rounds", 2).status == 0
    rows = [json.loads(line) for path in sorted(out.glob("rounds/*/rollouts.jsonl")) for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 8
    assert Store.open(out).last == 2


def test_repeated_lines_are_told_and_counted_in_the_config(model: Path, tmp_path: Path) -> None:
    path = lines(tmp_path / "t.jsonl", *ROWS, ROWS[1], ROWS[1], ROWS[5])
    arguments = ("--model", model, "--tasks", path, "--template", "{question}", "sampling.max_tokens=8", "probe_samples=0", "--dry-run")
    found = call("run", "srt", *arguments)
    assert json.loads(found.out)["repeated"] == 3
    note = f"note: {path}: 3 of 15 records repeat others and are read once (first {path} line 13, which repeats {path} line 2)"
    assert found.err.splitlines()[0] == note
    checked = call("validate", path, "--verifier", "number", "--template", "{question}")
    assert checked.status == 0 and checked.err == note + "\n"
    assert (
        json.loads(call("eval", model, "--tasks", path, "--template", "{question}", "--max-tokens", 4, "--samples", 0, "--json").out)["judged"] == 12
    )
    twice = lines(tmp_path / "twice.jsonl", *ROWS, json.dumps({"question": "What is 2 plus 3?", "answer": 6}))
    complaint = call("run", "srt", "--model", model, "--tasks", twice, "--prompt-column", "question", "--dry-run").complaint
    names(complaint, f"{twice} line 13: repeats the prompt of {twice} line 3 with another answer ('6', not '5')")


def test_a_chat_model_that_is_given_plain_text_is_a_note(model: Path, tasks: Path) -> None:
    arguments = (
        "run",
        "srt",
        "--model",
        model,
        "--tasks",
        tasks,
        "--prompt-column",
        "question",
        "sampling.max_tokens=8",
        "probe_samples=0",
        "--dry-run",
    )
    assert call(*arguments).err == "note: prompts are plain text, although the model has a chat template; --chat puts them through it\n"
    assert call(*arguments, "--chat").err == ""


def test_frames_that_do_not_fit(model: Path, tasks: Path, out: Path) -> None:
    small = ("sampling.max_tokens=8", "probe_samples=0", "probe_size=2")
    for arguments, parts in (
        (("srt", "--model", model, "--tasks", tasks, "--template", "{qestion}", *small), [f"{tasks} line 1", "did you mean 'question'?"]),
        (("srt", "--template", "{question}"), ["columns of the world 'chain': 'prompt'"]),
        (("spiral", "--system", "x"), ["system: the world 'games' is played in turns"]),
        (
            ("srt", "--model", model, "chat_template_kwargs.enable_thinkin=1"),
            ["chat_template_kwargs.enable_thinkin", "did you mean 'enable_thinking'"],
        ),
        (("srt", "chat_template_kwargs=3"), ["chat_template_kwargs = 3", "valid dictionary"]),
        (("srt", "sytem=x"), ["no setting 'sytem'; did you mean 'system'?"]),
    ):
        names(refused(out, *arguments), *parts)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Where no run directory may appear."""
    return tmp_path / "out"


def test_a_reward_that_is_nan_ends_the_run_with_its_name(tmp_path: Path) -> None:
    recipe = lines(
        tmp_path / "odd.py",
        '"""A recipe whose reward abstains on one completion and is not a number on another."""',
        "from autotelic.learning.advantages import center",
        "from autotelic.learning.objectives import PolicyGradient",
        "from autotelic.systems.base import Recipe, recipe",
        "",
        '@recipe(name="odd", system="mine", paper="", family="own", proxy="rewards/score/mean")',
        "class Odd(Recipe):",
        '    """A score that is odd."""',
        "    value: str = '1'",
        "",
        "    async def round(self, ctx):",
        '        groups = await ctx.sample("solver", ctx.pool.draw(2), n=3)',
        "        for group in groups:",
        "            group.reward(score=[None, float(self.value), 0.0])",
        '        ctx.learn("solver", center(groups), PolicyGradient())',
    )
    small = ("pool_size=8", "probe_size=4", "probe_samples=0", "--rounds", 1)
    good = call("run", recipe, *small, "--out", tmp_path / "good")
    assert good.status == 0, good
    metrics = [json.loads(line)["metrics"] for line in (tmp_path / "good" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert metrics[1]["rewards/score/mean"] == 0.5, "of the two that speak"
    bad = call("run", recipe, *small, "value=NAN", "--out", tmp_path / "bad")
    assert bad.status == 1 and "Traceback" not in bad.err
    names(bad.err, "error: ", "the reward 'score' of rollout r1/solver/", "is nan, not a finite number")
