"""Reward models: sequence classifiers of transformers with one label, whose score is the reward. Not judges, which write their judgement in text."""

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from autotelic.errors import DataError
from autotelic.policies.folder import CONFIG, declared_ends, headers, read_config, resolve
from autotelic.policies.tokenizer import Tokenizer
from autotelic.rewards.asked import Asked
from autotelic.types import Message, Prompt

ROWS = 16
"""Texts that are scored in one batch."""


class Classifier:
    """A reward model: one number for a prompt and its completion.

    Chat messages are read through the model's own chat template, or joined by blank lines where it has none; plain texts are prompt and completion in
    one. What exceeds the model's context gets no reward.

    Raises:
        DataError: no such model, or one that does not score texts with one number.
    """

    def __init__(self, source: str, device: str = "cpu") -> None:
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        folder = resolve(source)
        self.where, self.name = source, Path(source).name
        check_head(folder)
        try:
            self.tokenizer: Any = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False)
            options: dict[str, Any] = {"trust_remote_code": False, "use_safetensors": True, "dtype": torch.float32, "output_loading_info": True}
            self.model, told = AutoModelForSequenceClassification.from_pretrained(str(folder), **options)
        except Exception as error:  # Whatever a broken file happens to cause in transformers.
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise DataError(f"{source}: no reward model that transformers can load ({type(error).__name__}: {reason})") from error
        if missing := sorted(told["missing_keys"]):
            raise DataError(f"{source}: its weights lack {missing[0]}, so that its scores would be random; a reward model is trained with its head")
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        self.model.config.pad_token_id = self.tokenizer.pad_token_id
        self.model.to(device).eval().requires_grad_(False)
        self.ends = declared_ends(folder)[1]

    @cached_property
    def chat(self) -> Tokenizer | None:
        """The tokenizer as it reads a conversation; None where it has no chat template."""
        return Tokenizer(self.tokenizer, self.ends) if self.tokenizer.chat_template else None

    async def values(self, asked: Asked) -> list[float | None]:
        """The score of each completion; None where it is too long for the model."""
        rows = [self.encoded(prompt, text) for prompt, text in zip(asked.prompts, asked.texts, strict=True)]
        longest = getattr(self.model.config, "max_position_embeddings", None) or max(map(len, rows))
        fitting = sorted((place for place, row in enumerate(rows) if len(row) <= longest), key=lambda place: len(rows[place]))
        found: list[float | None] = [None] * len(rows)
        for start in range(0, len(fitting), ROWS):
            places = fitting[start : start + ROWS]
            for place, score in zip(places, self.scores([rows[place] for place in places]), strict=True):
                found[place] = score
        return found

    def encoded(self, prompt: Prompt, text: str) -> list[int]:
        """Token ids of a prompt and its completion."""
        if isinstance(prompt, str):
            return list(self.tokenizer(prompt + text)["input_ids"])
        talk = [*prompt, Message(role="assistant", content=text)]
        if self.chat is not None:
            return self.chat.encode_talk(talk)
        return list(self.tokenizer("\n\n".join(message["content"] for message in talk))["input_ids"])

    @torch.inference_mode()
    def scores(self, rows: list[list[int]]) -> Iterable[float]:
        """The scores of token ids, padded on the right."""
        longest = max(map(len, rows))
        device, pad = self.model.device, self.tokenizer.pad_token_id
        tokens = torch.tensor([row + [pad] * (longest - len(row)) for row in rows], device=device)
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows], device=device)
        scored: list[float] = self.model(input_ids=tokens, attention_mask=mask).logits[:, 0].float().tolist()
        return scored


def check_head(folder: Path) -> None:
    """Raises DataError where a folder is no classifier of one label by its config, or its weights are not safetensors."""
    if folder.is_file():
        raise DataError(f"{folder}: a GGUF file is no reward model; give a model folder")
    config = read_config(folder)
    headers(folder)
    labels = len(config["id2label"]) if isinstance(config.get("id2label"), dict) else config.get("num_labels", 2)
    architectures = " ".join(map(str, config.get("architectures") or []))
    if "SequenceClassification" not in architectures:
        raise DataError(f"{folder / CONFIG}: architectures: {architectures or 'none'} is no sequence classifier, which a reward model is")
    if labels != 1:
        raise DataError(f"{folder / CONFIG}: {labels} labels: a reward model has one, whose score is the reward")
