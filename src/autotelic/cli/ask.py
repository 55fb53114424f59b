"""`autotelic eval` and `autotelic sample`: a model on tasks, or on what a person says to it."""

import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autotelic.cli import lists
from autotelic.cli.options import (
    PUTTING,
    SAMPLING,
    AnswerColumn,
    Chat,
    Engine,
    Json,
    Model,
    PromptColumn,
    Seed,
    SliceColumn,
    System,
    Tasks,
    TemplateText,
    TopK,
    TopP,
    Variables,
    Verifier,
    variables,
)  # fmt: skip
from autotelic.errors import harmless
from autotelic.runs.stopping import stoppable

if TYPE_CHECKING:
    from autotelic.runs.talking import Conversation, Reply, Talk
    from autotelic.types import Prompt

RESET = "/reset"


@stoppable()
def evaluate(
    model: Model,
    tasks: Tasks,
    settings: Annotated[list[str] | None, typer.Argument(help="Further ways, and settings of ways as dotted.key=value.", show_default=False)] = None,
    way: Annotated[
        list[str] | None,
        typer.Option(
            help="A way of answering to set beside plain sampling, as NAME, 'NAME?key=value' or a .py file that declares one; may be repeated.",
            autocompletion=lists.way_names,
            show_default=False,
        ),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Samples per task, for pass@k and majority@k; default: 8, none at temperature 0, 64 beside ways.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most tasks.")] = 1000,
    seed: Seed = 0,
    out: Annotated[
        Path | None, typer.Option(help="File of JSON lines to write: prompts, completions, answers and verdicts.", show_default=False)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over the file of --out.")] = False,
    as_json: Json = False,
    engine: Engine = None,
    prompt_column: PromptColumn = None,
    answer_column: AnswerColumn = None,
    slice_column: SliceColumn = None,
    verifier: Verifier = None,
    template: TemplateText = None,
    system: System = None,
    chat: Chat = False,
    chat_template_kwargs: Variables = None,
    temperature: Annotated[float, typer.Option(min=0, help="Of the samples; greedy accuracy needs none.", rich_help_panel=SAMPLING)] = 1.0,
    top_p: TopP = 1.0,
    top_k: TopK = 0,
    max_tokens: Annotated[
        int | None,
        typer.Option(min=1, help="Most new tokens; default: 256, or what the context leaves.", rich_help_panel=SAMPLING, show_default=False),
    ] = None,
) -> None:
    """Accuracy, pass@k and majority@k with 95% intervals; or ways of answering beside plain answers at no more tokens."""
    from autotelic.errors import SettingError
    from autotelic.runs.checking import checked
    from autotelic.runs.evaluating import Ask, evaluate, lines
    from autotelic.runs.settings import RunSettings, given
    from autotelic.types import Sampling

    reading = given(prompt_column=prompt_column, answer_column=answer_column, slice_column=slice_column, verifier=verifier)
    putting = given(template=template, system=system, chat=chat or None, chat_template_kwargs=variables(chat_template_kwargs))
    of_run = {**reading, **putting, **given(engine=engine)}
    sampling = checked(Sampling, {"temperature": temperature, "top_p": top_p, "top_k": top_k})
    if way:
        from autotelic.runs.way_lines import told
        from autotelic.runs.ways import POOL, chosen, evaluate_ways

        extra = settings or []
        ways, own = chosen([*way, *(text for text in extra if "=" not in text.partition("?")[0])], [t for t in extra if "=" in t.partition("?")[0]])
        asked = Ask(POOL if samples is None else samples, sampling, max_tokens, limit, seed)
        found = evaluate_ways(model, tasks, checked(RunSettings, {**of_run, **own}), asked, ways, out, force)
        print(json.dumps(found, indent=2) if as_json else harmless("\n".join(told(found))))
        return
    if settings:
        raise SettingError(f"{settings[0]!r}: only ways of answering have settings here; say --way NAME")
    count = samples if samples is not None else 8 if temperature else 0
    numbers = evaluate(model, tasks, checked(RunSettings, of_run), Ask(count, sampling, max_tokens, limit, seed), out, force)
    print(json.dumps(numbers, indent=2) if as_json else harmless("\n".join(lines(numbers))))


def sample(
    model: Model,
    prompt: Annotated[
        str | None, typer.Argument(help="What to say; without it, a conversation (plain text: every line a prompt).", show_default=False)
    ] = None,
    n: Annotated[int, typer.Option("-n", min=1, help="Completions of the prompt.")] = 1,
    system: System = None,
    chat: Annotated[
        bool | None,
        typer.Option(
            "--chat/--raw",
            help="Chat messages through the model's chat template, or plain text; default: chat where the model has a template.",
            rich_help_panel=PUTTING,
            show_default=False,
        ),
    ] = None,
    chat_template_kwargs: Variables = None,
    temperature: Annotated[float, typer.Option(min=0, help="0 is greedy.", rich_help_panel=SAMPLING)] = 0.0,
    top_p: TopP = 1.0,
    top_k: TopK = 0,
    max_tokens: Annotated[
        int | None,
        typer.Option(min=1, help="Most new tokens; default: 512, or what the context leaves.", rich_help_panel=SAMPLING, show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the samples.", rich_help_panel=SAMPLING)] = 0,
    engine: Engine = None,
) -> None:
    """Talk to a model: one question, or a conversation. The answer appears while it is made."""
    from autotelic.errors import SettingError
    from autotelic.runs.checking import checked
    from autotelic.runs.models import load_policy
    from autotelic.runs.settings import RunSettings, given
    from autotelic.runs.talking import Conversation, Talk, chats, with_system
    from autotelic.types import Message, Sampling

    if n > 1 and temperature == 0:
        raise SettingError("-n: at temperature 0 all completions are the same; say --temperature 1")
    settings = checked(RunSettings, given(engine=engine, chat_template_kwargs=variables(chat_template_kwargs)))
    sampling = checked(Sampling, {"temperature": temperature, "top_p": top_p, "top_k": top_k})
    policy = load_policy("model", model, settings)
    talk = Talk(policy, sampling, max_tokens, seed)
    as_chat = chats(policy, chat, system)
    if prompt is None and as_chat:
        if n > 1:
            raise SettingError("-n: a conversation has one reply to everything; give a prompt")
        converse(Conversation(talk, system))
        return
    for place, text in enumerate(said() if prompt is None else [prompt]):
        complete(talk, with_system(system, [Message(role="user", content=text)]) if as_chat else text, place, n)


def complete(talk: "Talk", prompt: "Prompt", place: int, n: int) -> None:
    """Print the completions of a prompt: one while it is made, several when all are done, with a line between those that have several lines."""
    if n == 1:
        show_reply(talk.stream(prompt, place, show))
        return
    replies = talk.complete(prompt, place, n)
    long = any("\n" in reply.text for reply in replies)
    show(("\n---\n" if long else "\n").join(reply.text for reply in replies) + "\n")
    if cut := [reply.cut for reply in replies if reply.cut]:
        note(f"{len(cut)} of {n}: {cut[0]}")


def converse(conversation: "Conversation") -> None:
    """Turn by turn, until there is nothing more to read; on a terminal also until an empty line."""
    from autotelic.errors import DataError

    here = sys.stdin.isatty()
    if here:
        note(f"an empty line or Ctrl-D ends, {RESET} begins anew, Ctrl-C stops a reply")
    for text in said():
        if not text.strip():
            break
        if text.strip() == RESET:
            conversation.reset()
            continue
        try:
            show_reply(conversation.say(text, show))
        except DataError as error:
            if not here:
                raise
            note(f"{error}; {RESET} begins anew")


def said() -> Iterator[str]:
    """What a person types, with a prompt on a terminal, or what comes in on standard input, line by line.

    Raises:
        DataError: a line is not text.
    """
    from autotelic.errors import DataError

    line = typed if sys.stdin.isatty() else piped
    number = 0
    while True:
        number += 1
        try:
            text = line()
            if text is None:
                return
            text.encode()
        except UnicodeError as error:
            raise DataError(f"standard input line {number}: is not UTF-8") from error
        yield text.rstrip("\r\n")


def piped() -> str | None:
    """A line of standard input; None when there are no more."""
    return sys.stdin.readline() or None


def typed() -> str | None:
    """A line typed at a terminal, with its usual editing; None when there are no more."""
    with suppress(ImportError):
        import readline  # noqa: F401 - gives `input` its editing
    try:
        if sys.stdout.isatty():
            return input("> ")
        print("> ", end="", file=sys.stderr, flush=True)  # what is written to a file is only what the model says
        return sys.stdin.readline() or None
    except (EOFError, KeyboardInterrupt):
        print(file=sys.stderr)
        return None


def show(piece: str) -> None:
    """A piece of a reply, at once. A terminal gets it without control codes; a file gets what the model said."""
    print(harmless(piece) if sys.stdout.isatty() else piece, end="", flush=True)


def show_reply(reply: "Reply") -> None:
    """The end of a reply that was shown."""
    print(flush=True)
    if reply.cut:
        note(reply.cut)


def note(text: str) -> None:
    """Something beside what the model says."""
    print(f"({harmless(text)})", file=sys.stderr, flush=True)
