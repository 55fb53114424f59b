"""Options that several commands share, under one name and with one meaning. No command, and nothing that is slow to import."""

import json
from typing import Annotated, Any

import typer

Model = Annotated[str, typer.Argument(help="Shipped base, model folder, adapter folder, GGUF file or hub name.", show_default=False)]
SOURCES = "JSONL, Parquet or CSV file, world, or Hugging Face data set; several by weight as 'a.jsonl*2 + b.jsonl'."
Tasks = Annotated[str, typer.Option(help=SOURCES, show_default=False)]
Seed = Annotated[int, typer.Option(help="Seed of generated tasks and of samples.")]
Budget = Annotated[
    str | None,
    typer.Option(help="What a run may use: 5m of wall time, 200k sampled tokens, 200k-trained, 1M-passes.", show_default=False),
]
Engine = Annotated[str | None, typer.Option(help="auto, native, torch, or one that another package ships; default: auto.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print only the verdict.")]
Overrides = Annotated[list[str] | None, typer.Argument(help="Settings as dotted.key=value, of the recipe or of the run.", show_default=False)]

READING, PUTTING, SAMPLING = "How tasks are read", "How they are put to the model", "How it samples"
"""Headings of the help."""

PromptColumn = Annotated[
    str | None,
    typer.Option(help="Column of a file that holds the prompt; default: prompt or messages.", rich_help_panel=READING, show_default=False),
]
AnswerColumn = Annotated[
    str | None,
    typer.Option(
        help="Column of a file that holds the answer; default: answer, solution or ground_truth.", rich_help_panel=READING, show_default=False
    ),
]
SliceColumn = Annotated[
    str | None, typer.Option(help="Column of a file by whose values results are told apart.", rich_help_panel=READING, show_default=False)
]
Verifier = Annotated[
    str | None,
    typer.Option(help="exact, number or math: how answers of a file are compared; default: exact.", rich_help_panel=READING, show_default=False),
]
TemplateText = Annotated[
    str | None,
    typer.Option(
        "--template", help="Text around each prompt, with columns in braces: '{question} Answer:'.", rich_help_panel=PUTTING, show_default=False
    ),
]
System = Annotated[
    str | None,
    typer.Option(help="System message in front; text prompts then become chat messages.", rich_help_panel=PUTTING, show_default=False),
]
Chat = Annotated[bool, typer.Option("--chat", help="Put text prompts through the model's chat template.", rich_help_panel=PUTTING)]
Variables = Annotated[
    str | None,
    typer.Option(
        "--chat-template-kwargs",
        help="""Variables of the chat template as JSON: '{"enable_thinking": false}'.""",
        rich_help_panel=PUTTING,
        show_default=False,
    ),
]
TopP = Annotated[float, typer.Option(min=0, max=1, help="Sample from the likeliest tokens that together have this chance.", rich_help_panel=SAMPLING)]
TopK = Annotated[int, typer.Option(min=0, help="Sample from so many of the likeliest tokens; 0: from all.", rich_help_panel=SAMPLING)]


def variables(text: str | None) -> dict[str, Any] | None:
    """The value of --chat-template-kwargs.

    Raises:
        SettingError: it is not a JSON object.
    """
    from autotelic.errors import SettingError

    if text is None:
        return None
    try:
        found = json.loads(text)
    except json.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise SettingError(f"""chat_template_kwargs = {text!r}: expected a JSON object such as {{"enable_thinking": false}}""")
    return found
