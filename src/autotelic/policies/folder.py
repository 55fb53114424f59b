"""A model folder before anything of it is loaded: where it is, which files it has, what they say of themselves. Nothing here holds weights.

Only regular files are read, and only safetensors and GGUF hold weights: neither can run code.
"""

import json
from dataclasses import dataclass
from operator import index
from pathlib import Path
from typing import Any

from autotelic.errors import DataError
from autotelic.jsonfiles import check_regular, read_json

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
CONFIG, GENERATION, ADAPTER = "config.json", "generation_config.json", "adapter_config.json"
READ = (".json", ".safetensors", ".jinja", ".model", ".txt")
"""Endings of the files of a model folder that are read, and downloaded from the hub."""

LONGEST_TEXT = 1 << 28
"""Bytes of a file that is no weights; the largest vocabularies have a tenth of it."""
LONGEST_HEADER = 100_000_000
"""Bytes; safetensors' own limit."""


def resolve(name: str | Path) -> Path:
    """A model folder or GGUF file as it is, or the local copy of a hub name, downloaded if need be; a folder with one GGUF file alone is that file.

    Raises:
        DataError: nothing there, or what is there is no folder of regular files.
    """
    path = Path(name)
    if path.is_dir():
        return only_gguf(path) or checked(path)
    if path.exists() or path.is_absolute() or str(name).startswith("."):
        check_regular(path)
        if path.suffix == ".gguf" and path.is_file():
            return path
        raise DataError(f"{name}: no such model folder" + ("; a file is a model only as GGUF" if path.is_file() else ""))
    return from_hub(str(name))


def from_hub(name: str) -> Path:
    """The local copy of "owner/repository" or "owner/repository/file.gguf"."""
    owner, _, rest = name.partition("/")
    repository, _, file = rest.partition("/")
    if file and not file.endswith(".gguf"):
        raise DataError(f"{name}: no such model folder")
    from huggingface_hub import hf_hub_download, list_repo_files, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        if file:
            return Path(hf_hub_download(f"{owner}/{repository}", file))
        folder = Path(snapshot_download(name, allow_patterns=[f"*{ending}" for ending in READ]))
        if any(folder.glob("*.safetensors")):
            return checked(folder)
        if fetched := only_gguf(folder):
            return fetched
        if len(found := [one for one in list_repo_files(name) if one.endswith(".gguf")]) == 1:
            return Path(hf_hub_download(name, found[0]))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise DataError(f"{name}: neither a folder nor a model that could be fetched from the hub ({unfetched(name, error)})") from error
    if found:
        raise DataError(f"{name}: holds {len(found)} GGUF files; name one, as {name}/{min(found)}")
    return checked(folder)


def unfetched(name: str, error: Exception) -> str:
    """Why a repository could not be fetched, and what to do where there is no network."""
    from huggingface_hub.constants import HF_HUB_OFFLINE
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    if isinstance(error, HfHubHTTPError | HFValidationError):
        return str(error).splitlines()[0]
    why = "HF_HUB_OFFLINE is set, and it is not in the cache" if HF_HUB_OFFLINE else f"{str(error).splitlines()[0].rstrip('.')}"
    kept = "/".join(name.split("/")[:2])
    return f"{why}; without a network, name a folder or a GGUF file, or bring the cache of a machine where `hf download {kept}` was called"


def only_gguf(folder: Path) -> Path | None:
    """The GGUF file of a folder without other weights; None where it has others, or none at all.

    Raises:
        DataError: it has several.
    """
    found = sorted(folder.glob("*.gguf"))
    if not found or (folder / SINGLE).exists() or (folder / INDEX).exists() or (folder / ADAPTER).exists():
        return None
    if len(found) > 1:
        raise DataError(f"{folder}: holds {len(found)} GGUF files; name one, as {found[0]}")
    check_regular(found[0])
    return found[0]


def checked(folder: Path) -> Path:
    """A folder, of which every file that may be read is a regular one.

    Raises:
        DataError: one is not, or the folder cannot be listed.
    """
    try:
        paths = [*folder.iterdir(), *folder.glob("additional_chat_templates/*")]
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {error.strerror}") from error
    for path in paths:
        if path.suffix in READ:
            check_regular(path)
            if path.suffix != ".safetensors" and path.exists() and path.stat().st_size > LONGEST_TEXT:
                raise DataError(f"{path}: {path.stat().st_size} bytes are too many for a file that describes a model")
    return folder


def location(path: Path) -> tuple[Path, dict[str, str]]:
    """How transformers is told of a model: its folder, and for a GGUF file the option that names it."""
    return (path, {}) if path.is_dir() else (path.parent, {"gguf_file": path.name})


