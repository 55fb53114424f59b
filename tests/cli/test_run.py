"""`autotelic run` from outside: without arguments, on the user's own tasks and models, and what it hands over at the end."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from command import call

import autotelic
from autotelic.bases.making import make
from autotelic.bases.places import shipped
from autotelic.bases.specs import BaseSpec
from autotelic.engines.batching import Batcher
from autotelic.engines.torch_engine import TorchEngine
from autotelic.policies.policy import Policy
from autotelic.policies.tokenizer import Tokenizer

SMALL = ("group_size=4", "tasks_per_round=4", "pool_size=24", "probe_size=6", "probe_samples=2", "sampling.max_tokens=8")
EASY = ("labels=16", "wanted=8", "tries=1", "steps=2", "pool_size=64", "probe_size=26", "probe_samples=0", "probe_every=1", "gate.mode=off")
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(autotelic.__file__).parents[1])}
WORDS = ("improved", "unchanged", "worse", "collapsed", "hacked")
CHAT = [{"role": "system", "content": "add"}, {"role": "user", "content": "1+2"}]


@pytest.fixture(scope="module")
def adder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A base for the default recipe: the shipped one, or one that is hardly trained where that is not there."""
    if "addition-4" in shipped():
        return "addition-4"
    folder = tmp_path_factory.mktemp("base") / "adder"
    make(BaseSpec(name="adder", note="", tasks="addition?digits=1-2", width=16, intermediate=32, layers=1, steps=4, warmup=1), folder)
    return str(folder)


def rows(answers: bool, chat: bool, count: int = 24) -> list[dict[str, Any]]:
    """Records in TRL's columns."""
    records = []
    for i in range(count):
        text = f"{i}+{i % 7}="
        prompt: Any = [{"role": "user", "content": text}] if chat else text
        records.append({"prompt": prompt, **({"answer": str(i + i % 7)} if answers else {})})
    return records


def write(path: Path, records: list[dict[str, Any]]) -> Path:
    """A task file in the format of its suffix."""
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in records), encoding="utf-8")
    elif path.suffix == ".csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(records[0]))
            writer.writeheader()
            writer.writerows(records)
    else:
        import pyarrow
        from pyarrow import parquet

        parquet.write_table(pyarrow.Table.from_pylist(records), path)
    return path


@pytest.fixture
def model(policy: Callable[..., Policy], tokenizer: Tokenizer, tmp_path: Path) -> Callable[[str], Path]:
    """`model(kind)`: a folder with a random model of a family, or of GPT-2 written by transformers."""

    def made(kind: str) -> Path:
        folder = tmp_path / kind
        if kind != "gpt2":
            policy(family=kind).save(folder)
            return folder
        from transformers import GPT2Config, GPT2LMHeadModel

        torch.manual_seed(0)
        ids = {"bos_token_id": tokenizer.inner.bos_token_id, "eos_token_id": tokenizer.end_id, "pad_token_id": tokenizer.pad}
        GPT2LMHeadModel(
            GPT2Config(vocab_size=len(tokenizer.inner), n_positions=96, n_embd=24, n_layer=2, n_head=2, initializer_range=0.3, **ids)
        ).save_pretrained(folder)
        tokenizer.save(folder)
        return folder

    return made


