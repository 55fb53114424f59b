"""A tiny chat model: random weights behind a byte-level tokenizer with a chat template of its own, whose turns are opened and closed by special tokens."""

from pathlib import Path

import torch
from tokenizers import Tokenizer as Fast
from tokenizers import decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from autotelic.engines.batching import Batcher
from autotelic.engines.torch_engine import TorchEngine
from autotelic.networks.decoder import Decoder, DecoderConfig
from autotelic.policies.policy import Policy
from autotelic.policies.tokenizer import Tokenizer

TEMPLATE = (
    "{% for m in messages %}<|open|>{{ m['role'] }}\n{{ m['content'] }}<|close|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|open|>assistant\n{% if enable_thinking is defined and not enable_thinking %}<think></think>{% endif %}{% endif %}"
)
REFUSING = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}" + TEMPLATE
TEXT = ["What is 2 plus 3? The answer is 5.", "the of and 0 1 2 3 4 5 6 7 8 9", "user assistant system tool"] * 4


def byte_tokenizer(template: str | None = TEMPLATE, end: str = "<|close|>") -> Tokenizer:
    """About 300 tokens, every byte among them: a letter outside of ASCII takes several."""
    fast = Fast(models.BPE())
    fast.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    fast.decoder = decoders.ByteLevel()
    special = ["<|open|>", "<|close|>", "<|pad|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    fast.train_from_iterator(TEXT, trainers.BpeTrainer(vocab_size=300, special_tokens=special, initial_alphabet=alphabet, show_progress=False))
    inner = PreTrainedTokenizerFast(tokenizer_object=fast, eos_token=end, pad_token="<|pad|>", chat_template=template)
    return Tokenizer(inner)


def chat_model(folder: Path, template: str | None = TEMPLATE, context: int = 192, end: str = "<|close|>") -> Path:
    """The model's folder. Half of its completions end by themselves within a few dozen tokens."""
    tokenizer = byte_tokenizer(template, end)
    shape = {"hidden_size": 16, "intermediate_size": 24, "layers": 1, "heads": 2, "kv_heads": 1, "head_dim": 8}
    model = Decoder(DecoderConfig("llama", vocab_size=len(tokenizer.inner), context=context, tied=False, **shape)).eval()
    model.initialize(torch.Generator().manual_seed(0), std=0.3)
    Policy("chat", model, tokenizer, Batcher(TorchEngine())).save(folder)
    return folder
