"""Any other causal language model, run by the transformers library behind the interface in `model`."""

import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from autotelic.errors import DataError
from autotelic.networks.model import Cache, LanguageModel


class _DynamicCache:
    """A transformers cache of prompts padded on the left, with the mask that hides the padding (B, S) and row lengths (B,)."""

    def __init__(self, inner: Any, mask: Tensor, lengths: Tensor) -> None:
        self.inner, self.mask, self.lengths = inner, mask, lengths

    def repeat(self, counts: Tensor) -> "_DynamicCache":
        return self.keep(torch.repeat_interleave(torch.arange(len(counts), device=counts.device), counts))

    def keep(self, rows: Tensor) -> "_DynamicCache":
        self.inner.batch_select_indices(rows)
        return _DynamicCache(self.inner, self.mask[rows], self.lengths[rows])


class TransformersModel(LanguageModel):
    """See `LanguageModel`. Needs a model whose logits are its output embedding of the last hidden state, and nothing after it."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner
        self.vocab_size = inner.config.get_text_config().vocab_size
        self.context = getattr(inner.config.get_text_config(), "max_position_embeddings", None) or 1 << 20

    @classmethod
    def load(cls, folder: Path, shapes: Mapping[str, Sequence[int]]) -> "TransformersModel":
        """From a folder with safetensors weights of these `shapes`, in fp32, never running code that comes with it.

        Raises:
            DataError: transformers does not know such a model, or the weights are not those of its config.
        """
        from transformers import AutoConfig

        try:
            config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
            hollow = without_memory(config)
        except Exception as error:  # What a broken config causes inside of transformers can be anything.
            raise not_loadable(folder, error) from error
        check_shapes(folder, hollow, shapes)
        return cls.of(folder, *pretrained(folder, config))

    @classmethod
    def of(cls, source: Path, inner: Any, missing: Iterable[str]) -> "TransformersModel":
        """A model that transformers has loaded, `missing` weights that its file lacks.

        Raises:
            DataError: some are missing, or its logits cannot be had from its hidden states.
        """
        if absent := sorted(missing):
            raise DataError(
                f"{source}: the weights do not fit the config: {absent[0]} is missing" + (f", and {len(absent) - 1} more" if absent[1:] else "")
            )
        head, embedding = inner.get_output_embeddings(), inner.get_input_embeddings()
        if head is None:
            raise DataError(f"{source}: {type(inner).__name__} has no output embedding; it is no causal language model")
        if head.weight is not embedding.weight:  # Two different tensors stay apart whatever the config says.
            inner.config.get_text_config().tie_word_embeddings = inner.config.tie_word_embeddings = False
        try:
            model = cls(inner.eval())
            model.check_head(source)
        except DataError:
            raise
        except Exception as error:  # A config that a model can be made of may still be one that it cannot run with.
            raise not_loadable(source, error) from error
        return model

    @torch.no_grad()
    def check_head(self, folder: Path) -> None:
        """Raises DataError where the logits are scaled or capped after the head, as in Gemma 2 and Cohere: they are computed inside
        the model's forward pass, which this class does not call."""
        tokens = torch.arange(min(4, self.vocab_size, self.context), device=self.device)[None]
        self.prefill(tokens, torch.tensor([tokens.shape[1]], device=self.device), tokens.shape[1])
        if not torch.allclose(self.inner(tokens, use_cache=False).logits, self.head(self.hidden(tokens)), atol=1e-4, rtol=1e-4):
            raise DataError(
                f"{folder}: the logits of {type(self.inner).__name__} are not those of its output embedding alone, which is not supported"
            )

    def save(self, folder: Path, state: dict[str, Tensor]) -> None:
        """Write the model with `state` (names as in this module) as its weights, and transformers' defaults as its generation config: that of the
        model may be one that transformers reads and does not write."""
        from transformers import GenerationConfig

        self.inner.generation_config = GenerationConfig()  # type: ignore[no-untyped-call]
        self.inner.save_pretrained(folder, state_dict={key.removeprefix("inner."): value.detach().cpu() for key, value in state.items()})

    def hidden(self, tokens: Tensor) -> Tensor:
        return cast(Tensor, self.inner.base_model(tokens, use_cache=False).last_hidden_state)

    def head(self, hidden: Tensor) -> Tensor:
        return cast(Tensor, self.inner.get_output_embeddings()(hidden))

    def prefill(self, tokens: Tensor, lengths: Tensor, capacity: int) -> tuple[Tensor, Cache]:
        width = tokens.shape[1]
        positions = torch.arange(width, device=tokens.device)[None] - (width - lengths)[:, None]  # negative where padding goes
        moved = tokens.gather(1, positions.clamp(min=0))  # padding from the right to the left
        mask = (positions >= 0).long()
        out = self.inner.base_model(moved, attention_mask=mask, position_ids=positions.clamp(min=0), use_cache=True)
        return out.last_hidden_state[:, -1], _DynamicCache(out.past_key_values, mask, lengths.clone())

    def decode(self, tokens: Tensor, cache: Cache) -> Tensor:
        assert isinstance(cache, _DynamicCache)
        cache.mask = torch.cat([cache.mask, cache.mask.new_ones(len(tokens), 1)], dim=1)
        places = cache.lengths.clamp(max=self.context - 1)[:, None]  # a row that has ended may be beyond
        out = self.inner.base_model(tokens[:, None], attention_mask=cache.mask, position_ids=places, past_key_values=cache.inner, use_cache=True)
        cache.inner, cache.lengths = out.past_key_values, cache.lengths + 1
        return cast(Tensor, out.last_hidden_state)[:, -1]


