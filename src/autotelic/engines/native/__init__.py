"""The native CPU engine: C++ compiled on first use, with the interface and the random streams of the torch engine. Not a trainer."""

from autotelic.engines.native.engine import NativeEngine, available, supports

__all__ = ["NativeEngine", "available", "supports"]
