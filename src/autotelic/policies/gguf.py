"""Models in GGUF files, as llama.cpp has them: read through transformers and brought to fp32. Not written: what is trained is saved in Hugging Face layout."""

import math
import mmap
import re
import struct
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from torch import Tensor

from autotelic.errors import DataError
from autotelic.networks.model import LanguageModel
from autotelic.policies.sizes import LONGEST_CONTEXT, check_memory, free_memory
from autotelic.policies.weights import decoder, decoder_config

NUMBERS = dict(zip((0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12), "BbHhIif?Qqd", strict=True))
"""GGUF's types of one number, as `struct` spells them; the other two are text and array."""
TEXT, ARRAY = 8, 9


def load_gguf(path: Path) -> LanguageModel:
    """The network of a GGUF file in fp32: a `Decoder` where it fits, else run by transformers.

    Raises:
        DataError: what reads it is not installed, or it is damaged, or of a kind that transformers does not read, or too large.
    """
    from autotelic.networks.transformers_model import TransformersModel, pretrained

    if lacking := [name for name in ("gguf", "accelerate") if find_spec(name) is None]:
        raise DataError(f"{path}: reading GGUF needs {' and '.join(lacking)}: pip install 'autotelic[gguf]'")
    check(path)
    inner, missing = pretrained(path, config_of(path))
    for part in (inner, inner.config):  # What is in memory is not quantized any more, and could not be saved as if it were.
        for name in ("hf_quantizer", "quantization_config", "is_quantized", "quantization_method"):
            if hasattr(part, name):
                delattr(part, name)
    config = None if missing else decoder_config(path, inner.config.to_dict())
    if config is None:
        return TransformersModel.of(path, inner, missing)
    check_memory(path, 2 * config.context * config.head_dim, free_memory())  # the table of rotations
    state: dict[str, Tensor] = dict(inner.state_dict())
    del inner
    return decoder(path, config, state)


def config_of(path: Path) -> Any:
    """The config of transformers that a file describes.

    Raises:
        DataError: transformers does not know such a model.
    """
    from transformers import AutoConfig

    from autotelic.networks.transformers_model import not_loadable

    try:
        return AutoConfig.from_pretrained(path.parent, gguf_file=path.name)
    except Exception as error:  # What a damaged file causes can be anything.
        raise not_loadable(path, error) from error


def facts(path: Path) -> tuple[dict[str, Any], dict[str, tuple[int, ...]]]:
    """What a file says of itself that is one number or text, by name, and the shapes of its tensors.

    Raises:
        DataError: it is damaged.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _Reader(data).read()
    except (OSError, ValueError, struct.error, KeyError, OverflowError) as error:
        raise DataError(f"{path}: cannot be read as GGUF: {error}") from error


def check(path: Path) -> None:
    """Compare the sizes that a file says with its tensors, and these with the memory, before anything is allocated.

    Raises:
        DataError: it is damaged, its sizes do not fit, or memory has no room for it.
    """
    known, shapes = facts(path)
    longest = max((side for shape in shapes.values() for side in shape), default=0)
    depth = 1 + max((int(name.split(".")[1]) for name in shapes if re.match(r"blk\.\d+\.", name)), default=-1)
    for key, value in known.items():
        most = {"block_count": depth, "embedding_length": longest, "feed_forward_length": longest, "context_length": LONGEST_CONTEXT}
        most |= dict.fromkeys(("attention.head_count", "attention.head_count_kv", "expert_count", "vocab_size"), longest)
        limit = most.get(key.partition(".")[2])
        if limit is not None and isinstance(value, int) and not 0 <= value <= limit:
            raise DataError(f"{path}: {key} = {value}, and the tensors allow for at most {limit}")
    check_memory(path, sum(map(math.prod, shapes.values())), free_memory())


class _Reader:
    """The head of a GGUF file: facts that are one number or text, and the shapes of tensors. Lists, such as the vocabulary, are skipped."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data, self.at = data, 0

    def read(self) -> tuple[dict[str, Any], dict[str, tuple[int, ...]]]:
        """See the class.

        Raises:
            ValueError, struct.error, KeyError, OverflowError: it is none, or cut off.
        """
        if self.data[:4] != b"GGUF":
            raise ValueError("not a GGUF file")
        self.at = 4
        _, tensors, facts = self.take("I"), self.take("Q"), self.take("Q")
        found = {self.text(): self.value(self.take("I")) for _ in range(facts)}
        shapes = {}
        for _ in range(tensors):
            name = self.text()
            shapes[name] = tuple(self.take("Q") for _ in range(self.take("I")))
            self.at += 12
        return found, shapes

    def take(self, kind: str) -> Any:
        """The next number."""
        (value,) = struct.unpack_from("<" + kind, self.data, self.at)
        self.at += struct.calcsize("<" + kind)
        return value

    def text(self) -> str:
        """The next text."""
        length = self.take("Q")
        if length > len(self.data) - self.at:
            raise ValueError("it is cut off")
        self.at += length
        return self.data[self.at - length : self.at].decode("utf-8", "replace")

    def value(self, kind: int) -> Any:
        """The next value; None for a list."""
        if kind == TEXT:
            return self.text()
        if kind != ARRAY:
            return self.take(NUMBERS[kind])
        inner, count = self.take("I"), self.take("Q")
        if count > len(self.data):
            raise ValueError("it is cut off")
        if inner in NUMBERS:
            self.at += count * struct.calcsize("<" + NUMBERS[inner])
        else:
            for _ in range(count):
                self.value(inner)
        return None