def without_memory(config: Any) -> Any:
    """The model of a config without numbers, and without memory for them. A padding id that it lacks is taken from the config."""
    import transformers

    library: Any = transformers
    text = config.get_text_config()
    if not 0 <= (getattr(text, "pad_token_id", None) or 0) < text.vocab_size:
        text.pad_token_id = None  # Padding is never read, and an id beyond the embedding would be an error.
    with torch.device("meta"):
        return library.AutoModelForCausalLM.from_config(config)


def check_shapes(folder: Path, hollow: Any, shapes: Mapping[str, Sequence[int]]) -> None:
    """Raises DataError where a tensor in the file is not as the model has it, or the model is far larger than the file: before memory is asked for."""
    prefix, total = f"{hollow.base_model_prefix}.", 0
    for name, parameter in hollow.named_parameters():
        total += parameter.numel()
        stored = shapes.get(name, shapes.get(name.removeprefix(prefix)))
        if stored is not None and tuple(stored) != tuple(parameter.shape):
            theirs, ours = list(stored), list(parameter.shape)
            raise DataError(f"{folder}: the weights do not fit config.json: size mismatch for {name}: {theirs} in the file, {ours} by the config")
    held = sum(math.prod(shape) for shape in shapes.values())
    if total > 2 * held:
        raise DataError(f"{folder}: the weights do not fit config.json: it describes {total:,} weights, and the files hold {held:,}")


def pretrained(source: Path, config: Any) -> tuple[Any, list[str]]:
    """A model of a folder or of a GGUF file as transformers loads it, in fp32, and the names of weights that its file lacks.

    Raises:
        DataError: transformers cannot load it.
    """
    from transformers import AutoModelForCausalLM

    folder, options = (source.parent, {"gguf_file": source.name}) if source.is_file() else (source, {})
    try:
        loader: Any = AutoModelForCausalLM
        with silent():
            inner, found = loader.from_pretrained(
                folder, config=config, dtype=torch.float32, use_safetensors=True, trust_remote_code=False, output_loading_info=True, **options
            )
    except Exception as error:  # What a broken config causes inside of transformers can be anything.
        raise not_loadable(source, error) from error
    return inner, [str(name) for name in found["missing_keys"]]


@contextmanager
def silent() -> Iterator[None]:
    """Inside, transformers says nothing: what is wrong becomes an error of one line, and a bar, which in a log is one long line, is shown on a terminal
    only."""
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    terminal = sys.stderr.isatty()
    if not terminal:
        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        with nullcontext() if terminal else redirect_stderr(StringIO()):
            yield
    finally:
        logging.set_verbosity(level)


def not_loadable(source: Path, error: Exception) -> DataError:
    """The error for whatever goes wrong inside of transformers, on one line."""
    reason = " ".join((str(error).strip() or type(error).__name__).split())[:300]
    if "ignore_mismatched_sizes" in reason:  # it points to a report that `silent` does not let through
        reason = "its tensors have not the shapes that its config asks for"
    return DataError(f"{source}: transformers cannot load this model: {reason}")
