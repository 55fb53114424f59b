"""The commands beside `run`, and how settings reach it: files, dotted overrides, --dry-run."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from math import comb
from pathlib import Path
from typing import Any

import pytest
from command import call
from complaints import ENVIRONMENT, lines, names

from autotelic.policies.policy import Policy
from autotelic.runs.settings import resolve
from autotelic.systems.registry import recipes

RUN = ("srt", "pool_size=24", "probe_size=6", "probe_samples=2", "tasks_per_round=4", "group_size=4")
CATALOGUE = {145, 295, 34, 353, 81, 0, 161, 117, 149, 223}


def listing(folder: Path) -> dict[str, int]:
    """Everything below a folder, with the time of its last change."""
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in sorted(folder.rglob("*"))}


def dry(*arguments: object) -> dict[str, Any]:
    """The resolved config of `run ARGUMENTS --dry-run`."""
    found = call("run", *arguments, "--dry-run")
    assert (found.status, found.err) == (0, ""), found
    config: dict[str, Any] = json.loads(found.out)
    return config


def test_recipes_lists_every_system() -> None:
    listed = json.loads(call("recipes", "--json").out)
    assert [row["name"] for row in listed] == list(recipes())
    for row in listed:
        assert isinstance(row["name"], str) and isinstance(row["family"], str) and isinstance(row["paper"], str)
        assert all(isinstance(number, int) for number in row["catalogue"])
        assert row["replicated"] in ("yes", "partly", "no", None)
    assert {number for row in listed for number in row["catalogue"]} >= CATALOGUE
    assert {"random-reward", "format-only", "entropy-only", "supervised"} <= {row["name"] for row in listed if row["family"] == "controls"}
    text = call("recipes").out
    assert all(row["name"] in text and row["line"] in text and row["system"] in text for row in listed)


def test_a_dry_run_prints_the_config_and_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    about = recipes()["srt"].about
    config = dry(*RUN, "--rounds", 7, "--seed", 5, "--engine", "torch", "--out", "there")
    assert listing(tmp_path) == {}
    assert (config["recipe"]["name"], config["run"]["seed"], config["engine"]) == ("srt", 5, "torch")
    assert (config["run"]["model"], config["run"]["tasks"]) == (about.model, about.tasks)
    assert (config["recipe"]["settings"]["rounds"], config["recipe"]["settings"]["group_size"]) == (7, 4)
    assert config["run"]["probe_size"] == config["probe"]["tasks"] == 6
    assert config["run"]["out"] == "there" and config["pool"] == 24


def test_a_run_keeps_the_config_that_the_dry_run_printed(tmp_path: Path) -> None:
    arguments = (*RUN, "--rounds", 0, "--out", tmp_path / "run")
    printed = dry(*arguments)
    assert call("run", *arguments).status == 0
    assert json.loads((tmp_path / "run" / "config.json").read_text(encoding="utf-8")) == printed


@pytest.mark.parametrize("suffix", ["toml", "json"])
def test_settings_from_a_file_under_options_and_overrides(suffix: str, tmp_path: Path) -> None:
    table = {"recipe": "srt", "pool_size": 24, "probe_size": 6, "group_size": 4, "rounds": 9, "optimizer": {"learning_rate": 0.5, "warmup": 3}}
    rows = [f"{name} = {json.dumps(value)}" for name, value in table.items() if name != "optimizer"]
    text = "\n".join([*rows, "[optimizer]", "learning_rate = 0.5", "warmup = 3"]) if suffix == "toml" else json.dumps(table)
    path = lines(tmp_path / f"c.{suffix}", text)
    config = dry("--config", path)
    assert (config["recipe"]["name"], config["recipe"]["settings"]["rounds"], config["run"]["pool_size"]) == ("srt", 9, 24)
    config = dry("--config", path, "--rounds", 2, "--seed", 8)
    assert (config["recipe"]["settings"]["rounds"], config["run"]["seed"]) == (2, 8)
    config = dry("group_size=6", "optimizer.warmup=4", "--config", path)
    assert config["recipe"]["settings"]["group_size"] == 6
    assert config["recipe"]["settings"]["optimizer"] | {"learning_rate": 0.5, "warmup": 4} == config["recipe"]["settings"]["optimizer"]
    assert dry("raft", "--config", path)["recipe"]["name"] == "raft"


def test_an_override_of_one_nested_setting_keeps_the_recipe_s_other_defaults() -> None:
    """Not those of the group's class: Intuitor's KL term, the length of completions and easy-to-hard's betas must survive."""
    for name, override, kept in [
        ("intuitor", {"objective": {"clip_low": 0.1}}, "objective"),
        ("lmsi", {"sampling": {"temperature": 0.9}}, "sampling"),
        ("easy-to-hard", {"optimizer": {"learning_rate": 1e-3}}, "optimizer"),
        ("scpo", {"vote": {"min_share": 0.6}}, "vote"),
    ]:
        default = recipes()[name]().model_dump()[kept]
        changed = resolve({"recipe": name, **override})[1].model_dump()[kept]
        assert changed == default | override[kept] and changed != default, name


