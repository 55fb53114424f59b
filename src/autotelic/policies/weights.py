"""Tensors from files into a `Decoder`: read, compared with the config, taken over. Not where they are or how large: that is `folder` and `sizes`."""

import dataclasses
import sys
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from autotelic.errors import DataError, harmless
from autotelic.jsonfiles import check_regular
from autotelic.networks.decoder import Decoder, DecoderConfig
from autotelic.policies.folder import shards

EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"


def decoder_config(path: Path, raw: dict[str, Any]) -> DecoderConfig | None:
    """What a config says of a `Decoder`; None where it describes something else.

    Raises:
        DataError: a key is missing or holds what it cannot mean.
    """
    try:
        return DecoderConfig.from_hf(raw)
    except KeyError as error:
        raise DataError(f"{path}: no {error}") from None
    except (TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path}: {error}") from error


def decoder(source: Path, config: DecoderConfig, state: dict[str, Tensor]) -> Decoder:
    """A `Decoder` in fp32 with the tensors of `state`, which loses those that are superfluous.

    Raises:
        DataError: they are not those of the config.
    """
    config = tied_as_stored(source, config, state)
    model = Decoder.unwritten(config)
    kept = {key: value for key, value in state.items() if not key.endswith("rotary_emb.inv_freq")}
    found = {key: tuple(value.shape) for key, value in kept.items()}
    wanted = {key: tuple(value.shape) for key, value in model.state_dict().items() if not (config.tied and key == HEAD)}
    if found != wanted:
        raise DataError(f"{source}: the weights do not fit config.json: {'; '.join(islice(differences(found, wanted), 2))}")
    model.load_state_dict(kept, strict=not config.tied)
    return model


def tied_as_stored(source: Path, config: DecoderConfig, state: dict[str, Tensor]) -> DecoderConfig:
    """The config with the head tied to the embedding or not, as the weights have it: like transformers, two different tensors stay apart whatever the
    config says, and where it says tied, either alone stands for both. Removes the superfluous one from `state`."""
    head = state.get(HEAD)
    if not config.tied or head is None:
        return config
    embedding = state.setdefault(EMBEDDING, head)
    if embedding.shape == head.shape and torch.equal(embedding, head):
        del state[HEAD]
        return config
    print(f"{harmless(str(source))}: tie_word_embeddings is true, but {HEAD} differs from {EMBEDDING}: they stay apart", file=sys.stderr)
    return dataclasses.replace(config, tied=False)


def differences(found: Mapping[str, tuple[int, ...]], wanted: Mapping[str, tuple[int, ...]]) -> Iterator[str]:
    """What is wrong with tensors, in words."""
    for key in sorted(found.keys() | wanted.keys()):
        if key not in found:
            yield f"{key} is missing" + (", and tie_word_embeddings is false" if key == HEAD else "")
        elif key not in wanted:
            yield f"{key} is not part of such a model"
        elif found[key] != wanted[key]:
            yield f"size mismatch for {key}: {list(found[key])} in the file, {list(wanted[key])} by the config"


def read_weights(folder: Path) -> dict[str, Tensor]:
    """All tensors of a folder, from one safetensors file or a sharded set.

    Raises:
        DataError: there are none, or a file is damaged.
    """
    state: dict[str, Tensor] = {}
    for path in shards(folder):
        check_regular(path)
        try:
            state.update(load_file(path))
        except (SafetensorError, OSError, RuntimeError) as error:
            raise DataError(f"{path}: cannot be read as safetensors: {error}") from error
    return state
