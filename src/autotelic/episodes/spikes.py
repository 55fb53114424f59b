"""Decoding that stops to think where the next token is uncertain: SRGen (arXiv:2510.02919). No way itself, and no weights are trained.

Where the entropy of the next token rises above its recent values, a vector is fitted in a few gradient steps, which is added to the last hidden states of the
text so far. The token is drawn with it, and it is forgotten. The vector shifts all logits alike: towards what the text so far holds, and sharper.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean, pstdev
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import cross_entropy

from autotelic.engines.base import Completion
from autotelic.engines.decoding import Eager
from autotelic.engines.torch_engine import keep_top
from autotelic.networks.model import LanguageModel
from autotelic.networks.scoring import pad
from autotelic.policies.policy import Policy
from autotelic.streams import key, uniforms
from autotelic.types import Sampling, Settings, StopReason

UNREAD = -100
"""In place of a target that is none."""


class Spikes(Settings):
    """Which tokens are thought about, and how."""

    where: Literal["spikes", "random"] = "spikes"
    """Where the entropy spikes, or at random tokens, as a control."""
    share: float = Field(0.05, ge=0.0, le=1.0)
    """Of tokens that are thought about with where=random."""
    window: int = Field(12, ge=1)
    """N: entropies that a spike is seen against."""
    width: float = Field(2.0, ge=0.0)
    """K: standard deviations above their mean."""
    least_std: float = Field(0.2, ge=0.0)
    """The least standard deviation that is reckoned with, in nats."""
    floor: float = Field(0.5, ge=0.0)
    """The least entropy of a spike, in nats."""
    early: float = Field(0.5, ge=0.0)
    """The same before there are N entropies."""
    most: int = Field(20, ge=0)
    """Most tokens of a completion that are thought about."""
    steps: int = Field(3, ge=1)
    """Gradient steps for one of them."""
    rate: float = Field(0.05, gt=0.0)
    """Learning rate of these steps."""
    calm: float = Field(0.05, ge=0.0, le=1.0)
    """Weight of the next token's entropy in the loss; the rest is that of the text so far."""


def threshold(recent: Sequence[float], rule: Spikes) -> float:
    """The entropy above which the next token is a spike: max(floor, mean + K max(std, least_std)) of the last N entropies."""
    if len(recent) < rule.window:
        return rule.early
    return max(rule.floor, fmean(recent) + rule.width * max(pstdev(recent), rule.least_std))


@dataclass(slots=True)
class Thought:
    """A completion that is being written."""

    stream: int
    recent: deque[float]
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    edits: int = 0
    stop: StopReason | None = None

    def edited_here(self, entropy: float, rule: Spikes) -> bool:
        """Whether the next token, whose entropy is given, is thought about; notes the entropy."""
        if rule.where == "random":
            here = float(uniforms(np.array([key("where", self.stream)], dtype=np.uint64), len(self.tokens))[0]) < rule.share
        else:
            here = entropy > threshold(self.recent, rule)
        self.recent.append(entropy)
        here = here and self.edits < rule.most
        self.edits += here
        return here

    def add(self, token: int, logprob: float, end: frozenset[int], limit: int) -> None:
        """The next token; nothing where it has ended."""
        if self.stop is None:
            self.tokens.append(token)
            self.logprobs.append(logprob)
            self.stop = StopReason.END if token in end else StopReason.LENGTH if len(self.tokens) == limit else None


