"""The committed results of the speed benchmarks as Markdown tables, for `python docs/fill.py`. It measures nothing."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.common import RESULTS


def tables(name: str) -> str:
    """The tables of one benchmark, and what they were measured on."""
    report = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return "\n".join([*_MAKERS[name](report), "", measured_on(report), ""])


def measured_on(report: dict[str, Any]) -> str:
    """Machine and versions in a line."""
    machine = report["machine"]
    versions = ", ".join(f"{package} {number}" for package, number in report["versions"].items() if number != "absent")
    return f"Measured on {machine['cores']} cores of {machine['cpu']} ({machine['capability']}), {machine['memory_gib']} GiB; {versions}."


def lines_of(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """A Markdown table."""
    return [
        f"| {' | '.join(columns)} |", "|---|" + "---:|" * (len(columns) - 1),
        *("| " + " | ".join(_text(value) for value in row) + " |" for row in rows),
    ]  # fmt: skip


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return str(value)


def _range(found: dict[str, Any]) -> str:
    return f"{_text(float(found['least']))} to {_text(float(found['most']))}"


def _rollout(report: dict[str, Any]) -> list[str]:
    rows = []
    for result in report["results"]:
        for system, rate in result["tokens_per_second"].items():
            share = result["share_of_gemm_peak"].get(system.removeprefix("native "))
            label = f"{result['model']}, {result['threads']} thread{'s' * (result['threads'] > 1)}"
            ratio = f"{result['times_generate'][system]:.2f}"
            rows.append((label, system, float(rate["median"]), _range(rate), ratio, f"{share:.0%}" if share and system.startswith("native") else ""))
    return lines_of(("model", "system", "tokens/s", "least to most", "x generate", "of the GEMM peak"), rows)


def _step(report: dict[str, Any]) -> list[str]:
    rows = []
    for result in report["results"]:
        for system, taken in result["seconds_per_step"].items():
            times, rollouts = result["times_as_fast_as_trl"][system], result["seconds_of_rollouts"].get(system)
            label = f"{result['model']}, {result['threads']} thread{'s' * (result['threads'] > 1)}"
            of_it = float(rollouts["median"]) if rollouts else ""
            rows.append((label, system, float(taken["median"]), _range(taken), f"{times['median']:.2f}", _range(times), of_it))
    return lines_of(("model", "system", "s a step", "least to most", "x TRL", "of pairs", "rollouts, s"), rows)


def _learn(report: dict[str, Any]) -> list[str]:
    rows = []
    for result in report["results"]:
        rates = result["completion_tokens_per_second"]
        base = next(iter(rates.values()))["median"]
        rows += [(result["model"], name, float(rate["median"]), _range(rate), f"{rate['median'] / base:.2f}") for name, rate in rates.items()]
    return lines_of(("model", "learner", "completion tokens/s", "least to most", "x padded fp32"), rows)


def _growth(report: dict[str, Any]) -> list[str]:
    rows = []
    for name, row in report["rows"].items():
        if "exponent" in row:
            ends = [list(row["points"].items())[place] for place in (0, -1)]
            spans = [" to ".join(_text(float(point[part])) for _, point in ends) for part in ("sample", "learn", "peak_mib")]
            fits = ", ".join(f"{part} {fit:.2f}" for part, fit in row["exponent"].items())
            rows.append((name, " to ".join(size for size, _ in ends), *spans, f"{fits} (of {row['against']})"))
    table = lines_of(("what grows", "from, to", "sampling, s", "learning, s", "peak, MiB", "seconds grow as the power"), rows)
    pool = [
        (size, *(float(point[part]) for part in ("fill", "first_draw", "draw", "peak_mib")))
        for size, point in report["rows"]["pool"]["points"].items()
    ]
    table += ["", *lines_of(("tasks in the pool", "filling, s", "first draw, s", "draw of 32, s", "peak, MiB"), pool)]
    return [*table, "", f"Share of the framework's own time in a round of `srt` with 0.9 M parameters: {report['rows']['own']['own_share']:.1%}."]


def _real(report: dict[str, Any]) -> list[str]:
    rows = []
    for name, found in report["systems"].items():
        taken, times, shares = found["seconds_per_step"], found.get("times_as_fast_as_trl"), found.get("share_of_gemm_peak")
        parts = [f"{shares[part]:.0%}" for part in ("sampling", "learning")] if shares else ["", ""]
        cores = float(found["core_seconds"]["median"])
        rows.append(
            (name, float(taken["median"]), _range(taken), f"{times['median']:.2f}" if times else "", cores, f"{found['peak_mib']:,.0f}", *parts)
        )
    columns = ("system", "s a step", "least to most", "x TRL", "core seconds", "peak, MiB", "of the GEMM peak: sampling", "learning")
    return lines_of(columns, rows)


def _torture(report: dict[str, Any]) -> list[str]:
    rows = [("none" if place == "-1" else place, count) for place, count in report["by_round"].items()]
    return [
        f"{report['kills']} kills of {report['runs']} runs of {report['recipes']} of the {report['of']} recipes and variations that do something of their own, "
        f"{report['rounds']} rounds each: {report['runs_that_differ']} runs ended with other bits than the run that was left alone.",
        "",
        *lines_of(("the last round that was written at a kill", "kills"), rows),
    ]


def _viewing(report: dict[str, Any]) -> list[str]:
    told = f"{report['rollouts']:,} rollouts, {report['mib']:.0f} MiB"
    rows = [(f"read once, of {told}", report["read"]), ("a round of 1,000 more", report["round_of_1000"]), ("opened again", report["opened_again"])]
    pages = [(f"page: {name}", float(found["median"])) for name, found in report["pages"].items()]
    return lines_of(("what", "seconds"), [*rows, *pages, ("one rollout, with those around it", float(report["one"]["median"]))])


def _vllm(report: dict[str, Any]) -> list[str]:
    rows = []
    for result in report["results"]:
        label = f"{result['model']}, {result['threads']} thread{'s' * (result['threads'] > 1)}"
        for engine, rate in result["tokens_per_second"].items():
            rows.append((label, engine, float(rate["median"]), _range(rate), f"{result['logprob_gap'][engine]:.1e}"))
    return lines_of(("model", "engine", "tokens/s", "least to most", "gap to the trainer, nats"), rows)


_MAKERS: dict[str, Callable[[dict[str, Any]], list[str]]] = {
    "rollout": _rollout, "step": _step, "learn": _learn, "growth": _growth,
    "real": _real, "torture": _torture, "viewing": _viewing, "vllm": _vllm,
}  # fmt: skip