def assert_same_logprobs(folder: Path, texts: list[str]) -> None:
    """transformers alone, on what was saved, gives the log-probabilities that the house gives."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    theirs = AutoModelForCausalLM.from_pretrained(folder).eval()
    encoded = AutoTokenizer.from_pretrained(folder)
    ours = Policy.load("saved", folder, Batcher(TorchEngine()))
    for text in texts:
        ids = ours.tokenizer.encode_prompt(text)
        assert ids[1:] == encoded.encode(text, add_special_tokens=False)
        with torch.no_grad():
            logprobs = theirs(torch.tensor([ids])).logits[0].log_softmax(-1)
        expected = logprobs[:-1].gather(1, torch.tensor(ids[1:])[:, None])[:, 0]
        torch.testing.assert_close(ours.scores([ids], [1])[0].logprobs, expected, atol=1e-4, rtol=1e-4)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


def test_without_a_recipe_it_runs_easy_to_hard_and_says_how_it_went(adder: str, tmp_path: Path) -> None:
    found = call("run", "rounds=2", *EASY, "--out", tmp_path / "run", *(() if adder == "addition-4" else ("--model", adder)))
    assert (found.status, found.err) == (0, "")
    lines = found.out.splitlines()
    assert lines[0].startswith("easy-to-hard | ") and "addition" in lines[0]
    assert [line.split()[1] for line in lines if line.startswith("round ")] == ["0/2", "1/2", "2/2"]
    assert all("truth" in line and "frontier" in line and "digits 4..16:" in line for line in lines if line.startswith(("round 1/", "round 2/")))
    assert any(line.startswith("round 1/2") and line.endswith("left") for line in lines)
    assert any(line.startswith(f"verdict: {word}") for line in lines for word in WORDS)
    assert f"report  {tmp_path / 'run' / 'report.html'}" in lines
    html = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "<svg" in html and "http://" not in html.replace("http://www.w3.org/", "") and "<script" not in html
    config = json.loads((tmp_path / "run" / "config.json").read_text(encoding="utf-8"))
    assert config["recipe"]["name"] == "easy-to-hard" and config["recipe"]["settings"]["rounds"] == 2
    assert config["recipe"]["settings"]["labels"] == 16 and config["run"]["probe_size"] == 26


def test_as_its_own_process_it_makes_a_run_directory_of_its_own(adder: str, tmp_path: Path) -> None:
    model = () if adder == "addition-4" else ("--model", adder)
    command = [sys.executable, "-m", "autotelic", "run", "rounds=1", *EASY, *model]
    found = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=120)
    assert (found.returncode, found.stderr) == (0, "")
    (made,) = (tmp_path / "runs").iterdir()
    assert made.name.startswith("easy-to-hard-seed0-")
    assert str(Path("runs") / made.name / "report.html") in found.stdout
    assert (made / "verdict.json").is_file() and (made / "report.html").is_file()
    assert "\x1b" not in found.stdout, "no control codes where no terminal reads them"


@pytest.mark.parametrize(
    ("kind", "file", "chat", "answers", "more"),
    [
        ("llama", "tasks.jsonl", False, True, ()),
        ("qwen2", "tasks.csv", False, False, ()),
        ("qwen3", "tasks.parquet", True, True, ()),
        ("gpt2", "tasks.jsonl", True, False, ()),
        ("llama", "tasks.parquet", True, False, ("lora.rank=4",)),
        ("qwen2", "tasks.jsonl", False, True, ("lora.rank=2", "lora.targets=[\"q_proj\",\"up_proj\"]")),
        ("gpt2", "tasks.csv", False, True, ("engine=torch",)),
    ],
)  # fmt: skip
def test_own_model_on_own_tasks(
    kind: str, file: str, chat: bool, answers: bool, more: tuple[str, ...], model: Callable[[str], Path], tmp_path: Path
) -> None:
    source, out = model(kind), tmp_path / "run"
    tasks = write(tmp_path / file, rows(answers, chat))
    found = call("run", "srt", "--model", source, "--tasks", tasks, "--rounds", 2, "--out", out, *SMALL, "gate.mode=off", *more)
    assert found.status == 0, found
    verdict = json.loads((out / "verdict.json").read_text(encoding="utf-8"))
    assert verdict["word"] in WORDS if answers else verdict["word"] == "unknown"
    assert f"verdict: {verdict['word']}" in found.out
    saved = out / ("rejected" if verdict["word"] in ("worse", "collapsed", "hacked") else "model")
    assert_same_logprobs(saved, ["3+4=", "12+5=17", "add 7"])
    before, after = weights(source), weights(saved)
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed, "two rounds of training must change the weights"
    if "lora.rank=4" in more:
        assert_peft_agrees(source, saved)
    if "lora.rank=2" in more:
        assert {name.split(".")[-2] for name in changed} == {"q_proj", "up_proj"}


def assert_peft_agrees(base: Path, saved: Path) -> None:
    """PEFT puts the adapter that was saved on the base, and gets the merged model."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    adapted = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), saved / "adapter").eval()
    merged = AutoModelForCausalLM.from_pretrained(saved).eval()
    tokens = torch.arange(5, 25)[None]
    with torch.no_grad():
        torch.testing.assert_close(adapted(tokens).logits, merged(tokens).logits, atol=1e-4, rtol=1e-4)


