"""Keyed random numbers: the same in every process, independent of what else is drawn, uniform."""

import subprocess
import sys

import numpy as np
import pytest

from autotelic.streams import generator, key, uniforms


def test_keys_are_the_same_in_every_process() -> None:
    code = "from autotelic.streams import key; print(key(3, 'solver', 'task-1', 0.5, None, (1, 2)))"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "7", "PYTHONPATH": ":".join(sys.path)}
    )
    assert int(found.stdout) == key(3, "solver", "task-1", 0.5, None, (1, 2))


def test_keys_depend_on_every_part_and_its_place() -> None:
    parts = [(1, 2), (2, 1), (12,), ("1", 2), (1, 2, ""), (1, 2, None), ()]
    assert len({key(*part) for part in parts}) == len(parts)
    assert all(0 <= key(i) < 2**64 for i in range(100))


def test_numbers_are_those_of_splitmix64() -> None:
    # The generator's published outputs for seed 1234567 (Vigna, prng.di.unimi.it).
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821]
    found = uniforms(np.array([1234567], dtype=np.uint64), np.arange(5, dtype=np.uint64))
    assert found.tolist() == [(number >> 11) * 2.0**-53 for number in published]


def test_numbers_of_a_row_do_not_depend_on_the_other_rows() -> None:
    keys = np.array([key(i) for i in range(50)], dtype=np.uint64)
    together = uniforms(keys, 7)
    assert together.tolist() == [float(uniforms(keys[i : i + 1], 7)[0]) for i in range(50)]
    assert uniforms(keys, np.full(50, 7, dtype=np.uint64)).tolist() == together.tolist()


@pytest.mark.parametrize("along", ["keys", "positions"])
def test_numbers_are_uniform(along: str) -> None:
    count = 40_000
    if along == "keys":
        found = uniforms(np.array([key("u", i) for i in range(count)], dtype=np.uint64), 3)
    else:
        found = uniforms(np.full(count, key("u"), dtype=np.uint64), np.arange(count, dtype=np.uint64))
    assert found.min() >= 0 and found.max() < 1
    cells = np.bincount((found * 20).astype(int), minlength=20)
    assert float(((cells - count / 20) ** 2 / (count / 20)).sum()) < 43.82  # chi-square, 19 degrees of freedom, 99.9%
    assert abs(float(np.corrcoef(found[:-1], found[1:])[0, 1])) < 0.02


def test_generators_start_from_their_key() -> None:
    assert generator("a", 1).random() == generator("a", 1).random() != generator("a", 2).random()
