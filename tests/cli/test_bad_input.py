"""Bad input: one line on standard error that says what and where, status 1, and nothing written."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from command import call, refused
from complaints import ENVIRONMENT, lines, names

from autotelic.policies.policy import Policy
from autotelic.policies.tokenizer import Tokenizer

SMALL = ("sampling.max_tokens=8", "probe_samples=0", "probe_size=4", "group_size=2", "tasks_per_round=2")
GOOD = [json.dumps({"prompt": f"{i}+1=", "answer": str(i + 1)}) for i in range(10)]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Where no run directory may appear."""
    return tmp_path / "out"


@pytest.fixture
def model(policy: Callable[..., Policy], tmp_path: Path) -> Path:
    """A folder with a random model of 96 tokens of context."""
    policy().save(tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["strt"], ["no recipe 'strt'", "did you mean 'srt'"]),
        (["recipe.py"], ["recipe.py: no such recipe file"]),
        (["srt", "group_sise=4"], ["no setting 'group_sise'", "did you mean 'group_size'"]),
        (["srt", "probe_sizes=4"], ["no setting 'probe_sizes'", "did you mean 'probe_size'"]),
        (["srt", "optimizer.learningrate=1"], ["no setting 'optimizer.learningrate'", "did you mean 'learning_rate'"]),
        (["srt", "lora.rnak=1"], ["no setting 'lora.rnak'", "did you mean 'rank'"]),
        (["srt", "gate.mod=off"], ["no setting 'gate.mod'", "did you mean 'mode'"]),
        (["srt", "group_size=abc"], ["group_size = 'abc'", "valid integer"]),
        (["srt", "group_size=1"], ["group_size = 1", "greater than or equal to 2"]),
        (["srt", "optimizer.learning_rate=-1"], ["optimizer.learning_rate = -1", "greater than 0"]),
        (["srt", "optimizer=fast"], ["optimizer = 'fast'"]),
        (["srt", "group_size.x=1"], ["group_size"]),
        (["srt", "sampling.temperature=hot"], ["sampling.temperature = 'hot'", "valid number"]),
        (["srt", "gate=off"], ["gate = 'off'"]),
        (["srt", "engine=vlm"], ["engine = 'vlm'", "did you mean 'vllm'"]),
        (["srt", "objective.kl_estimator=k1"], ["objective.kl_estimator = 'k1' has an expected gradient of 0 as a term of a loss"]),
        (["srt", "objective.delta=1.1"], ["objective.delta = 1.1 belongs to the surrogate 'clip', and must be above 1 + clip_high = 1.28"]),
        (["spin", "objective.kind=logistic"], ["objective.kind = 'logistic'", "'sigmoid', 'hinge'"]),
        (["spin", "objective.kind=odds"], ["objective.kind = 'odds' is about the mean log-probability", "set reference = false"]),
        (["srt", "device=gpu0"], ["device = 'gpu0'"]),
        (["srt", "verifier=exat"], ["verifier = 'exat'", "'exact', 'number', 'math', 'tests' or 'partial-tests'"]),
        (["srt", "--rounds", "-1"], ["rounds = -1"]),
        (["srt", "recipe.rounds=3"], ["'recipe' is a value, not a group"]),
        (["srt", "rounds"], ["'rounds' is not of the form key=value"]),
        (["srt", "--tasks", "chain?op=3"], ["no knob 'op'", "did you mean 'ops'"]),
        (["srt", "--tasks", "chain?ops=two"], ["ops", "valid integer"]),
        (["srt", "--tasks", "reasoning-gym:chain_sun"], ["no data set 'chain_sun'", "did you mean 'chain_sum'"]),
        (["easy-to-hard", "--tasks", "chain", "--model", "chain-medium"], ["it runs on the world 'addition', not on 'chain'"]),
        (["easy-to-hard", "known=9", "target=8"], ["target = 8 digits must be more than the known = 9"]),
    ],
)  # fmt: skip
def test_settings_and_names(arguments: list[str], parts: list[str], out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names(refused(out, *arguments), *parts)


TASK_FILES = {
    "missing": (None, ["no such file", "did you mean 'good.jsonl'"]),
    "broken": ([*GOOD[:2], '{"prompt": "1+1=", "answer": }'], ["line 3 column 30", "bad JSON"]),
    "not objects": (['["1+1="]'], ["line 1", "expected a JSON object", "got a list"]),
    "no prompt": ([GOOD[0], '{"promt": "1+1="}'], ["line 2", "no column 'prompt'", "did you mean 'promt'"]),
    "null prompt": ([GOOD[0], GOOD[1], '{"prompt": null}'], ["line 3", "column 'prompt'", "is empty"]),
    "blank prompt": (['{"prompt": "  "}'], ["line 1", "column 'prompt'", "is empty"]),
    "number prompt": (['{"prompt": 12}'], ["line 1", "column 'prompt'", "expected text or a list of messages, got a number"]),
    "bad message": (['{"prompt": [{"rol": "user", "content": "x"}]}'], ["line 1", "message 1", "no 'role'", "did you mean 'rol'"]),
    "same id": (['{"id": 1, "prompt": "1+1="}', '{"id": 1, "prompt": "1+2="}'], ["line 2", "repeats the id '1'", "line 1"]),
    "same prompt": (
        [GOOD[0], GOOD[1], '{"prompt": "0+1=", "answer": "2"}'],
        ["line 3", "repeats the prompt", "line 1", "another answer ('2', not '1')"],
    ),
    "empty": ([], ["holds no tasks"]),
    "one task": ([GOOD[0]], ["no task is left to hold out", "--probe"]),
    "characters": ([*GOOD, '{"prompt": "1 × 2 ="}'], ["vocabulary lacks '×'", "1 × 2 ="]),
    "too long": ([*GOOD, json.dumps({"prompt": "1+" * 45 + "1="})], ["its prompt of 93 tokens", "sampling.max_tokens=8", "context of 96"]),
}


@pytest.mark.parametrize("kind", TASK_FILES)
def test_task_files(kind: str, model: Path, out: Path, tmp_path: Path) -> None:
    records, parts = TASK_FILES[kind]
    lines(tmp_path / "good.jsonl", *GOOD)
    path = tmp_path / "god.jsonl"
    if records is not None:
        lines(path, *records)
    complaint = refused(out, "srt", "--model", model, "--tasks", path, *SMALL)
    names(complaint, *parts)
    if kind in ("characters", "too long"):
        names(complaint, "task ")
    else:
        names(complaint, path)


def test_a_csv_with_a_short_record_and_a_latin_one(model: Path, out: Path, tmp_path: Path) -> None:
    path = lines(tmp_path / "t.csv", "prompt,answer", "1+1=,2", '"1+2="')
    names(refused(out, "srt", "--model", model, "--tasks", path, *SMALL), path, "line 3", "1 fields, but the header has 2")
    path = lines(tmp_path / "latin.csv", "prompt,answer", "1+1=,2", "é,3", encoding="latin1")
    names(refused(out, "srt", "--model", model, "--tasks", path, *SMALL), path, "line 3", "byte 0xe9", "iconv")
    path.with_suffix(".parquet").write_bytes(b"PAR1 but not really")
    names(refused(out, "srt", "--model", model, "--tasks", path.with_suffix(".parquet"), *SMALL), "latin.parquet", "cannot be read as Parquet")
    path.with_suffix(".xlsx").write_bytes(b"PK")
    names(refused(out, "srt", "--model", model, "--tasks", path.with_suffix(".xlsx"), *SMALL), "unknown kind of file '.xlsx'", ".jsonl")


@pytest.mark.parametrize(("encoding", "end"), [("utf-8-sig", "\n"), ("utf-8", "\r\n"), ("utf-16", "\n"), ("utf-16", "\r\n"), ("utf-8-sig", "\r\n")])
@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_marks_line_ends_and_encodings_are_accepted(encoding: str, end: str, suffix: str, model: Path, tmp_path: Path) -> None:
    records = GOOD if suffix == "jsonl" else ["prompt,answer", *(f"{i}+1=,{i + 1}" for i in range(10))]
    path = lines(tmp_path / f"t.{suffix}", *records, encoding=encoding, end=end)
    found = call("run", "srt", "--model", model, "--tasks", path, "--dry-run", *SMALL)
    assert found.status == 0, found
    assert json.loads(found.out)["pool"] == 9


def test_answers_where_a_recipe_needs_them(model: Path, out: Path, tmp_path: Path) -> None:
    path = lines(tmp_path / "t.jsonl", *GOOD, '{"id": "mine", "prompt": "7+7="}', '{"id": "other", "prompt": "8+8="}')
    for recipe in ("gold", "supervised", "rest", "raft", "spin"):
        small = [setting for setting in SMALL if recipe not in ("supervised", "spin") or "group_size" not in setting]
        complaint = refused(out, recipe, "--model", model, "--tasks", path, *small)
        names(complaint, f"recipe {recipe!r} trains on gold answers", "2 of 11 tasks have none")


def test_an_answer_that_the_vocabulary_lacks_is_seen_before_training(model: Path, out: Path, tmp_path: Path) -> None:
    path = lines(tmp_path / "t.jsonl", *GOOD, '{"id": "odd", "prompt": "7+7=", "answer": "14 €"}')
    complaint = refused(out, "supervised", "--model", model, "--tasks", path, "sampling.max_tokens=8", "probe_size=4")
    names(complaint, "task odd", "vocabulary lacks '€'")


def test_a_gold_completion_longer_than_the_context_is_seen_before_training(model: Path, out: Path, tmp_path: Path) -> None:
    long = {"prompt": "8+8=", "answer": "16", "completion": "8+8=16;" * 13 + "\n16"}
    path = lines(tmp_path / "t.jsonl", *GOOD, json.dumps(long))
    small = ("sampling.max_tokens=8", "probe_size=1", "probe_samples=0")
    said = (f"{path} line 11", "its prompt of 5 tokens and its gold completion of 95 exceed the model's context of 96")
    for recipe in ("supervised", "spin"):
        names(refused(out, recipe, "--model", model, "--tasks", path, *small), *said)
    assert call("run", "gold", "--model", model, "--tasks", path, *small, "--dry-run").status == 0, "it never trains on them"
    found = call("validate", path, "--model", model)
    assert found.status == 1 and all(part in found.out for part in said), found
    assert call("validate", path).status == 0


def test_chat_prompts_without_a_template(model: Path, out: Path, tmp_path: Path) -> None:
    (model / "chat_template.jinja").unlink()
    path = lines(tmp_path / "t.jsonl", *(json.dumps({"prompt": [{"role": "user", "content": f"{i}+1"}]}) for i in range(10)))
    names(refused(out, "srt", "--model", model, "--tasks", path, *SMALL), "task ", "no chat template")
    names(
        call(
            "eval", model, "--tasks", lines(tmp_path / "e.jsonl", json.dumps({"prompt": [{"role": "user", "content": "1"}], "answer": "1"}))
        ).complaint,
        "no chat template",
    )
    names(call("sample", model, "1+1", "--chat").complaint, "no chat template")


def test_more_tokens_than_the_context_holds(model: Path, out: Path, tmp_path: Path) -> None:
    path = lines(tmp_path / "t.jsonl", *GOOD)
    names(refused(out, "srt", "--model", model, "--tasks", path, "sampling.max_tokens=500"), "sampling.max_tokens=500", "context of 96")
    names(call("sample", model, "1" * 96).complaint, "prompt of 97 tokens", "context of 96")


def test_model_folders_that_are_none(model: Path, out: Path, tmp_path: Path) -> None:
    path = lines(tmp_path / "t.jsonl", *GOOD)

    def complaint(folder: Path) -> str:
        return refused(out, "srt", "--model", folder, "--tasks", path, *SMALL)

    names(complaint(tmp_path / "nowhere"), "nowhere: no such model folder")
    names(complaint(path), "t.jsonl: no such model folder")
    (tmp_path / "empty").mkdir()
    names(complaint(tmp_path / "empty"), "empty", "no config.json")
    weights = (model / "model.safetensors").read_bytes()
    (model / "model.safetensors").unlink()
    names(complaint(model), model, "no weights", "model.safetensors")
    torch.save({"x": torch.zeros(1)}, model / "pytorch_model.bin")
    names(complaint(model), "pytorch_model.bin is a pickle")
    (model / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    names(complaint(model), "model.safetensors", "cannot be read as safetensors")
    (model / "model.safetensors").write_bytes(weights)
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    (model / "config.json").write_text(json.dumps({**config, "intermediate_size": 41}), encoding="utf-8")
    names(complaint(model), "config.json", "intermediate_size = 41, but model.layers.0.mlp.gate_proj.weight has 40 rows")
    (model / "config.json").write_text(json.dumps({name: value for name, value in config.items() if name != "hidden_size"}), encoding="utf-8")
    names(complaint(model), "config.json", "'hidden_size'")
    (model / "config.json").write_text("{", encoding="utf-8")
    names(complaint(model), "config.json", "not valid JSON", "line 1 column 2")
    (model / "config.json").write_text(json.dumps({**config, "model_type": "lama"}), encoding="utf-8")
    names(complaint(model), model, "lama")
    (model / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (model / "tokenizer.json").write_text("{}", encoding="utf-8")
    names(complaint(model), model, "no tokenizer that transformers can load")
    for file in ("tokenizer.json", "tokenizer_config.json"):
        (model / file).unlink()
    names(complaint(model), model, "no tokenizer")


def test_weights_that_are_not_finite_are_refused(policy: Callable[..., Policy], tmp_path: Path, out: Path) -> None:
    made = policy()
    with torch.no_grad():
        next(made.model.parameters()).fill_(float("nan"))
    made.save(tmp_path / "nan")
    names(refused(out, "srt", "--model", tmp_path / "nan", "--tasks", lines(tmp_path / "t.jsonl", *GOOD), *SMALL), tmp_path / "nan", "nan")


def test_adapter_folders_that_do_not_fit(model: Path, policy: Callable[..., Policy], tmp_path: Path, out: Path) -> None:
    path, adapter = lines(tmp_path / "t.jsonl", *GOOD), tmp_path / "adapter"
    adapter.mkdir()
    config = {"peft_type": "LORA", "base_model_name_or_path": str(tmp_path / "gone"), "r": 2, "lora_alpha": 4, "target_modules": ["q_proj"]}
    for changes, parts in [
        ({}, ["gone: no such model folder"]),
        ({"base_model_name_or_path": str(model)}, ["adapter_model.safetensors", "cannot be read"]),
        ({"base_model_name_or_path": str(model), "peft_type": "IA3"}, ["only plain LoRA"]),
        ({"base_model_name_or_path": str(model), "r": None}, ["adapter_config.json"]),
        ({"base_model_name_or_path": None}, ["no base_model_name_or_path"]),
    ]:
        (adapter / "adapter_config.json").write_text(json.dumps(config | changes), encoding="utf-8")
        names(refused(out, "srt", "--model", adapter, "--tasks", path, *SMALL), *parts)
    (adapter / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "base_model_name_or_path": str(model)}), encoding="utf-8")
    names(refused(out, "srt", "--model", adapter, "--tasks", path, *SMALL), "adapter_config.json", "target_modules")
    names(refused(out, "srt", "--model", model, "--tasks", path, 'lora.targets=["qq_proj"]', *SMALL), "no linear layer is named qq_proj")


def test_run_directories(model: Path, out: Path, tmp_path: Path) -> None:
    tasks = lines(tmp_path / "t.jsonl", *GOOD)
    arguments = ("srt", "--model", model, "--tasks", tasks, *SMALL)
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine.txt").write_text("mine")
    for options in ((), ("--dry-run",)):
        names(call("run", *arguments, "--out", full, *options).complaint, full, "is not empty", "autotelic resume")
        names(call("run", *arguments, "--out", tasks, *options).complaint, tasks, "is a file")
    assert [path.name for path in full.iterdir()] == ["mine.txt"]
    names(call("run", *arguments, "--out", tasks / "below").complaint, "below", "cannot be written")
    for command in ("resume", "report"):
        names(call(command, full).complaint, full, "run directory")
        names(call(command, tmp_path / "nowhere").complaint, "nowhere", "run directory")
    names(call("resume", model).complaint, model, "not a run directory")
    (full / "config.json").write_text("{", encoding="utf-8")
    names(call("resume", full).complaint, full / "config.json", "not valid JSON")
    (full / "config.json").write_text("[]", encoding="utf-8")
    names(call("resume", full).complaint, full / "config.json")
    assert sorted(path.name for path in full.iterdir()) == ["config.json", "mine.txt"]


def test_settings_files(out: Path, tmp_path: Path) -> None:
    def complaint(text: str, suffix: str = "toml") -> str:
        path = lines(tmp_path / f"c.{suffix}", text)
        return refused(out, "srt", "--config", path)

    names(refused(out, "--config", tmp_path / "none.toml"), "none.toml: no such settings file")
    names(refused(out, "--config", tmp_path), tmp_path, "cannot be read as settings")
    names(complaint("rounds = \n"), "c.toml", "line 1")
    names(complaint('{"rounds": 3,}', "json"), "c.json", "line 1 column 14")
    names(complaint("[1]", "json"), "c.json", "expected settings by name")
    names(complaint("group_sise = 4"), "no setting 'group_sise'", "did you mean 'group_size'")
    names(complaint("[optimizer]\nlr = 4"), "no setting 'optimizer.lr'")
    names(complaint('group_size = "many"'), "group_size = 'many'")
    names(complaint("[optimzer]\nlearning_rate = 4"), "no setting 'optimzer'", "did you mean 'optimizer'")


def test_own_recipe_files(out: Path, tmp_path: Path) -> None:
    path = lines(tmp_path / "mine.py", "x = 1")
    names(refused(out, path), path, "exactly one class declared with @recipe or @variation, found 0")


def test_eval_and_sample_and_base(model: Path, tmp_path: Path) -> None:
    unanswered = lines(tmp_path / "t.jsonl", '{"prompt": "1+1="}')
    names(call("eval", model, "--tasks", unanswered, "--samples", 1).complaint, unanswered, "no task has a gold answer")
    answered = lines(tmp_path / "a.jsonl", *GOOD)
    names(call("eval", model, "--tasks", answered, "--verifier", "exat", "--max-tokens", 8).complaint, "verifier = 'exat'")
    names(call("eval", model, "--tasks", answered, "--max-tokens", 96).complaint, "context of 96")
    names(call("eval", tmp_path / "nowhere", "--tasks", answered).complaint, "nowhere: no such model folder")
    names(call("sample", model, "Ä").complaint, "vocabulary lacks 'Ä'")
    names(call("base", "chain-goood").complaint, "no base 'chain-goood'", "did you mean 'chain-good'")
    for arguments in (
        ("eval", model, "--tasks", answered, "--max-tokens", 0),
        ("eval", model, "--tasks", answered, "--limit", 0),
        ("sample", model, "1", "-n", 0),
    ):
        found = call(*arguments)
        assert found.status == 2 and "greater than or equal to 1" in " ".join(found.err.replace("│", " ").split()), found


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("--model", "chain-mediun"), ["chain-mediun: neither a folder nor a model", "did you mean 'chain-medium'"]),
        (("--model", "nobody/no-such-model"), ["nobody/no-such-model: neither a folder nor a model"]),
        (("--tasks", "chian"), ["chian: no data set", "did you mean 'chain'"]),
        (("--tasks", "nobody/no-such-data"), ["nobody/no-such-data: no data set of that name"]),
    ],
)  # fmt: skip
def test_names_that_the_hub_would_have_to_know_offline(arguments: tuple[str, ...], parts: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "autotelic", "run", "srt", "--dry-run", *arguments]
    environment = ENVIRONMENT | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "home")}
    found = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr.startswith("error: ") and found.stderr.count("\n") == 1, found.stderr
    names(found.stderr, *parts)
    assert not (tmp_path / "runs").exists()


def test_a_tokenizer_that_never_ends_is_refused(tokenizer: Tokenizer, model: Path, out: Path, tmp_path: Path) -> None:
    for file, key in (("tokenizer_config.json", "eos_token"), ("config.json", "eos_token_id"), ("generation_config.json", "eos_token_id")):
        config = json.loads((model / file).read_text(encoding="utf-8"))
        del config[key]
        (model / file).write_text(json.dumps(config), encoding="utf-8")
    path = lines(tmp_path / "t.jsonl", *GOOD)
    names(refused(out, "srt", "--model", model, "--tasks", path, *SMALL), model, "no end-of-sequence token")