def test_an_adapter_that_peft_wrote_is_trained_further(model: Callable[[str], Path], tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    base, adapter, out = model("qwen3"), tmp_path / "adapter", tmp_path / "run"
    config = LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM", init_lora_weights=False)
    get_peft_model(AutoModelForCausalLM.from_pretrained(base), config).save_pretrained(adapter)
    tasks = write(tmp_path / "tasks.jsonl", rows(answers=True, chat=False))
    found = call("run", "srt", "--model", adapter, "--tasks", tasks, "--rounds", 1, "--out", out, *SMALL, "gate.mode=off")
    assert found.status == 0, found
    saved = next(folder for folder in (out / "model", out / "rejected") if folder.exists())
    assert_same_logprobs(saved, ["3+4="])
    assert_peft_agrees(base, saved)
    again = call("run", "srt", "--model", saved / "adapter", "--tasks", tasks, "--rounds", 1, "--out", tmp_path / "again", *SMALL)
    assert again.status == 0, again


def test_messages_completions_and_other_answer_columns(model: Callable[[str], Path], tmp_path: Path) -> None:
    """TRL's conversational data sets, and an answer under another name."""
    records = [{"messages": [*CHAT[:1], {"role": "user", "content": f"{i}+1"}, {"role": "assistant", "content": str(i + 1)}]} for i in range(12)]
    tasks, source = write(tmp_path / "chat.jsonl", records), model("llama")
    assert call("run", "srt", "--model", source, "--tasks", tasks, "--rounds", 1, "--out", tmp_path / "a", *SMALL).status == 0
    records = [{"question": f"{i}+1=", "gold": i + 1} for i in range(12)]
    tasks = write(tmp_path / "named.jsonl", records)
    names = ("prompt_column=question", "answer_column=gold", "verifier=number")
    found = call(
        "run",
        "supervised",
        "--model",
        source,
        "--tasks",
        tasks,
        "--rounds",
        1,
        "--out",
        tmp_path / "b",
        "probe_size=2",
        "sampling.max_tokens=8",
        *names,
    )
    assert found.status == 0, found
    assert json.loads((tmp_path / "b" / "verdict.json").read_text(encoding="utf-8"))["word"] in WORDS


def test_a_data_set_that_datasets_saved_and_a_probe_of_its_own(model: Callable[[str], Path], tmp_path: Path) -> None:
    import datasets

    datasets.Dataset.from_list(rows(answers=False, chat=False)).save_to_disk(str(tmp_path / "saved"))
    held = write(tmp_path / "held.csv", [{"prompt": f"{i}+90=", "answer": str(i + 90)} for i in range(5)])
    found = call(
        "run", "srt", "--model", model("llama"), "--tasks", tmp_path / "saved", "--probe", held, "--rounds", 1, "--out", tmp_path / "run", *SMALL
    )
    assert found.status == 0, found
    config = json.loads((tmp_path / "run" / "config.json").read_text(encoding="utf-8"))
    assert config["pool"] + 2 == 24 and config["probe"]["tasks"] == 5 and config["probe"]["probe_is_train"] is False
    assert json.loads((tmp_path / "run" / "verdict.json").read_text(encoding="utf-8"))["word"] in WORDS


def test_a_probe_that_is_trained_on_is_named(model: Callable[[str], Path], tmp_path: Path) -> None:
    tasks = write(tmp_path / "tasks.jsonl", rows(answers=True, chat=False))
    found = call("run", "srt", "--model", model("llama"), "--tasks", tasks, "--probe", tasks, "--rounds", 1, "--out", tmp_path / "run", *SMALL)
    assert "The probe's tasks were trained on" in found.out


@pytest.mark.parametrize("name", sorted(shipped()))
def test_shipped_bases_load_with_transformers(name: str) -> None:
    from transformers import AutoTokenizer

    folder = shipped()[name]
    encoded = AutoTokenizer.from_pretrained(folder)
    assert encoded.apply_chat_template([{"role": "user", "content": "1"}], tokenize=False, add_generation_prompt=True) == "user:1\nassistant:"
    spec = json.loads((folder / "base.json").read_text(encoding="utf-8"))
    from autotelic.worlds import GeneratedWorld, open_world

    world = open_world(spec["tasks"])
    assert isinstance(world, GeneratedWorld)
    for task in world.tasks(20, seed=5, split="validation"):
        text = world.gold(task) if hasattr(world, "open") else f"{task.prompt}{world.gold(task)}"
        assert encoded.decode(encoded.encode(text, add_special_tokens=False)) == text
    assert_same_logprobs(folder, [text])
    assert (folder / "model.safetensors").stat().st_size < 5_000_000