def test_values_of_overrides() -> None:
    config = dry(*RUN, "lora.rank=4", "trained=None", "vote.min_share=0.25", "gate.mode=off", "optimizer.betas=[0.8,0.9]", "--rounds", 1)
    assert config["run"]["lora"]["rank"] == 4 and config["run"]["lora"]["alpha"] == 32.0
    assert config["run"]["gate"]["mode"] == "off" and config["run"]["gate"]["max_unparsed"] == 0.9
    assert config["recipe"]["settings"]["trained"] is None
    assert config["recipe"]["settings"]["vote"]["min_share"] == 0.25
    assert config["recipe"]["settings"]["optimizer"]["betas"] == [0.8, 0.9]


def test_resume_goes_on_and_ends_the_same(tmp_path: Path) -> None:
    run, whole = tmp_path / "run", tmp_path / "whole"
    assert call("run", *RUN, "--rounds", 1, "--out", run).status == 0
    found = call("resume", run, "--rounds", 2)
    assert found.status == 0 and found.out.count("verdict:") == 1
    assert [line.split()[1] for line in found.out.splitlines() if re.match(r"round \d+/", line)] == ["2/2"]
    assert call("run", *RUN, "--rounds", 2, "--out", whole).status == 0
    last = "rounds/00002/policy.solver.safetensors"
    assert (run / last).read_bytes() == (whole / last).read_bytes()
    again = call("resume", run, "--rounds", 2)
    assert again.status == 0 and "round 2" not in again.out and "verdict:" in again.out, "a finished run is judged again, not run again"


def test_quiet_prints_the_verdict_once(tmp_path: Path) -> None:
    found = call("run", *RUN, "--rounds", 1, "--out", tmp_path / "run", "--quiet")
    assert found.out.startswith("verdict: ") and "round 1" not in found.out
    word = json.loads((tmp_path / "run" / "verdict.json").read_text(encoding="utf-8"))["word"]
    assert found.out.splitlines()[0] == f"verdict: {word}" and word not in found.out.splitlines()[1:]


def test_report_is_written_again(tmp_path: Path) -> None:
    call("run", *RUN, "--rounds", 1, "--out", tmp_path / "run")
    page = tmp_path / "run" / "report.html"
    before = page.read_text(encoding="utf-8")
    page.unlink()
    assert call("report", tmp_path / "run").out.strip() == str(page)
    assert page.read_text(encoding="utf-8") == before


def test_eval_says_how_good_and_how_sure(tmp_path: Path) -> None:
    arguments = ("eval", "chain-medium", "--tasks", "chain?ops=4-6", "--limit", 60, "--samples", 4)
    found = json.loads(call(*arguments, "--json").out)
    assert (found["judged"], found["without_answer"], found["samples"]) == (60, 0, 4)
    measures = found["measures"]
    assert list(measures) == ["greedy accuracy", "pass@1", "pass@4", "majority@4", "agreement", "overruled"]
    for row in measures.values():
        assert 0 <= row["low"] <= row["value"] <= row["high"] <= 1 and row["low"] < row["high"]
    assert measures["pass@1"]["value"] <= measures["pass@4"]["value"]
    assert sorted(found["slices"]) == ["ops 4", "ops 5", "ops 6"]
    text = call(*arguments).out.splitlines()
    assert text[0] == "chain-medium on 60 tasks of chain?ops=4-6"
    assert text[1] == "greedy, and 4 samples at temperature 1; at most 256 new tokens"
    assert len(text) == 2 + 6 + 3 + 1 + 1 and f"{measures['pass@4']['value']:.3f}" in text[4]
    assert text[-2] == f"{found['truncated']:.0%} of greedy completions ran into the limit on new tokens" and not found["unparsed"]
    assert found == json.loads(call(*arguments, "--json").out)
    assert list(json.loads(call(*arguments[:-1], 0, "--json").out)["measures"]) == ["greedy accuracy"]


