"""Where each base model is: in this package, in another one, in the user's cache, or nowhere yet. Nothing is made here, and no weights are loaded."""

import json
from hashlib import blake2b
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from autotelic.bases.specs import BASES, BaseSpec
from autotelic.caching import cache_folder
from autotelic.entries import load, package, points
from autotelic.errors import DataError
from autotelic.policies.folder import CONFIG, headers

SHIPPED = Path(str(files("autotelic"))) / "bases" / "shipped"
"""One model folder per base that comes with this package, in Hugging Face layout, with a file SPEC: all of them in a checkout, few in a wheel."""
SPEC = "base.json"
"""The spec of a base, in its folder."""
GROUP = "autotelic.bases"
"""Entry points of other packages: the name is that of a base, the value a module in whose folder the base has one of its own name."""
HERE, CACHE = "autotelic", "cache"


class Place(NamedTuple):
    """A base that is at hand."""

    folder: Path
    where: str
    """HERE, the name of another package, or CACHE."""


def shipped() -> dict[str, Path]:
    """Folders of the bases that come with this package, by name."""
    return {path.name: path for path in sorted(SHIPPED.iterdir()) if (path / CONFIG).exists()} if SHIPPED.is_dir() else {}


def known() -> list[str]:
    """Names of all bases: those of this package, at hand or not, then those that other packages add."""
    return list(dict.fromkeys([*BASES, *shipped(), *points(GROUP)]))


def place(name: str) -> Place | None:
    """Where a base is at hand: in this package, else in another one, else in the cache; None where it is nowhere, or `name` is none.

    Raises:
        SettingError: another package's entry point of that name cannot be loaded.
    """
    if name in (here := shipped()):
        return Place(here[name], HERE)
    spec = BASES.get(name)
    if name in points(GROUP) and fits(theirs := packaged(name), spec):
        return Place(theirs, package(points(GROUP)[name]))
    if spec is not None and fits(made := cached(spec), spec):
        return Place(made, CACHE)
    return None


def base_folder(name: str) -> Path | None:
    """The folder of a base that is at hand; None where there is none of that name."""
    found = place(name)
    return found.folder if found else None


def packaged(name: str) -> Path:
    """The folder of a base in another package. It need not be there."""
    return Path(str(files(load(GROUP, name, "base")))) / name


def cached(spec: BaseSpec) -> Path:
    """The folder of a base in the cache, made or not: another spec has another folder."""
    return cache_folder() / "bases" / f"{spec.name}-{blake2b(json.dumps(what_makes(spec)).encode(), digest_size=5).hexdigest()}"


def what_makes(spec: BaseSpec) -> dict[str, object]:
    """What of a spec makes the weights: all but the note, without what is the default."""
    return spec.model_dump(mode="json", exclude={"note"}, exclude_defaults=True)


def fits(folder: Path, spec: BaseSpec | None) -> bool:
    """Whether a folder holds a whole base that was made by this spec; None: by any, or by none that is told."""
    try:
        headers(folder)
        return (folder / CONFIG).exists() and (spec is None or what_makes(spec_in(folder)) == what_makes(spec))
    except (DataError, OSError, ValueError, ValidationError):
        return False


def spec_in(folder: Path) -> BaseSpec:
    """The spec of the base in a folder.

    Raises:
        OSError, ValueError: none can be read.
    """
    return BaseSpec.model_validate_json((folder / SPEC).read_bytes())
