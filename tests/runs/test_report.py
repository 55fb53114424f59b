"""The report on synthetic run directories: whole, unfinished, empty, hostile, large; and in a browser where there is one."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from math import exp, isfinite, nan
from pathlib import Path
from typing import Any

import pytest
from small import small

from autotelic.errors import DataError
from autotelic.measures.probe import Outcome, ProbeResult
from autotelic.measures.verdict import judge
from autotelic.runs import loop
from autotelic.runs.page import render, write_report
from autotelic.runs.page_rollouts import visible
from autotelic.runs.plots import Bar, Dot, Series, bar_chart, cloud, heat_map, label, line_chart, ticks
from autotelic.runs.progress import Progress
from autotelic.streams import generator

HOSTILE = "<script>document.title='pwned'</script><img src=x onerror=\"document.title='pwned'\"></pre>\u0000\u202e{{ 7*7 }}\ud800"
SLICES = [f"digits {n}" for n in range(4, 13)]


def chance(digits: int, progress: float) -> float:
    """Accuracy of the synthetic model: a frontier that moves from 6 to 11 digits."""
    return 1 / (1 + exp((digits - 6 - 5 * progress) * 1.6))


def probe(number: int, progress: float, per_slice: int = 24) -> ProbeResult:
    outcomes = []
    for part in SLICES:
        for i in range(per_slice):
            draw = generator("test", part, i).random()
            right = float(draw < chance(int(part.split()[1]), progress))
            share = round(8 * min(1.0, chance(int(part.split()[1]), progress) * (1.3 - 0.6 * draw)))
            votes, entropy = [f"{part}{i}"] * share + [str(j) for j in range(8 - share)], 0.4 * exp(-2 * progress)
            sampled = [1.0] * share + [0.0] * (8 - share)
            answer = f"{part}{i}" if right else f"{draw}"
            outcomes.append(Outcome(f"{part}/{i}", part, answer, right, votes, sampled, float(share > 1), 11.0, False, entropy, f"{part}{i}"))
    return ProbeResult(number, number, outcomes)


def metrics_of(number: int, rounds: int) -> dict[str, float]:
    progress, random = number / max(rounds, 1), generator("metrics", number)
    noise = random.random() * 0.04
    found = probe(number, progress).metrics() | {"seconds/probe": 0.7, "seconds/total": 6.5 + noise}
    if number:
        found |= {
            "reward": 0.6 + 0.3 * progress + noise,
            "rewards/agreement/mean": 0.6 + 0.3 * progress + noise,
            "reward_std": 0.4 - 0.2 * progress + noise,
            "entropy": 0.5 * exp(-2 * progress) + noise,
            "kl": 0.02 * progress + noise / 20,
            "answers/distinct": 0.8 - noise,
            "answers/unparsed": noise / 2,
            "completions/mean_length": 9 + 5 * progress + noise,
            "completions/clipped_ratio": noise / 4,
            "frac_reward_zero_std": 0.2 + 0.4 * progress,
            "sampling/sampling_logp_difference/mean": 2e-6 + noise / 1e5,
            "sampling/sampling_logp_difference/max": 4e-5 + noise / 1e4,
            "loss": nan if number == 3 else 0.3 - 0.2 * progress,
            "grad_norm": 0.5 + noise * 10,
            "frontier": 4.0 + int(7 * progress),
            "label/purity": 1 - 0.06 * progress,
            "label/agreement": 0.7 + noise,
            "label/kept": 0.4 + 0.2 * progress,
            "flips/wrong_to_right": 90 * progress,
            "flips/right_to_wrong": 4 * progress,
            "tokens/sampled": 52_000.0 * number,
            "tokens/trained": 31_000.0 * number,
            "seconds/sample": 2.1,
            "seconds/learn": 3.4,
            "seconds/reward": 0.1,
        }
    return found


def rollout(i: int, **changes: Any) -> dict[str, Any]:
    right = i % 3 == 0
    row = {
        "id": f"r9/solver/{i}",
        "task": f"t{i}",
        "prompt": f"##{i}+{i * 7}=",
        "text": f"{i * 8 if right else i}#",
        "answer": str(i * 8 if right else i),
        "gold": str(i * 8),
        "rewards": {"agreement": float(right), "length": 0.1},
        "advantage": 0.5 if right else -0.5,
        "tokens": 12,
        "stop": "end",
        "role": "solver",
    }
    return row | changes


def make_run(
    folder: Path, rounds: int = 30, *, planned: int = 30, rollouts: list[dict[str, Any]] | None = None, done: bool = True, probed: bool = True
) -> Path:
    """A run directory as the store writes it."""
    folder.mkdir(parents=True, exist_ok=True)
    recipe = {"name": "srt", "system": "SRT", "paper": "arXiv:2505.21444", "family": "label-free", "proxy": "rewards/agreement/mean"}
    config = {
        "autotelic": "0.1",
        "recipe": recipe | {"settings": {"rounds": planned, "optimizer": {"learning_rate": 0.007}}},
        "run": {
            "recipe": "srt",
            "model": "chain-medium",
            "tasks": "addition",
            "out": "runs/a b",
            "probe_size": 216,
            "seed": 1,
            "verifier": "exact",
        },
        "probe": {"tasks": 216, "probe_is_train": False},
        "engine": "native",
        "machine": {"cores": 2, "python": "3.11"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    history = [metrics_of(number, planned) for number in range(rounds + 1)] if rounds >= 0 else []
    if not probed:
        history = [{name: value for name, value in row.items() if not name.startswith("probe/")} for row in history]
    for number, row in enumerate(history):
        write_metrics(folder, number, row)
    rows = [rollout(i) for i in range(1, 40)] if rollouts is None else rollouts
    if rounds > 0:
        (folder / "rounds" / f"{rounds:05d}" / "rollouts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    if probed:
        first, last = probe(0, 0), probe(rounds, rounds / max(planned, 1))
        (folder / "probe").mkdir()
        (folder / "probe" / "first.json").write_text(json.dumps(first.to_json()))
        if done:
            (folder / "probe" / "last.json").write_text(json.dumps(last.to_json()))
            verdict = judge(first, last, history, "rewards/agreement/mean", trained_on_probe=False)
            (folder / "verdict.json").write_text(json.dumps(verdict.to_json()))
    return folder


def write_metrics(folder: Path, number: int, metrics: dict[str, float]) -> None:
    """What the store writes of them; it leaves out what is not finite."""
    path = folder / "rounds" / f"{number:05d}" / "metrics.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"round": number, "metrics": {name: value for name, value in metrics.items() if isfinite(value)}}))


def page(folder: Path) -> str:
    return write_report(folder).read_text(encoding="utf-8")


class Balanced(HTMLParser):
    """Fails on elements that are closed in the wrong order; counts elements."""

    VOID = frozenset({"meta", "br", "line", "circle", "rect", "path", "img", "link"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: dict[str, int] = {}

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen[tag] = self.seen.get(tag, 0) + 1
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        self.seen[tag] = self.seen.get(tag, 0) + 1

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def elements(html: str) -> dict[str, int]:
    parser = Balanced()
    parser.feed(html)
    parser.close()
    assert parser.open == []
    return parser.seen


def test_a_whole_run_has_every_part(tmp_path: Path) -> None:
    html = page(make_run(tmp_path / "run"))
    for part in ("verdict", "facts", "truth", "slices", "learning", "monitors", "samples", "settings"):
        assert f'<section id="{part}">' in html
    assert "The model got better." in html and "digits 12" in html
    assert "<pre>autotelic run srt --seed 1 tasks=addition probe_size=216 rounds=30 optimizer.learning_rate=0.007</pre>" in html
    assert "majority vote of the first weights" in html
    assert elements(html)["svg"] >= 20
    assert "NaN" not in html and "nan" not in re.sub(r"[a-z-]*nan[a-z]+", "", html)


def test_the_page_needs_nothing_from_outside(tmp_path: Path) -> None:
    html = page(make_run(tmp_path / "run"))
    assert not re.search(r"(src|href)\s*=|url\(|@import|<script|<link", html)


@pytest.mark.parametrize(("rounds", "done"), [(-1, False), (0, False), (0, True), (1, True), (2, False), (30, True)])
def test_runs_of_few_rounds_have_a_page(tmp_path: Path, rounds: int, done: bool) -> None:
    html = page(make_run(tmp_path / "run", rounds, done=done))
    elements(html)
    assert ("has not finished" in html) is not done


def test_a_run_without_a_probe_says_so(tmp_path: Path) -> None:
    html = page(make_run(tmp_path / "run", probed=False, done=False))
    elements(html)
    assert "<dt>Probe</dt><dd>none</dd>" in html


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no config\.json"):
        write_report(tmp_path)


def test_hundreds_of_rounds_stay_small(tmp_path: Path) -> None:
    html = page(make_run(tmp_path / "run", 600, planned=600))
    elements(html)
    assert len(html) < 900_000


def test_a_hundred_thousand_rollouts_are_sampled_and_the_extremes_found(tmp_path: Path) -> None:
    rows = [rollout(i, rewards={"agreement": i / 1e5}, prompt=f"prompt-{i}-end") for i in range(100_000)]
    html = page(make_run(tmp_path / "run", rollouts=rows))
    assert "prompt-99999-end" in html and "prompt-0-end" in html
    assert html.count("<details>") < 20 and len(html) < 900_000


def test_model_output_cannot_become_markup(tmp_path: Path) -> None:
    rows = [rollout(1, prompt=HOSTILE, text=HOSTILE, answer=HOSTILE, gold=HOSTILE, rewards={HOSTILE: 1.0}, id=HOSTILE)]
    folder = make_run(tmp_path / "run", rollouts=rows)
    first = json.loads((folder / "probe" / "first.json").read_text())
    first["outcomes"][0]["slice"] = '"><script>1</script>'
    (folder / "probe" / "first.json").write_text(json.dumps(first))
    seen = elements(page(folder))
    assert "script" not in seen and "img" not in seen
    assert "49" not in re.findall(r"<pre>(.*?)</pre>", page(folder), re.DOTALL)[0]


def test_long_text_is_cut_and_control_characters_are_shown() -> None:
    assert visible("a\u0007b\nc") == "a␇b\nc"
    assert visible("x" * 5000).endswith("… (2,000 more characters)")


def test_a_proxy_on_another_scale_gets_its_own_chart(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    for number in range(1, 31):
        write_metrics(folder, number, metrics_of(number, 30) | {"rewards/agreement/mean": 5.0 + number})
    assert "Proxy, on its own scale" in page(folder)


def test_ticks_are_round_and_inside() -> None:
    assert ticks(0, 1) == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert ticks(0, 30, 6) == [0, 5, 10, 15, 20, 25, 30]
    assert ticks(0, 1, whole=True) == [0, 1]
    assert ticks(2.0, 2.0) == [2.0]
    assert all(-0.0013 <= tick <= 0.0042 for tick in ticks(-0.0013, 0.0042))


def test_labels_are_short() -> None:
    assert [label(value) for value in (0, 0.25, 1200, 52_000, 3.1e6, 2e-6)] == ["0", "0.25", "1200", "52k", "3.1M", "2e-6"]


def test_a_line_is_lifted_where_a_value_is_missing() -> None:
    svg = line_chart([Series("a", [0, 1, 2, 3], [0.1, 0.2, nan, 0.3])], name="n", x_label="round", y_label="y")
    path = re.search(r'class="line c1" d="([^"]*)"', svg)
    assert path and path[1].count("M") == 2 and path[1].count("L") == 1
    assert line_chart([Series("a", [0.0], [nan])], name="n", x_label="x", y_label="y") == ""


def test_charts_put_values_where_they_belong() -> None:
    """Plot area of the 480 x 270 chart: 58 to 468 across, 226 up to 10."""
    svg = line_chart([Series("a", [0, 10], [0.0, 1.0])], name="n", x_label="round", y_label="y", y_range=(0, 1))
    assert 'd="M58.0 226.0L468.0 10.0"' in svg
    bars = bar_chart([("row", [Bar("one", 0.5)])], name="n", x_label="x", x_range=(0, 1))
    width = (480 - (26 + 7.6 * 3) - 54) / 2
    assert f'width="{width:.1f}"' in bars
    heat = heat_map(["a"], list(range(500)), [[0.5] * 500], name="n", x_label="round")
    assert heat.count('class="cell"') == 60 and "round 499" in heat


def test_points_lie_where_they_belong() -> None:
    """Both axes hold 0 and have a margin of .08 of the span where there are values: across .0 to .54 on 58 to 468, up 0 to 1.08 on 226 to 10."""
    dots = [Dot("<a>", 0.5, 1.0), Dot("b", 0.25, 0.5, "c2", crossed=True), Dot("c", 0.0, 0.0, open=True), Dot("d", nan, 1.0)]
    svg = cloud(dots, name="n", x_label="x", y_label="y")
    x, y = 58 + 0.5 / 0.54 * 410, 226 - 1.0 / 1.08 * 216
    assert f'<circle class="dot c1" cx="{x:.1f}" cy="{y:.1f}" r="3.5"><title>&lt;a&gt;</title>' in svg
    assert f'<path class="line c2" d="M{58 + 0.25 / 0.54 * 410 - 4:.1f} {226 - 0.5 / 1.08 * 216 - 4:.1f}l8 8m0 -8l-8 8"><title>b</title>' in svg
    assert '<circle class="line c1" cx="58.0" cy="226.0"' in svg and "<title>d</title>" not in svg
    assert f'<path class="line dashed c0" d="M58.0 226.0L468.0 {226 - 0.54 / 1.08 * 216:.1f}"/>' in svg, "where both are equal"
    marked = cloud(dots, name="n", x_label="x", y_label="y", marks=[("near", 0.26), ("left", 0.25)])
    told = re.findall(r'translate\(([0-9.]+) [0-9]+\) rotate\(-40\)">([a-z]+)<', marked)
    assert [name for _, name in told] == ["near", "left"] and float(told[0][0]) == pytest.approx(float(told[1][0]) + 24, abs=0.1)
    assert cloud([dots[-1]], name="n", x_label="x", y_label="y") == ""


BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def browse(folder: Path, scratch: Path, *flags: str) -> str:
    """What headless Chromium writes for the report of a run."""
    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic", "--no-first-run"]
    command = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", *quiet, f"--user-data-dir={scratch}", *flags]
    url = (folder / "report.html").resolve().as_uri()
    return subprocess.run([*command, url], capture_output=True, text=True, timeout=90, check=True).stdout


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
def test_a_browser_shows_the_charts_and_runs_nothing_hostile(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", rollouts=[rollout(1, prompt=HOSTILE, text=HOSTILE, answer=HOSTILE, id=HOSTILE)])
    write_report(folder)
    dom = browse(folder, tmp_path / "profile", "--dump-dom", "--window-size=390,900")
    assert dom.count("<svg") >= 20 and dom.count("</svg>") == dom.count("<svg")
    assert "<title>improved: SRT on addition</title>" in dom
    assert "pwned</title>" not in dom and "<script" not in dom and "<img" not in dom
    assert "&lt;script&gt;" in dom


def test_render_does_not_touch_the_disk(tmp_path: Path) -> None:
    from autotelic.runs.snapshot import read_run

    folder = make_run(tmp_path / "run", 3)
    render(read_run(folder))
    assert not (folder / "report.html").exists()


@pytest.mark.parametrize(("name", "settings"), [("score", {}), ("exit", {"least": 1, "replay": 1.0})])
def test_what_the_model_read_and_what_was_trained_on_is_stored_and_shown(name: str, settings: dict[str, Any], tmp_path: Path) -> None:
    loop.start({**small(name), **settings, "rounds": 2, "out": str(tmp_path / "run"), "gate": {"mode": "off"}}, Progress(quiet=True))
    rows = [json.loads(line) for line in (tmp_path / "run/rounds/00002/rollouts.jsonl").read_text(encoding="utf-8").splitlines()]
    assert all(row["prompt"].startswith("<|begin|>") for row in rows), "the prompt as it was rendered"
    seen = [turn for row in rows for turn in row["turns"] if turn[0] == "observation"]
    assert seen and all(text for _, _, text in seen), "what was shown to it"
    assert all(row["trained"] == (row["weight"] is not None) for row in rows) and any(row["trained"] for row in rows)
    html = (tmp_path / "run/report.html").read_text(encoding="utf-8")
    assert "trained on" in html and '<span class="tag">observation</span>' in html
