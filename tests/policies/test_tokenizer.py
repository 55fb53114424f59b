"""Character tokenizers and the wrapper around tokenizers of transformers."""

from pathlib import Path

import pytest
from tokenizers import Tokenizer as Fast
from tokenizers import models, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from autotelic.errors import DataError
from autotelic.policies.tokenizer import Tokenizer, character_tokenizer
from autotelic.types import Message

CHAT: list[Message] = [{"role": "user", "content": "1+1="}]


def test_texts_survive_encode_and_decode(tokenizer: Tokenizer) -> None:
    for text in ("", " ", "12 + 3=15\n\n", "  a  b ", "x" * 80, "a ,b : c", "<|end|>"):
        ids = tokenizer.encode(text)
        assert len(ids) == len(text)
        assert [tokenizer.decode(ids), tokenizer.decode(tuple(ids)), tokenizer.decode(ids)] == [text] * 3
        assert tokenizer.decode([*ids, tokenizer.end_id]) == text


def test_a_saved_tokenizer_is_what_auto_tokenizer_loads(tokenizer: Tokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path)
    theirs, ours = AutoTokenizer.from_pretrained(tmp_path), Tokenizer.load(tmp_path)
    text = "7*8=56; a b\n"
    assert theirs.encode(text) == tokenizer.encode(text) == ours.encode(text)
    assert theirs.decode(tokenizer.encode(text)) == text
    assert (ours.end, ours.end_id, ours.pad, len(ours.inner)) == (tokenizer.end, tokenizer.end_id, tokenizer.pad, len(tokenizer.inner))
    assert (
        theirs.apply_chat_template([dict[str, str](**message) for message in CHAT], tokenize=False, add_generation_prompt=True)
        == "user:1+1=\nassistant:"
    )
    assert ours.encode_prompt(CHAT) == tokenizer.encode_prompt(CHAT) == tokenizer.encode("user:1+1=\nassistant:")


def test_plain_prompts_begin_with_the_begin_token_and_hold_no_other_special_one(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode_prompt("1<|end|>2<|begin|>")
    begin = tokenizer.inner.bos_token_id
    assert ids[0] == begin
    assert tokenizer.end_id not in ids
    assert begin not in ids[1:]
    assert tokenizer.decode(ids) == "1<|end|>2<|begin|>"


def test_special_text_is_special_only_on_request(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode("1<|end|>", special_text=True) == [*tokenizer.encode("1"), tokenizer.end_id]
    assert len(tokenizer.encode("1<|end|>")) == 8
    assert tokenizer.decode([*tokenizer.encode("1"), tokenizer.end_id, tokenizer.pad]) == "1"


def test_characters_outside_the_vocabulary_are_named(tokenizer: Tokenizer) -> None:
    with pytest.raises(DataError, match=r"lacks 'Q' 'é' of '1Q é2'"):
        tokenizer.encode("1Q é2")
    with pytest.raises(DataError, match="lacks 'Q'"):
        tokenizer.encode_prompt([{"role": "user", "content": "Q"}])


def test_prompts_that_cannot_be_encoded_are_errors(tokenizer: Tokenizer) -> None:
    bare = character_tokenizer("ab", 16)
    bare.inner.chat_template = None
    with pytest.raises(DataError, match="no chat template"):
        bare.encode_prompt(CHAT)
    bare.inner.bos_token = None
    with pytest.raises(DataError, match="the prompt is empty"):
        bare.encode_prompt("")
    assert bare.encode_prompt("ab") == bare.encode("ab")


def test_a_template_may_use_the_token_that_a_tokenizer_names_as_unknown() -> None:
    vocabulary = {"<|im|>": 0, "<|end|>": 1, "a": 2, "b": 3}
    fast = Fast(models.WordLevel(vocabulary, unk_token="<|im|>"))
    fast.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    inner = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=fast, unk_token="<|im|>", eos_token="<|end|>", chat_template="<|im|>{% for m in messages %}{{ m['content'] }}{% endfor %}"
    )
    tokenizer = Tokenizer(inner)
    assert tokenizer.encode_prompt([{"role": "user", "content": "ab"}]) == [0, 2, 3]
    assert tokenizer.pad == tokenizer.end_id == 1
    with pytest.raises(DataError, match="lacks 'c'"):
        tokenizer.encode("abc")


def test_a_tokenizer_needs_an_end_token_and_a_folder_needs_a_tokenizer(tmp_path: Path) -> None:
    inner = character_tokenizer("ab", 16).inner
    inner.eos_token = None
    with pytest.raises(DataError, match="no end-of-sequence token"):
        Tokenizer(inner)
    with pytest.raises(DataError, match="no tokenizer that transformers can load"):
        Tokenizer.load(tmp_path)
