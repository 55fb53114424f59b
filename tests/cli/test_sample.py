"""`autotelic sample`: chat where there is a template, streams, conversations, and what is said when something does not fit."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from chatting import REFUSING, chat_model
from command import call
from complaints import ENVIRONMENT, names

QUESTION = "What is 2 plus 3?"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chat_model(tmp_path_factory.mktemp("models") / "chat")


def put(text: str, *before: tuple[str, str]) -> str:
    """The text of messages in the template of `model`, with the assistant's turn opened."""
    turns = [*before, ("user", text)]
    return "".join(f"<|open|>{role}\n{content}<|close|>\n" for role, content in turns) + "<|open|>assistant\n"


def expected(model: Path, prompt: str, place: int = 0) -> str:
    """What the model says to the rendered text of a prompt, asked at a place."""
    return several(model, prompt, place, 1)[0]


def several(model: Path, prompt: str, place: int, n: int) -> list[str]:
    """The same, n times."""
    from autotelic.engines.base import Request
    from autotelic.runs.models import load_policy
    from autotelic.runs.settings import RunSettings
    from autotelic.streams import key
    from autotelic.types import Sampling

    policy = load_policy("m", str(model), RunSettings())
    tokens = policy.tokenizer.encode(prompt, special_text=True)
    request = Request(tuple(tokens), tuple(key("sample", 0, place, i) for i in range(n)), Sampling(temperature=1.0, max_tokens=30))
    found = policy.batcher.engine.generate(policy.model, [request], policy.tokenizer.vocabulary)[0]
    return [policy.tokenizer.decode(completion.tokens) for completion in found]


HOT = ("--temperature", 1, "--max-tokens", 30)


def test_a_chat_model_is_asked_through_its_template(model: Path) -> None:
    assert call("sample", model, QUESTION, *HOT).out == expected(model, put(QUESTION)) + "\n"
    assert call("sample", model, QUESTION, *HOT, "--system", "Be brief.").out == expected(model, put(QUESTION, ("system", "Be brief."))) + "\n"
    assert call("sample", model, QUESTION, *HOT, "--raw").out == expected(model, QUESTION) + "\n"
    off = call("sample", model, QUESTION, *HOT, "--chat-template-kwargs", '{"enable_thinking": false}').out
    assert off == expected(model, put(QUESTION) + "<think></think>") + "\n"


def test_a_conversation_from_standard_input(model: Path) -> None:
    found = call("sample", model, *HOT, stdin=f"{QUESTION}\r\nand 1?\n/reset\nand 2?\n\nnever asked\n")
    first = expected(model, put(QUESTION))
    second = expected(model, put("and 1?", ("user", QUESTION), ("assistant", first)), 1)
    third = expected(model, put("and 2?"), 2)
    assert found.out == "".join(f"{said}\n" for said in (first, second, third)) and found.status == 0


def test_plain_text_is_a_prompt_a_line(model: Path) -> None:
    found = call("sample", model, *HOT, "--raw", stdin="2 plus\n3 plus\n")
    assert found.out == f"{expected(model, '2 plus')}\n{expected(model, '3 plus', 1)}\n"


def test_several_completions_have_a_line_between_them_where_one_has_several_lines(model: Path) -> None:
    for prompt, marked in (("2 plus", False), ("answer", True)):
        texts = several(model, prompt, 0, 3)
        assert any("\n" in text for text in texts) == marked, "the case that is meant"
        assert call("sample", model, prompt, *HOT, "--raw", "-n", 3).out == ("\n---\n" if marked else "\n").join(texts) + "\n"


def test_limits_are_said(model: Path) -> None:
    names(call("sample", model, "2 " * 200).complaint, "the prompt of", "tokens fills the model's context of 192")
    found = call("sample", model, "2 " * 70, "--max-tokens", 500)
    assert found.status == 0 and found.err == "(the model's context of 192 tokens is full)\n"
    assert call("sample", model, QUESTION, "--max-tokens", 2).err == "(cut off after 2 tokens)\n"
    talked = call("sample", model, *HOT, stdin=f"{QUESTION}\n{'2 ' * 200}\n")
    assert talked.status == 1 and talked.out == expected(model, put(QUESTION)) + "\n", "what was said stays"
    names(talked.err.splitlines()[-1], "error: the prompt of", "context of 192")


