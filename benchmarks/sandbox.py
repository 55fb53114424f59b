"""Checks of unit tests a second in the sandbox: warm, one and two workers, beside a new sandbox for each program. Written to benchmarks/results/sandbox.json.

python -m benchmarks.sandbox
"""

import argparse
from typing import Any

from autotelic.sandbox import Program, Sandbox
from benchmarks.common import machine, seconds, spread, table, versions, write

PROGRAM = Program("def double(x):\n    return 2 * x\n", ("double(4)", "double('a')", "double([])"))
RIGHT = ("8", "'aa'", "[]")
WAYS = {"one worker": 1, "two workers": 2}


def warm(workers: int, count: int) -> float:
    """Programs a second, after each worker was started."""
    sandbox = Sandbox(workers=workers)
    sandbox.run_all([PROGRAM] * 2 * workers)
    took = seconds(lambda: _all_right(sandbox, count))
    sandbox.close()
    return count / took


def cold(count: int) -> float:
    """Programs a second where each has a sandbox of its own."""

    def each() -> None:
        for _ in range(count):
            sandbox = Sandbox()
            _all_right(sandbox, 1)
            sandbox.close()

    return count / seconds(each)


def _all_right(sandbox: Sandbox, count: int) -> None:
    for result in sandbox.run_all([PROGRAM] * count):
        if result.values != RIGHT:
            raise RuntimeError(f"a check went wrong: {result}")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=5)
    chosen = parser.parse_args(arguments)
    rates: dict[str, list[float]] = {way: [] for way in (*WAYS, "a new sandbox each")}
    for _ in range(chosen.repeats):
        for way, workers in WAYS.items():
            rates[way].append(warm(workers, chosen.count))
        rates["a new sandbox each"].append(cold(max(1, chosen.count // 10)))
    found: dict[str, Any] = {"checks_per_second": {way: spread(values) for way, values in rates.items()}}
    write("sandbox", {**found, "count": chosen.count, "machine": machine(), "versions": versions()})
    rows = [[way, f"{value['median']:.0f}", f"{value['least']:.0f}", f"{value['most']:.0f}"] for way, value in found["checks_per_second"].items()]
    print(table("Checks a second", ["", "median", "least", "most"], rows))


if __name__ == "__main__":
    main()