def test_eval_of_a_file_with_some_answers_against_a_hand_count(tmp_path: Path) -> None:
    """The answers of the file are the model's own greedy completions for half of the tasks, and wrong for the others."""
    prompts = [f"{i}+1*3-2+7*2-1=" for i in range(8)]
    said = call("sample", "chain-medium", stdin="".join(prompt + "\n" for prompt in prompts)).out.splitlines()
    records = [{"prompt": prompt, "answer": said[i] if i % 2 else "never"} for i, prompt in enumerate(prompts)]
    path = lines(tmp_path / "t.jsonl", *map(json.dumps, records), '{"prompt": "9+9="}')
    found = json.loads(call("eval", "chain-medium", "--tasks", path, "--samples", 3, "--json").out)
    assert (found["judged"], found["without_answer"]) == (8, 1)
    greedy = found["measures"]["greedy accuracy"]
    half = 1.959964 * (8 * 0.25 + 1.959964**2 / 4) ** 0.5 / (8 + 1.959964**2)
    assert greedy == {"value": 0.5, "low": pytest.approx(0.5 - half, abs=1e-5), "high": pytest.approx(0.5 + half, abs=1e-5)}, (
        "Wilson's interval of 4 of 8"
    )


def test_columns_are_named_alike_for_run_eval_and_validate(tmp_path: Path) -> None:
    records = [json.dumps({"question": f"{i}+1=", "label": str(i + 1)}) for i in range(9)]
    path = lines(tmp_path / "t.jsonl", *records)
    columns = ("--prompt-column", "question", "--answer-column", "label", "--verifier", "number")
    config = dry("srt", "--model", "chain-medium", "--tasks", path, *columns, *RUN[1:])
    assert [config["run"][key] for key in ("prompt_column", "answer_column", "verifier")] == ["question", "label", "number"]
    assert json.loads(call("eval", "chain-medium", "--tasks", path, "--samples", 0, "--json", *columns).out)["judged"] == 9
    assert "8 checked, 0 without gold, 0 gold rejected" in call("validate", path, *columns).out
    for command in (("eval", "chain-medium", "--tasks", path), ("validate", path)):
        names(call(*command, *columns[:3], "lable").complaint, "line 1", "no answer column 'lable'", "did you mean 'label'")
        names(call(*command, "--prompt-column", "quetsion").complaint, "line 1", "no column 'quetsion'", "did you mean 'question'")


def test_pass_at_k_is_the_unbiased_estimate() -> None:
    from autotelic.measures.probe import Outcome, ProbeResult
    from autotelic.runs.evaluating import numbers

    right = [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]]
    outcomes = [Outcome(str(i), "", "x", 1.0, ["x"] * 4, [float(v) for v in row], float(i == 1)) for i, row in enumerate(right)]
    found = numbers(ProbeResult(0, 0, outcomes), 2)["measures"]
    expected = [1 - comb(4 - good, 2) / comb(4, 2) for good in (1, 2, 0)]
    assert found["pass@2"]["value"] == pytest.approx(sum(expected) / 3)
    assert found["pass@1"]["value"] == pytest.approx((0.25 + 0.5 + 0) / 3)
    assert found["majority@2"]["value"] == pytest.approx(1 / 3)


def test_sample_from_an_argument_and_from_standard_input() -> None:
    one, two = "3+4*2-5+1*3=", "1+1*7-2*4-9="
    first, second = call("sample", "chain-medium", one), call("sample", "chain-medium", two)
    assert (first.status, first.err) == (0, "") and re.fullmatch(r"[0-9+*;=#-]+\n", first.out)
    many = call("sample", "chain-medium", stdin=f"{one}\r\n{two}\n")
    assert (many.status, many.out, many.err) == (0, first.out + second.out, "")
    drawn, again, other = (call("sample", "chain-medium", one, "-n", 5, "--temperature", 1, "--seed", seed).out for seed in (4, 4, 5))
    assert len(drawn.splitlines()) == 5 and drawn == again != other
    assert call("sample", "chain-medium", one, "--max-tokens", 3).out == first.out[:3] + "\n"


