"""Keyed random streams: what is drawn depends on a key, never on scheduling or on what was drawn before.

A key is 64 bits made from (seed, round, role, task, sample, ...). Uniform number `i` of a stream is a hash of key and `i`
(SplitMix64), so any engine can compute it for any row at any time, and the native engine does so with the same bits.
"""

import random
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

_GAMMA = 0x9E3779B97F4A7C15


def key(*parts: object) -> int:
    """A 64-bit key from printable `parts`; the same parts give the same key in every process."""
    return int.from_bytes(blake2b(repr(parts).encode(), digest_size=8).digest(), "little")


def uniforms(keys: NDArray[np.uint64], positions: NDArray[np.uint64] | int) -> NDArray[np.float64]:
    """Uniform numbers in [0, 1), one per row: `keys` (B,) uint64, `positions` (B,) or one int; SplitMix64 of both."""
    with np.errstate(over="ignore"):
        z = keys + np.asarray(positions, dtype=np.uint64) * np.uint64(_GAMMA) + np.uint64(_GAMMA)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(11)).astype(np.float64) * 2.0**-53


def generator(*parts: object) -> random.Random:
    """A Python generator that starts from the key of `parts`: for shuffles, choices and made-up tasks."""
    return random.Random(key(*parts))
