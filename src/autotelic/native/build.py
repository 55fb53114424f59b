"""Compiles C++ sources with the system's compiler on first use and keeps the libraries in the user's cache. Knows nothing of models."""

import ctypes
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from hashlib import blake2b
from pathlib import Path

from autotelic.caching import cache_folder
from autotelic.errors import AutotelicError

FLAGS = ("-std=c++17", "-O3", "-fPIC", "-shared", "-pthread")
VECTORS = Path(__file__).with_name("vectors.h")
"""What every source may include."""
TUNINGS = ("-march=native", "-mcpu=native", "")
"""Tried in this order: not every compiler knows the first on every machine."""


class BuildError(AutotelicError):
    """The native engine cannot be built here; the torch engine does the same, slower."""


def compiled(source: Path, tuning: str | None = None) -> ctypes.CDLL:
    """The library of a C++ source, built if the cache folder lacks it.

    tuning: flags that choose the machine, such as '-march=x86-64'; None tries the machine at hand.
    Environment: CXX names the compiler, AUTOTELIC_CACHE or XDG_CACHE_HOME moves the cache.

    Raises:
        BuildError: no compiler, it failed, or the library cannot be loaded; the message says which.
    """
    program = compiler()
    reason = ""
    for flags in TUNINGS if tuning is None else (tuning,):
        try:
            return _load(_built(source, program, [*FLAGS, *shlex.split(flags)]))
        except BuildError as error:
            reason = reason or str(error)
    raise BuildError(reason)


def compiler() -> str:
    """The path of the C++ compiler: CXX if set, else the first found of c++, g++ and clang++."""
    asked = os.environ.get("CXX")
    for name in [asked] if asked else ["g++", "clang++", "c++"]:
        path = shutil.which(name)
        if path:
            return path
    raise BuildError(f"the native engine needs a C++ compiler; {f'CXX={asked} was not found' if asked else 'neither g++ nor clang++ was found'}")


def _built(source: Path, program: str, flags: list[str]) -> Path:
    """The library for this source, compiler, machine and flags: from the cache, or compiled into it."""
    version = _run([program, "--version"]).stdout
    parts = (source.read_text(encoding="utf-8"), VECTORS.read_text(encoding="utf-8"), program, version, _machine(), flags)
    folder = cache_folder()
    target = folder / f"native-{blake2b(repr(parts).encode(), digest_size=12).hexdigest()}.so"
    if target.exists():
        return target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:  # same file system, so that the move below is atomic
            made = Path(scratch) / "native.so"
            done = _run([program, *flags, f"-I{VECTORS.parent}", str(source), "-o", str(made)])
            if done.returncode:
                raise BuildError(f"{program} could not build the native engine: {_first_error(done.stderr)}")
            made.replace(target)
    except OSError as error:
        raise BuildError(f"the native engine cannot be written to {folder}: {error}") from error
    return target


def _run(command: list[str]) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=300)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildError(f"{command[0]} could not be run: {error}") from error


def _first_error(text: str) -> str:
    lines = text.strip().splitlines() or ["no message"]
    return next((line for line in lines if "error" in line), lines[-1]).strip()


def _machine() -> str:
    """What '-march=native' depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    return "\n".join(sorted({line for line in lines if line.startswith(("model name", "flags", "Features", "CPU part"))}))


def _load(path: Path) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise BuildError(f"the native engine at {path} cannot be loaded: {error}") from error