def test_what_does_not_go_together(model: Path, tmp_path: Path) -> None:
    plain = chat_model(tmp_path / "plain", template=None)
    for arguments, parts in (
        ((model, QUESTION, "--raw", "--system", "x"), ["system: plain text has no system message"]),
        ((model, "-n", 2, "--temperature", 1), ["-n: a conversation has one reply"]),
        ((model, QUESTION, "-n", 2), ["-n: at temperature 0 all completions are the same"]),
        ((plain, QUESTION, "--chat"), ["chat: ", "plain has no chat template"]),
        ((plain, QUESTION, "--system", "x"), ["system: ", "plain has no chat template"]),
        ((model, QUESTION, "--chat-template-kwargs", "enable_thinking=false"), ["chat_template_kwargs = ", 'such as {"enable_thinking": false}']),
        (
            (model, QUESTION, "--chat-template-kwargs", '{"enable_thinkin": false}'),
            ["chat_template_kwargs.enable_thinkin", "did you mean 'enable_thinking'"],
        ),
        ((model, QUESTION, "--chat-template-kwargs", '{"messages": []}'), ["chat_template_kwargs.messages"]),
        ((model, QUESTION, "--top-p", 0), ["top_p = 0"]),
        ((model, QUESTION, "--engine", "vlm"), ["engine = 'vlm'"]),
    ):
        names(call("sample", *arguments).complaint, *parts)
    assert call("sample", model, QUESTION, "--temperature", -1).status == 2


def test_a_template_that_refuses_is_told_in_one_line(tmp_path: Path) -> None:
    refusing = chat_model(tmp_path / "refusing", template=REFUSING)
    names(call("sample", refusing, QUESTION, "--system", "x").complaint, "chat template", "System role not supported")
    assert call("sample", refusing, QUESTION, "--max-tokens", 2).status == 0


def process(*arguments: object, **options: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "autotelic", "sample", *map(str, arguments)]
    environment = ENVIRONMENT | {"HF_HUB_OFFLINE": "1"} | options.pop("env", {})  # type: ignore[operator]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)


def test_bytes_that_are_no_text_are_refused_and_what_cannot_be_written_is_replaced(model: Path) -> None:
    out, err = process(model).communicate(b"2 plus\xff\n")
    assert (out, err) == (b"", b"error: standard input line 1: is not UTF-8\n")
    text = call("sample", model, QUESTION, *HOT, "--raw").out
    assert not text.isascii(), "the model writes more than ASCII here"
    out, err = process(model, QUESTION, *HOT, "--raw", env={"PYTHONIOENCODING": "ascii"}).communicate()
    assert out.decode("ascii") == text.encode("ascii", "replace").decode() and err == b"(cut off after 30 tokens)\n"


def test_a_reader_that_leaves_ends_it_quietly(model: Path) -> None:
    with process(model, QUESTION, "--max-tokens", 150) as talk:
        assert talk.stdout and talk.stderr
        talk.stdout.close()
        assert talk.stderr.read() == b"" and talk.wait() != 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a pseudo-terminal")
def test_at_a_terminal(model: Path) -> None:
    """A prompt to type at, Ctrl-C that stops a reply and not the conversation, a text that does not fit, and Ctrl-D."""
    import pty

    child, terminal = pty.fork()
    if child == 0:
        os.environ.update(ENVIRONMENT | {"HF_HUB_OFFLINE": "1", "TERM": "dumb"})
        os.execv(sys.executable, [sys.executable, "-m", "autotelic", "sample", str(model), "--max-tokens", "20"])
    seen, end = b"", time.monotonic() + 60

    def until(mark: bytes, count: int) -> None:
        nonlocal seen
        while seen.count(mark) < count and time.monotonic() < end:
            seen += os.read(terminal, 4096)

    until(b"> ", 1)
    for turn, line in enumerate((QUESTION, "2 " * 200, "/reset", "and 1?"), 2):
        os.write(terminal, line.encode() + b"\n")
        until(b"> ", turn)
    os.write(terminal, b"\x04")
    assert os.waitpid(child, 0)[1] == 0
    text = seen.decode(errors="replace")
    names(text, "an empty line or Ctrl-D ends", "fills the model's context of 192; /reset begins anew)", "(cut off after 20 tokens)")


def test_help_names_what_it_can_do() -> None:
    text = " ".join(call("sample", "--help").out.split())
    names(text, "conversation", "--raw", "--system", "--top-p", "--chat-template-kwargs")