def read_config(folder: Path) -> dict[str, Any]:
    """The parsed `config.json`.

    Raises:
        DataError: there is none, or it is not one JSON object.
    """
    if not (folder / CONFIG).exists():
        what = f"an adapter ({ADAPTER}), not a whole model" if (folder / ADAPTER).exists() else "not a model in Hugging Face layout"
        raise DataError(f"{folder}: no {CONFIG}; this is {what}")
    return read_json(folder / CONFIG)


def declared_ends(folder: Path) -> tuple[dict[str, Any] | None, frozenset[int]]:
    """What `generation_config.json` says, None where there is none; and the ids that it or `config.json` says end a completion.

    Raises:
        DataError: one of them is no token id.
    """
    if folder.is_file():  # GGUF says it to the tokenizer.
        return None, frozenset()
    generation = read_json(folder / GENERATION) if (folder / GENERATION).exists() else None
    config = read_json(folder / CONFIG) if (folder / CONFIG).exists() else {}
    text = config.get("text_config")
    ends = frozenset(end_ids(folder / CONFIG, config) | end_ids(folder / CONFIG, text if isinstance(text, dict) else {}))
    return generation, ends | end_ids(folder / GENERATION, generation or {})


def end_ids(path: Path, raw: dict[str, Any]) -> frozenset[int]:
    """The ids under `eos_token_id`: one, a list, or none."""
    found = raw.get("eos_token_id")
    ids = found if isinstance(found, list) else [] if found is None else [found]
    if not all(isinstance(one, int) and not isinstance(one, bool) and one >= 0 for one in ids):
        raise DataError(f"{path}: eos_token_id = {found!r}: must be a token id or a list of them")
    return frozenset(ids)


@dataclass(frozen=True, slots=True)
class Header:
    """What a file of weights says of one tensor."""

    file: Path
    shape: tuple[int, ...]
    dtype: str
    """As safetensors spells it, such as "BF16"."""


def shards(folder: Path) -> list[Path]:
    """The safetensors files of a folder.

    Raises:
        DataError: it has none, or an index that names something else.
    """
    if (folder / SINGLE).exists():
        return [folder / SINGLE]
    if not (folder / INDEX).exists():
        pickled = [path.name for path in (*folder.glob("*.bin"), *folder.glob("*.pt"), *folder.glob("*.pth"))]
        hint = f"; {pickled[0]} is a pickle, which can run code and is not read" if pickled else ""
        raise DataError(f"{folder}: no weights ({SINGLE} or {INDEX}){hint}")
    places = read_json(folder / INDEX).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise DataError(f"{folder / INDEX}: weight_map: expected an object of tensors and the files they are in")
    names = sorted(set(map(str, places.values())))
    for name in names:
        if Path(name).name != name:
            raise DataError(f"{folder / INDEX}: shard {name!r} is not a file name")
    return [folder / name for name in names]


def headers(folder: Path) -> dict[str, Header]:
    """What the weights of a folder say of themselves, without reading them.

    Raises:
        DataError: there are none, or a file is damaged.
    """
    found: dict[str, Header] = {}
    for path in shards(folder):
        check_regular(path)
        try:
            found |= header(path)
        except OSError as error:
            raise DataError(f"{path}: cannot be read as safetensors: {error.strerror}") from error
        except (ValueError, RecursionError, TypeError, KeyError, AttributeError) as error:
            raise DataError(f"{path}: cannot be read as safetensors: its header is damaged ({type(error).__name__}: {error})") from error
    return found


def header(path: Path) -> dict[str, Header]:
    """The header of a safetensors file: eight bytes with its length, then a JSON object of every tensor's type, shape and place. The file is not mapped
    into memory, which for one that is larger than the memory can fail.

    Raises:
        OSError: it cannot be read.
        ValueError, TypeError, KeyError, AttributeError, RecursionError: it is no such header, or the file is not as long as it says.
    """
    whole = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > min(whole, LONGEST_HEADER):
            raise ValueError(f"a header of {length} bytes in a file of {whole}")
        raw = json.loads(file.read(length))
    raw.pop("__metadata__", None)
    found = {name: Header(path, tuple(map(index, part["shape"])), str(part["dtype"])) for name, part in raw.items()}
    end = max((index(part["data_offsets"][1]) for part in raw.values()), default=0)
    if 8 + length + end != whole:
        raise ValueError(f"the file has {whole} bytes, and its header speaks of {8 + length + end}")
    return found
