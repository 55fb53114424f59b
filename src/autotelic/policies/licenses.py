"""Under which license a model says that it is: in the head of its README, in its GGUF file, on the Hub. Nothing here reads a license's text."""

import re
from contextlib import suppress
from pathlib import Path

from autotelic.errors import DataError
from autotelic.jsonfiles import check_regular

CARD = "README.md"
LONGEST = 1 << 20
"""Characters of a README that are looked at."""
HEAD = re.compile(r"\A\ufeff?---\s*\n(.*?)\n---\s*(?:\n|\Z)", re.DOTALL)
LINE = re.compile(r"(?m)^license:[ \t]*[\"']?([\w.+-]+)[\"']?[ \t\r]*$")


def license_of(source: str) -> str | None:
    """The identifier, such as "apache-2.0", that a model folder, a GGUF file or a name on the Hub states; None where it states none that is known."""
    path = Path(source)
    with suppress(DataError, OSError, ValueError):
        if path.is_file():
            return of_gguf(path)
        readme = path / CARD if path.is_dir() else on_hub(source)
        if readme is not None and readme.exists():
            check_regular(readme)
            with readme.open(encoding="utf-8", errors="replace") as file:
                return in_head(file.read(LONGEST))
    return None


def in_head(text: str) -> str | None:
    """The license in the YAML head of a README."""
    head = HEAD.match(text)
    found = LINE.search(head[1]) if head else None
    return found[1].lower() if found else None


def of_gguf(path: Path) -> str | None:
    """What a GGUF file says under `general.license`."""
    from autotelic.policies.gguf import facts

    found = facts(path)[0].get("general.license")
    return str(found).lower() if found else None


def on_hub(name: str) -> Path | None:
    """The local copy of a README on the Hub, fetched if need be; None where there is none to be had."""
    from huggingface_hub import hf_hub_download

    with suppress(Exception):  # Of the Hub, of the network, or of the name: a license is not worth a run.
        return Path(hf_hub_download("/".join(name.split("/")[:2]), CARD))
    return None
