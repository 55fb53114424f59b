"""Text that is shown while it is made: the same as all at once, and never half a character; conversations and their limits."""

from pathlib import Path

import pytest
from chatting import byte_tokenizer, chat_model
from hypothesis import given
from hypothesis import strategies as st

from autotelic.errors import DataError, SettingError
from autotelic.runs.models import load_policy
from autotelic.runs.settings import RunSettings
from autotelic.runs.talking import Conversation, Spelling, Talk, chats
from autotelic.types import Sampling, StopReason

BYTES = byte_tokenizer()


def talk(folder: Path, engine: str = "native", **settings: float) -> Talk:
    sampling = {"temperature": 1.0, **settings}
    return Talk(load_policy("model", str(chat_model(folder)), RunSettings(engine=engine)), Sampling(**sampling), 40)  # type: ignore[arg-type]


@given(st.text(min_size=1))
def test_pieces_are_the_text_and_no_piece_is_half_a_character(text: str) -> None:
    tokens, pieces = BYTES.encode(text), list[str]()
    spelling = Spelling(BYTES.decode, pieces.append)
    for count in range(1, len(tokens) + 1):
        spelling(tokens[:count])
    assert spelling.finish(tokens) == "".join(pieces) == text
    assert text.count("\ufffd") == sum(piece.count("\ufffd") for piece in pieces)


def test_a_character_of_several_tokens_comes_with_its_last() -> None:
    tokens, pieces = BYTES.encode("a€b"), list[str]()
    assert len(tokens) == 5, "the sign is three bytes"
    spelling = Spelling(BYTES.decode, pieces.append)
    shown = []
    for count in range(1, 6):
        spelling(tokens[:count])
        shown.append("".join(pieces))
    assert shown == ["a", "a", "a", "a€", "a€b"]


def test_a_decoder_that_takes_back_a_space_loses_nothing() -> None:
    pieces: list[str] = []
    spelling = Spelling(lambda ids: {1: "So ", 2: "So", 3: "So.", 4: "So. Well"}[len(ids)], pieces.append)
    for count in range(1, 5):
        spelling(range(count))
    assert spelling.finish(range(4)) == "So. Well" and pieces == ["So ", ".", " Well"]


@pytest.mark.parametrize("engine", ["native", "torch"])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_streaming_changes_nothing(engine: str, temperature: float, tmp_path: Path) -> None:
    speaker = talk(tmp_path / "m", engine, temperature=temperature)
    for place in range(6):
        pieces: list[str] = []
        streamed = speaker.stream("2 plus 3", place, pieces.append)
        assert streamed == speaker.complete("2 plus 3", place, 1)[0] and "".join(pieces) == streamed.text


def test_a_conversation_reads_what_was_said_before(tmp_path: Path) -> None:
    speaker = talk(tmp_path / "m")
    one = Conversation(speaker, "Be brief.")
    replies = [one.say(text, lambda _: None).text for text in ("2 plus 3?", "and 1?")]
    assert [message["content"] for message in one.history] == ["2 plus 3?", replies[0], "and 1?", replies[1]]
    asked = [{"role": "system", "content": "Be brief."}, *one.history[:3]]
    assert speaker.complete(asked, 1, 1)[0].text == replies[1]  # type: ignore[arg-type]
    one.reset()
    assert one.history == [] and one.say("2 plus 3?", lambda _: None).text == speaker.complete(asked[:2], 2, 1)[0].text  # type: ignore[arg-type]


def test_what_cuts_a_reply_off_is_said(tmp_path: Path) -> None:
    speaker = talk(tmp_path / "m")
    cut = [reply for i in range(20) if (reply := speaker.complete("2", i, 1)[0]).stop is StopReason.LENGTH]
    assert cut and {reply.cut for reply in cut} == {"cut off after 40 tokens"}
    long = "2" * 170
    full = [reply for i in range(20) if (reply := speaker.complete(long, i, 1)[0]).stop is StopReason.LENGTH]
    assert full and {reply.cut for reply in full} == {"the model's context of 192 tokens is full"}
    one = Conversation(speaker)
    one.say("2", lambda _: None)
    before = list(one.history)
    with pytest.raises(DataError, match=r"the prompt of \d+ tokens fills the model's context of 192"):
        one.say("2" * 200, lambda _: None)
    assert one.history == before, "what did not fit is not part of the conversation"


def test_who_is_spoken_to_in_chat_messages(tmp_path: Path) -> None:
    taught = load_policy("m", str(chat_model(tmp_path / "chat")), RunSettings())
    plain = load_policy("m", str(chat_model(tmp_path / "plain", template=None)), RunSettings())
    base = load_policy("m", "chain-medium", RunSettings())
    assert [chats(policy, None, None) for policy in (taught, plain, base)] == [True, False, False], "a base's template is only a default"
    assert [chats(taught, False, None), chats(base, True, None), chats(base, None, "x")] == [False, True, True]
    for wanted, system, part in ((True, None, "chat: "), (None, "x", "system: ")):
        with pytest.raises(SettingError, match=part + ".* has no chat template"):
            chats(plain, wanted, system)
    with pytest.raises(SettingError, match="plain text has no system message"):
        chats(taught, False, "x")
