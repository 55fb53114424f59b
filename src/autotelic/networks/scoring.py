"""Log-probabilities, entropy and self-certainty of given tokens, in chunks so that memory does not grow with batch x length x vocabulary."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from autotelic.networks import head
from autotelic.networks.decoder import Decoder
from autotelic.networks.model import LanguageModel
from autotelic.networks.operations import Precision, token_scores
from autotelic.networks.packed_decoder import gather, packed_hidden
from autotelic.networks.packing import pack

CHUNK_ELEMENTS = {"cpu": 1 << 24, "cuda": 1 << 28}
"""Most logits alive at once in one chunk, by device: 64 MiB of fp32, which caches like, and 1 GiB, which keeps a GPU busy."""
KEPT_ELEMENTS = 1 << 26
"""Most logits that are kept from the way there to the way back: 256 MiB of fp32."""


@dataclass(slots=True)
class Scores:
    """Per-token numbers of a padded batch, each (B, T); entry t belongs to token t given the tokens before it, and entry 0 is 0."""

    logprobs: Tensor
    entropy: Tensor
    """Entropy in nats of the distribution that token t was drawn from."""
    certainty: Tensor
    """logsumexp(z) - mean(z) of its logits, which is KL(uniform || p) + log V: Intuitor's self-certainty."""

    def select(self, rows: Tensor) -> "Scores":
        """Only these rows (K,) int64."""
        return Scores(self.logprobs[rows], self.entropy[rows], self.certainty[rows])


def score(model: LanguageModel, tokens: Tensor, temperature: Tensor, mask: Tensor, precision: Precision = "fp32") -> Scores:
    """Scores of tokens (B, T) int64, padded on the right, where mask (B, T) is not 0; zeros elsewhere. temperature: (B,).

    A `Decoder` reads no padding, and what precedes the first masked token once for all rows that share it; any other model reads the
    padded batch. Only masked positions go through the head. In bf16 the products of the layers take operands rounded to bf16, and so does a
    decoder's head where it is large (`networks.head`); else the head is fp32.
    Differentiable; where all logits take more than `KEPT_ELEMENTS`, those of a chunk are computed again on the way back instead of being kept.
    """
    wanted = mask[:, 1:] != 0
    rows = _hidden(model, tokens, wanted, precision)
    targets = tokens[:, 1:][wanted]
    scale = temperature[:, None].expand(-1, tokens.shape[1] - 1)[wanted]
    chunk = max(1, CHUNK_ELEMENTS.get(tokens.device.type, CHUNK_ELEMENTS["cpu"]) // model.vocab_size)
    columns: tuple[Tensor, ...]
    if precision == "bf16" and isinstance(model, Decoder) and head.suits(model.lm_head, rows):
        columns = head.scores(rows, model.lm_head.weight, targets, scale, chunk)
    else:
        columns = _in_chunks(model, rows, targets, scale, chunk)
    full = [torch.zeros(tokens.shape, dtype=column.dtype, device=column.device) for column in columns]
    return Scores(*(_place(out, wanted, column) for out, column in zip(full, columns, strict=True)))


def _in_chunks(model: LanguageModel, rows: Tensor, targets: Tensor, scale: Tensor, chunk: int) -> tuple[Tensor, ...]:
    """The scores of hidden states (N, D), so many at a time."""
    again = torch.is_grad_enabled() and len(rows) > max(chunk, KEPT_ELEMENTS // model.vocab_size)
    parts = []
    for start in range(0, max(len(rows), 1), chunk):
        piece = (rows[start : start + chunk], targets[start : start + chunk], scale[start : start + chunk])
        parts.append(checkpoint(_token_scores, model, *piece, use_reentrant=False) if again else _token_scores(model, *piece))
    return tuple(torch.cat(column) for column in zip(*parts, strict=True))


def _hidden(model: LanguageModel, tokens: Tensor, wanted: Tensor, precision: Precision) -> Tensor:
    """(N, D) fp32: the hidden states that predict the wanted tokens (B, T-1), in order."""
    if isinstance(model, Decoder):
        packed = pack(tokens, wanted)
        return gather(packed_hidden(model, packed, precision), packed.sources)
    with torch.autocast(tokens.device.type, torch.bfloat16, enabled=precision == "bf16"):
        return model.hidden(tokens)[:, :-1][wanted].float()


def _place(out: Tensor, wanted: Tensor, values: Tensor) -> Tensor:
    """Values (N,) at the wanted places (B, T-1) of out (B, T), one to the right: entry t is about token t."""
    where = torch.nn.functional.pad(wanted, (1, 0))
    return out.masked_scatter(where, values)


def _token_scores(model: LanguageModel, hidden: Tensor, targets: Tensor, scale: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return token_scores(model.head(hidden).float(), targets, scale)


def pad(sequences: Sequence[Sequence[float]], value: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Sequences of different lengths as one tensor (B, longest), padded on the right."""
    longest = max(len(sequence) for sequence in sequences)
    return torch.tensor([[*sequence, *[value] * (longest - len(sequence))] for sequence in sequences], dtype=dtype, device=device)


def buckets(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Indices in batches of similar length with at most `budget` padded tokens each (one sequence at least), longest first."""
    batches: list[list[int]] = []
    longest = 0
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        if not batches or (len(batches[-1]) + 1) * longest > budget:
            batches.append([])
            longest = lengths[index]
        batches[-1].append(index)
    return batches
