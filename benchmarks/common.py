"""What every benchmark shares: machine and versions, medians and spreads, turns, tables, JSON. It measures nothing by itself."""

import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

import torch

import autotelic

RESULTS = Path(__file__).parent / "results"


def machine() -> dict[str, Any]:
    """Processor, cores, memory and operating system of this machine, and its GPU where there is one."""
    found = {
        "cpu": _first("/proc/cpuinfo", "model name") or platform.processor(), "capability": torch.backends.cpu.get_cpu_capability(),
        "cores": os.cpu_count(), "memory_gib": _memory(), "system": platform.platform(), "compiler": _compiler(),
    }  # fmt: skip
    return found | ({"gpu": torch.cuda.get_device_name()} if torch.cuda.is_available() else {})


def versions(*packages: str) -> dict[str, str]:
    """Installed versions of Python, torch, transformers, numpy, autotelic and of further `packages`; "absent" where not installed."""
    found = {name: _version(name) for name in ("torch", "transformers", "numpy", *packages)}
    return {"python": platform.python_version(), "autotelic": autotelic.__version__, **found}


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Median, least, most and all values of repeated measurements."""
    return {"median": median(values), "least": min(values), "most": max(values), "runs": list(values)}


def seconds(work: Callable[[], object]) -> float:
    """Wall-clock seconds of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def peak_memory() -> float:
    """MiB: the most that this process has held since its program began."""
    if peak := _first("/proc/self/status", "VmHWM"):  # of this program alone, where `getrusage` has what held the process before it
        return int(peak.split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)


def finish(device: torch.device) -> None:
    """Wait until a GPU has done what it was asked to do; nothing elsewhere."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def take_turns(systems: Mapping[str, Callable[[], float]], repeats: int) -> dict[str, list[float]]:
    """Call every system once, then all again, `repeats` times, so that other load on the machine falls on all alike."""
    found: dict[str, list[float]] = {name: [] for name in systems}
    for _ in range(repeats):
        for name, system in systems.items():
            found[name].append(system())
    return found


def gemm_peak(dtype: torch.dtype, size: int = 512, tries: int = 20) -> float:
    """FLOP per second of torch's matrix product at M = N = K = `size`, with as many threads as torch now uses: the best of some tries."""
    a, b = torch.randn(size, size).to(dtype), torch.randn(size, size).to(dtype)
    return max(2 * size**3 / seconds(lambda: torch.mm(a, b)) for _ in range(tries))


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Plain text: the first column to the left, the others to the right."""
    cells = [[_cell(value) for value in row] for row in (columns, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    lines = [row[0].ljust(widths[0]) + "".join("  " + cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)) for row in cells]
    return "\n".join([title, *lines])


def write(name: str, report: Mapping[str, Any], out: Path | None = None) -> Path:
    """Write a report as JSON to `out`, else to benchmarks/results/NAME.json."""
    path = out or RESULTS / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return path


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return str(value)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def _first(path: str, start: str) -> str | None:
    """What follows the colon on the first line of a file that begins with `start`."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(start)), None)


def _memory() -> float | None:
    found = _first("/proc/meminfo", "MemTotal")
    return round(int(found.split()[0]) / 2**20, 1) if found else None


def _compiler() -> str | None:
    from autotelic.native import build

    try:
        found = subprocess.run([build.compiler(), "--version"], capture_output=True, text=True, check=True)
    except (build.BuildError, OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.splitlines()[0]