@torch.no_grad()
def think(policy: Policy, prompts: Sequence[Sequence[int]], streams: Sequence[int], sampling: Sampling, rule: Spikes) -> tuple[list[Completion], int]:
    """A completion of each prompt, and how many tokens were thought about. Stop strings are not looked for. What it costs goes to the policy's meter:
    the gradient steps as tokens trained on, one for every token of the text so far and every step."""
    model, limit, meter = policy.model, sampling.max_tokens, policy.meter
    lengths = torch.tensor([len(prompt) for prompt in prompts], device=model.device)
    texts = [list(prompt) for prompt in prompts]
    padded = pad(texts, policy.tokenizer.pad, torch.int64, model.device)
    states = [row[:length] for row, length in zip(model.hidden(padded), lengths.tolist(), strict=True)]
    decoding = Eager(model, "fp32", limit)
    last = decoding.begin(padded, lengths, torch.arange(len(texts), device=model.device))
    thoughts = [Thought(stream, deque(maxlen=rule.window)) for stream in streams]
    draws = uniforms(np.array(streams, dtype=np.uint64)[:, None], np.arange(limit, dtype=np.uint64)[None])
    for position in range(limit):
        logits = model.head(last).float()
        entropies = entropy(logits / sampling.scale).tolist()
        places = [place for place, one in enumerate(thoughts) if one.stop is None and one.edited_here(entropies[place], rule)]
        if places:
            vectors = fitted(model, [states[place] for place in places], [texts[place] for place in places], sampling.scale, rule)
            logits[places] = model.head(last[places] + vectors).float()
            meter.trained += rule.steps * sum(len(texts[place]) for place in places)
        chosen, logprobs = drawn(logits, torch.from_numpy(draws[:, position]).to(model.device), sampling)
        for one, text, token, logprob in zip(thoughts, texts, chosen.tolist(), logprobs.tolist(), strict=True):
            one.add(token, logprob, policy.tokenizer.vocabulary.end, limit)
            text.append(token)
        if all(one.stop is not None for one in thoughts):
            break
        last = decoding.step(chosen)
        states = [torch.cat([row, new[None]]) for row, new in zip(states, last, strict=True)]
    meter.read += int(lengths.sum())
    meter.completions += len(texts)
    meter.sampled += sum(len(one.tokens) for one in thoughts)
    found = [Completion(one.tokens, one.logprobs, one.stop or StopReason.LENGTH) for one in thoughts]
    return found, sum(one.edits for one in thoughts)


def fitted(model: LanguageModel, states: Sequence[Tensor], texts: Sequence[Sequence[int]], scale: float, rule: Spikes) -> Tensor:
    """For each text, whose last hidden states (T, D) are given, the vector (D,) that some steps of AdamW from 0 on lead to. The loss is (1 - calm) times the
    mean cross-entropy of the text's tokens after the first, plus `calm` times the entropy of the next token at temperature `scale`."""
    hidden = torch.nn.utils.rnn.pad_sequence(list(states), batch_first=True)
    targets = pad([[*text[1:], UNREAD] for text in texts], UNREAD, torch.int64, hidden.device)
    ends = torch.tensor([len(text) - 1 for text in texts], device=hidden.device)
    with torch.enable_grad():
        vectors = torch.zeros(len(texts), hidden.shape[-1], device=hidden.device, requires_grad=True)
        optimizer = torch.optim.AdamW([vectors], lr=rule.rate)
        for _ in range(rule.steps):
            logits = model.head(hidden + vectors[:, None]).float()
            losses = cross_entropy(logits.transpose(1, 2), targets, ignore_index=UNREAD, reduction="none").sum(1) / ends.clamp(min=1)
            unsure = entropy(logits[torch.arange(len(texts)), ends] / scale)
            (vectors.grad,) = torch.autograd.grad(((1 - rule.calm) * losses + rule.calm * unsure).sum(), vectors)
            optimizer.step()
    return vectors.detach()


def entropy(logits: Tensor) -> Tensor:
    """(...,) in nats, of logits (..., V)."""
    scores = logits.log_softmax(-1)
    return -(scores.exp() * scores).sum(-1)


def drawn(logits: Tensor, draws: Tensor, sampling: Sampling) -> tuple[Tensor, Tensor]:
    """The next token (R,) of each row of logits (R, V) by its uniform number (R,), as the engines draw it, and its log-probability at `sampling.scale`."""
    scores = (logits / sampling.scale).log_softmax(-1)
    weights = scores.double().exp()
    if sampling.top_p < 1 or sampling.top_k:
        rows = torch.ones(len(weights), device=weights.device)
        weights = keep_top(weights, (rows * (sampling.top_k or weights.shape[1])).long(), (rows * sampling.top_p).double())
    cumulative = weights.cumsum(-1)
    chosen = torch.searchsorted(cumulative, (draws * cumulative[:, -1])[:, None], right=True)[:, 0].clamp(max=scores.shape[-1] - 1)
    chosen = chosen if sampling.temperature else scores.argmax(-1)
    return chosen, scores.gather(1, chosen[:, None])[:, 0]