def test_a_base_is_spoken_to_in_plain_text_unless_one_says_chat(policy: Callable[..., Policy], tmp_path: Path) -> None:
    policy(seed=3).save(tmp_path / "model")
    default, raw, chat = (call("sample", tmp_path / "model", "1+1", "--max-tokens", 12, *more).out for more in ((), ("--raw",), ("--chat",)))
    assert default == raw != chat


def test_sample_answers_each_line_as_it_comes() -> None:
    """A person who types at a terminal sees the answer before the next prompt."""
    command = [sys.executable, "-m", "autotelic", "sample", "chain-medium"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as talk:
        assert talk.stdin and talk.stdout
        for prompt in ("3+4*2-5+1*3=", "1+1*7-2*4-9="):
            print(prompt, file=talk.stdin, flush=True)
            assert talk.stdout.readline() == call("sample", "chain-medium", prompt).out
        talk.stdin.close()
    assert talk.returncode == 0


def test_base_lists_and_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from autotelic.bases import specs as bases

    listed = call("base").out
    assert all(re.search(rf"^{name} +autotelic +\d\.\d MB +\d+ s to make ", listed, re.M) for name in bases.BASES)
    assert [row["as_measured"] for row in json.loads(call("base", "--json").out)] == [True] * len(bases.BASES)
    tiny = bases.BaseSpec(name="mini", note="hardly trained", tasks="chain?ops=1", width=16, intermediate=32, layers=1, steps=6, chunk=3, warmup=1)
    monkeypatch.setitem(bases.BASES, "mini", tiny)
    found = call("base", "mini", "--out", tmp_path / "mini")
    assert found.status == 0 and re.findall(r"step (\d)/6 loss \d", found.out) == ["3", "6"]
    assert json.loads((tmp_path / "mini" / "base.json").read_text(encoding="utf-8"))["steps"] == 6
    again = call("base", "mini", "--out", tmp_path / "again")
    assert again.out == found.out
    weights = "model.safetensors"
    assert (tmp_path / "mini" / weights).read_bytes() == (tmp_path / "again" / weights).read_bytes(), "the same spec gives the same weights"
    assert (
        call(
            "run",
            "srt",
            "--model",
            tmp_path / "mini",
            "--dry-run",
            "sampling.max_tokens=16",
            "--tasks",
            "chain?ops=1",
            "pool_size=24",
            "probe_size=4",
        ).status
        == 0
    )


def test_own_recipe_file(tmp_path: Path) -> None:
    path = lines(
        tmp_path / "random.py",
        '"""A recipe of one\'s own."""',
        "from autotelic.learning.advantages import center",
        "from autotelic.learning.objectives import PolicyGradient",
        "from autotelic.systems.base import Recipe, recipe",
        "",
        "",
        '@recipe(name="shortest", system="mine", paper="", family="own", proxy="rewards/short/mean")',
        "class Shortest(Recipe):",
        '    """Short completions are good."""',
        "",
        "    group: int = 4",
        "",
        "    async def round(self, ctx):",
        '        groups = await ctx.sample("solver", ctx.pool.draw(4), n=self.group)',
        "        for group in groups:",
        "            group.reward(short=[-len(rollout.text) for rollout in group])",
        '        ctx.learn("solver", center(groups), PolicyGradient())',
    )
    found = call("run", path, "group=3", "pool_size=24", "probe_size=6", "--rounds", 1, "--out", tmp_path / "run")
    assert found.status == 0 and "shortest | chain-medium | chain" in found.out
    assert call("resume", tmp_path / "run", "--rounds", 2).status == 0
    metrics = [json.loads(line)["metrics"] for line in (tmp_path / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(metrics) == 3 and metrics[2]["rewards/short/mean"] < 0
    names(call("run", path, "grup=3", "--dry-run").complaint, "no setting 'grup'", "did you mean 'group'")
