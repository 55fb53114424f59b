"""Settings of any class from plain values, and what is wrong with them in words that name the dotted key. Loads nothing that is slow to load."""

from collections.abc import Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from autotelic.errors import SettingError, nearest

Checked = TypeVar("Checked", bound=BaseModel)


def checked(cls: type[Checked], values: Mapping[str, Any]) -> Checked:
    """An instance of a settings class, with errors that name the dotted key."""
    try:
        return cls(**{key: laid_over(getattr(cls.model_fields.get(key), "default", None), value) for key, value in values.items()})
    except ValidationError as error:
        raise SettingError("; ".join(explain(cls, problem) for problem in error.errors())) from error


def laid_over(default: Any, value: Any) -> Any:
    """`value` laid over `default`: where both are groups of settings, what the value leaves out is the default's, not its class's."""
    if not (isinstance(default, BaseModel) and isinstance(value, Mapping)):
        return value
    return {**dict(default), **{key: laid_over(getattr(default, key, None), inner) for key, inner in value.items()}}


def explain(cls: type[BaseModel], problem: Mapping[str, Any]) -> str:
    """One validation problem in words."""
    *parents, key = [str(part) for part in problem["loc"]] or [""]
    dotted = ".".join([*parents, key])
    if problem["type"] == "value_error":
        reason = problem["msg"].removeprefix("Value error, ")
        # Of a group: two of its settings do not go together, and the reason names them.
        return ".".join(filter(None, [dotted, reason])) if isinstance(problem["input"], Mapping) else f"{dotted}: {reason}"
    if problem["type"] != "extra_forbidden":
        return f"{dotted} = {problem['input']!r}: {problem['msg'].lower()}"
    inner: Any = cls
    for part in parents:
        inner = getattr(inner, "model_fields", {}).get(part)
        inner = getattr(inner, "annotation", None)
        inner = next((choice for choice in get_args(inner) if hasattr(choice, "model_fields")), inner)
    return f"no setting {dotted!r}; {nearest(key, getattr(inner, 'model_fields', {}))}"
