"""The compiled native engine (`engine.cpp`) as a library with typed functions."""

import ctypes
from functools import cache
from pathlib import Path

from autotelic.native.build import compiled


@cache
def library(tuning: str | None = None) -> ctypes.CDLL:
    """The compiled engine; see `compiled`."""
    loaded = compiled(Path(__file__).with_name("engine.cpp"), tuning)
    loaded.autotelic_model.restype = ctypes.c_void_p
    loaded.autotelic_free.argtypes = [ctypes.c_void_p]
    loaded.autotelic_free.restype = None
    loaded.autotelic_hash.argtypes = [ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64]
    loaded.autotelic_hash.restype = ctypes.c_uint64
    loaded.autotelic_generate.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    return loaded
