"""Any other causal language model, run by the transformers library behind the house's interface."""

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
    def load(cls, folder: Path) -> "TransformersModel":
        """From a folder with safetensors weights, in fp32, never running code that comes with it."""
        from transformers import AutoModelForCausalLM

        try:
            inner: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, use_safetensors=True, trust_remote_code=False)
        except (OSError, ValueError, KeyError) as error:
            raise DataError(f"{folder}: transformers cannot load this model: {str(error).splitlines()[0]}") from error
        model = cls(inner.eval())
        model.check_head(folder)
        return model

    @torch.no_grad()
    def check_head(self, folder: Path) -> None:
        """Raises DataError where the logits are scaled or capped after the head, as in Gemma 2 and Cohere: they are computed inside
        the model's forward pass, which this class does not call."""
        tokens = torch.arange(min(4, self.vocab_size), device=self.device)[None]
        if not torch.allclose(self.inner(tokens, use_cache=False).logits, self.head(self.hidden(tokens)), atol=1e-4, rtol=1e-4):
            raise DataError(
                f"{folder}: the logits of {type(self.inner).__name__} are not those of its output embedding alone, which is not supported"
            )

    def save(self, folder: Path, state: dict[str, Tensor]) -> None:
        """Write the model with `state` (names as in this module) as its weights."""
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
