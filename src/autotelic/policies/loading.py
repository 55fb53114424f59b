"""A model as it is loaded: its network and tokenizer on a device, with an adapter if it has one. Not yet a policy, which has a name and is sampled from."""

from dataclasses import dataclass
from pathlib import Path

from autotelic.errors import DataError, SettingError
from autotelic.jsonfiles import read_json
from autotelic.networks.lora import LoRA, inject, load_adapter
from autotelic.networks.machine import give_back_memory
from autotelic.networks.model import LanguageModel
from autotelic.policies.checkpoint import load_model
from autotelic.policies.folder import ADAPTER, resolve
from autotelic.policies.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Loaded:
    """A network with its tokenizer, and where it came from."""

    model: LanguageModel
    tokenizer: Tokenizer
    lora: LoRA | None
    """The shape of the adapter that is on it."""
    source: str
    """An absolute path, or a hub name; of an adapter those of its base."""


def load(source: str | Path, device: str = "cpu", lora: LoRA | None = None) -> Loaded:
    """From a model folder, a GGUF file, a folder with a PEFT adapter on top of its base, or a hub name.

    An adapter is trained on with the shape that it has, as PEFT does.

    Raises:
        DataError: nothing loadable there.
        SettingError: an adapter there, and `lora`, the shape of another.
    """
    folder = resolve(source)
    adapter = (folder / ADAPTER).exists()
    if adapter and lora is not None:
        keys = ", ".join(sorted(f"lora.{key}" for key in lora.model_fields_set)) or "lora"
        raise SettingError(f"{keys}: {source} is an adapter already, and is trained on as it is; leave these out, or give a model to put one on")
    base, origin = adapter_base(folder) if adapter else (folder, source)
    model = load_model(base)
    tokenizer = Tokenizer.load(folder if (folder / "tokenizer.json").exists() else base, base)  # that of an adapter is the one it was trained with
    model.to(device)
    if adapter:
        lora = load_adapter(model, folder)
    elif lora is not None:
        inject(model, lora)
    model.eval()
    try:
        tokenizer.fit(model.vocab_size)
    except DataError as error:
        raise DataError(f"{source}: {error}") from None
    give_back_memory(model)
    return Loaded(model, tokenizer, lora, lasting(origin))


def adapter_base(folder: Path) -> tuple[Path, str | Path]:
    """The base model that a PEFT adapter folder names: where it is here, and what it is called. A relative path begins at the adapter's folder, or else at
    the current one; what is at neither is a hub name.

    Raises:
        DataError: it names none, or there is none.
    """
    path = folder / ADAPTER
    base = read_json(path).get("base_model_name_or_path")
    if not isinstance(base, str) or not base:
        raise DataError(f"{path}: no base_model_name_or_path")
    found = next((one.resolve() for one in (folder / base, Path(base)) if one.exists()), None)
    try:
        return resolve(found or base), found or base
    except DataError as error:
        raise DataError(f"{path}: base_model_name_or_path = {base!r}: {error}") from None


def lasting(source: str | Path) -> str:
    """A name of a model that holds from every directory: a path in full, a hub name as it is."""
    return str(Path(source).absolute()) if Path(source).exists() else str(source)
