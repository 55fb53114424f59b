"""The folder of this user where what is made on first use is kept: compiled code and base models. Nothing is made here."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """`$AUTOTELIC_CACHE`, else `autotelic` in `$XDG_CACHE_HOME` or in `~/.cache`. It may not be there yet."""
    if given := os.environ.get("AUTOTELIC_CACHE"):
        return Path(given).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "autotelic"
