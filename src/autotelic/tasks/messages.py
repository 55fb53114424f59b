"""Texts and chat messages in the columns of a record: what they must hold, and where a conversation ends in a completion. Not the columns' names."""

from collections.abc import Mapping
from typing import Any, cast

from autotelic.errors import DataError, nearest
from autotelic.tasks.formats import kind
from autotelic.types import Message, Prompt


def check_text(where: str, value: Any) -> str:
    """A text that is not blank and can be encoded."""
    if not isinstance(value, str):
        raise DataError(f"{where}: expected text, got {kind(value)}")
    if not value.strip():
        raise DataError(f"{where}: is empty")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{where}: holds half of a surrogate pair at character {error.start}, which no encoding can write") from error
    return value


def prompt_in(where: str, value: Any) -> Prompt:
    if isinstance(value, list):
        messages = messages_in(where, value)
        if messages[-1]["role"] == "assistant":
            raise DataError(f"{where}: the prompt ends with a message of the assistant; put whole conversations into the column 'messages'")
        return messages
    if value is None or isinstance(value, str):
        return check_text(where, value or "")
    raise DataError(f"{where}: expected text or a list of messages, got {kind(value)}")


def messages_in(where: str, value: Any) -> list[Message]:
    if not isinstance(value, list) or not value:
        raise DataError(f"{where}: expected a list of messages, got {'an empty list' if value == [] else kind(value)}")
    messages: list[Message] = []
    for number, message in enumerate(value, 1):
        at = f"{where}, message {number}"
        if not isinstance(message, dict):
            raise DataError(f"{at}: expected an object with 'role' and 'content', got {kind(message)}")
        messages.append(message_in(at, message))
    return messages


def message_in(at: str, message: Mapping[str, Any]) -> Message:
    """A message; what it holds beside role and content, such as `tool_calls`, reaches the chat template as it is."""
    given = {str(name): value for name, value in message.items() if value is not None}
    calls = given.get("role") == "assistant" and given.get("tool_calls")
    for name in ("role", "content"):
        if name not in message and not (calls and name == "content"):
            raise DataError(f"{at}: no {name!r}: {nearest(name, map(str, message))}")
    content = text_of_parts(f"{at}, 'content'", message.get("content"))
    checked = "" if calls and not content else check_text(f"{at}, 'content'", content)
    rest = {name: value for name, value in given.items() if name not in ("role", "content")}
    return cast(Message, {"role": check_text(f"{at}, 'role'", message["role"]), "content": checked, **rest})


def text_of_parts(where: str, content: Any) -> Any:
    """The text of a content that is a list of parts, as of models that also see; other contents as they are."""
    if not isinstance(content, list):
        return content
    for part in content:
        if not isinstance(part, Mapping) or part.get("type") != "text":
            raise DataError(f"{where}: only parts of the type 'text' are read, got {part.get('type') if isinstance(part, Mapping) else kind(part)!r}")
    return "".join(check_text(where, part.get("text")) for part in content)


def split_messages(where: str, value: Any) -> tuple[Prompt, str | None]:
    """What stands before the final message of the assistant, and that message; all of it when another speaks last."""
    messages = messages_in(where, value)
    if messages[-1]["role"] != "assistant":
        return messages, None
    if len(messages) == 1:
        raise DataError(f"{where}: nothing stands before the message of the assistant; a prompt is needed")
    return messages[:-1], messages[-1]["content"] or None


def completion_in(where: str, value: Any) -> str | None:
    """A completion: text, or a list with one message of the assistant."""
    if value is None or value == "":
        return None
    if isinstance(value, list):
        messages = messages_in(f"{where}, column 'completion'", value)
        if len(messages) != 1:
            raise DataError(f"{where}, column 'completion': expected one message, got {len(messages)}")
        return messages[0]["content"]
    return check_text(f"{where}, column 'completion'", value)
