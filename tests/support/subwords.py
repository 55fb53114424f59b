"""Tiny models with a byte-level tokenizer of subwords, special tokens and a chat template: what models of the hub have and the shipped bases have not."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

TEXT = ["What is 2 plus 3? Answer: 5", "Question: how many apples? <answer> 12 </answer>", "the of and 0 1 2 3 4 5 6 7 8 9"] * 4
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")


def subwords(
    special: Sequence[str] = SPECIAL, chat: str | dict[str, str] | None = CHATML, extra: Sequence[str] = (), **options: Any
) -> PreTrainedTokenizerFast:
    """A tokenizer whose ids begin with `special`; `extra` are further special tokens, options those of transformers."""
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=list(special), initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    inner.train_from_iterator(TEXT, trainer)
    named = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", **options}
    made = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=inner,
        **{name: value for name, value in named.items() if value is not None},
        **({"extra_special_tokens": list(extra)} if extra else {}),
    )
    made.chat_template = chat
    return made


def write_model(folder: Path, tokenizer: PreTrainedTokenizerFast, generation: dict[str, Any] | None = None, **config: Any) -> LlamaForCausalLM:
    """A folder of a random Llama with this tokenizer; `generation`: its generation_config.json, in place of the one transformers writes."""
    torch.manual_seed(0)
    shape: dict[str, Any] = {
        "vocab_size": len(tokenizer), "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "max_position_embeddings": 256, "tie_word_embeddings": True, "bos_token_id": None, "eos_token_id": None,
    }  # fmt: skip
    model = LlamaForCausalLM(LlamaConfig(**{**shape, **config}))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    if generation is not None:
        (folder / "generation_config.json").write_text(json.dumps(generation))
    return model
