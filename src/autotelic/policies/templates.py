"""Chat templates, rendered within limits: as transformers renders them, but a template that loops or grows ends in an error.

A template comes with the model and is not trusted. It runs in Jinja's sandbox, which keeps it from the machine but not from running forever. Here every step
of a loop, every call and everything that is made of text, lists or numbers is paid from an allowance, which does not depend on the machine or its load: the
same template and messages give the same text, or the same error, everywhere. Not a template engine: parsing and running are Jinja's.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from functools import cache, wraps
from typing import Any, cast

from jinja2 import TemplateError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.meta import find_undeclared_variables
from jinja2.parser import Parser
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace
from jinja2.visitor import NodeTransformer

from autotelic.errors import DataError

ALLOWANCE, PER_CHARACTER = 10_000_000, 100
"""What one rendering may spend, and what it may spend more for every character or item of its messages."""
STEP, ITEM = 250, 10
"""What a step of a loop or a call costs, and an item of a list, each much more time than a character of a text."""
LONGEST_TEMPLATE = 1_000_000
"""Characters of a template; the longest published ones have about 20,000."""
LARGEST_NUMBER = 10**9
UNBOUNDED = ("lipsum", "random", "striptags", "urlize", "wordwrap", "xmlattr")
"""Of Jinja's filters and globals, those whose work does not follow from the size of what they are given, or that draw at random."""


class _TooMuchError(TemplateError):
    """The allowance is used up."""


class _Allowance:
    """What is left to spend."""

    def __init__(self, left: int) -> None:
        self.left = left

    def spend(self, amount: int) -> None:
        self.left -= amount
        if self.left < 0:
            raise _TooMuchError("it does not come to an end, or makes too much of its messages")

    def afford(self, amount: int) -> None:
        """Raises where so much could not be spent, without spending it: asked before what might be large is made."""
        if amount > self.left:
            raise _TooMuchError("it makes too much of its messages")


_allowance: ContextVar[_Allowance] = ContextVar("allowance")


def size(value: Any, most: int) -> int:
    """How large a value is: characters of its texts, and `ITEM` for everything in it. Stops counting beyond `most`."""
    total, waiting = 0, [value]
    while waiting and total <= most:
        one = waiting.pop()
        total += ITEM
        if isinstance(one, str | bytes):
            total += len(one)
        elif isinstance(one, Mapping):
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, list | tuple | set | frozenset):
            waiting += one
        elif isinstance(one, int) and abs(one) > LARGEST_NUMBER:
            raise _TooMuchError(f"it makes a number beyond {LARGEST_NUMBER}")
    return total


def paid(value: Any) -> Any:
    """A value, paid for by its size."""
    allowance = _allowance.get()
    allowance.spend(size(value, allowance.left))
    return value


def foresee(values: Iterable[Any]) -> None:
    """Raises where what is made of `values` could be too large: at most the product of the two largest, a number counting as a length."""
    allowance, (second, first) = _allowance.get(), (1, 1)
    for value in values:
        much = abs(value) if isinstance(value, int) else len(value) if isinstance(value, str) else size(value, allowance.left)
        second, first = sorted((second, first, much + 1))[1:]
    allowance.afford(first * second)


def foresee_format(text: Any) -> None:
    """Raises where a format asks for a field of a thousand characters or more, or of a width that is computed."""
    if isinstance(text, str) and re.search(r"[0-9]{4}|%[^a-zA-Z%]*\*|\{[^{}]*\{", text):
        raise _TooMuchError("it formats text to a width of more than 999")


class _Steps:
    """What a loop goes through, each step paid for. Has a length where that has one: `loop.length` asks."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __len__(self) -> int:
        return len(self.inner)

    def __iter__(self) -> Iterator[Any]:
        for item in self.inner:
            _allowance.get().spend(STEP)
            yield item


class _Insert(NodeTransformer):
    """Rewrites a parsed template so that loops, joined texts and collections go through the filters below."""

    def visit_For(self, node: nodes.For) -> nodes.Node:
        self.generic_visit(node)
        node.iter = _filtered(cast(nodes.Expr, node.iter), "_steps")
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        first, *others = node.nodes
        return _filtered(first, "_joined", others)

    def visit_List(self, node: nodes.List) -> nodes.Node:
        self.generic_visit(node)
        return _filtered(node, "_paid")

    visit_Dict = visit_List

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:
        self.generic_visit(node)
        return _filtered(node, "_paid") if node.ctx == "load" else node


def _filtered(node: nodes.Expr, name: str, arguments: Iterable[nodes.Expr] = ()) -> nodes.Filter:
    return nodes.Filter(node, name, list(arguments), [], None, None, lineno=node.lineno)


class _Generation(Extension):
    """The tag that marks what the assistant wrote, for those who train on it. Here it only encloses."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)


class _Namespace(Namespace):
    """Jinja's, without names that begin with an underscore, and without showing what it holds: that may hold it in turn."""

    def __init__(*args: Any, **options: Any) -> None:
        for name in dict(*args[1:], **options):
            _check_name(name)
        Namespace.__init__(*args, **options)

    def __setitem__(self, name: str, value: Any) -> None:
        _check_name(name)
        super().__setitem__(name, value)

    def __repr__(self) -> str:
        return "<Namespace>"


def _check_name(name: Any) -> None:
    if isinstance(name, str) and name.startswith("_"):
        raise TemplateError(f"it names an attribute {name!r}, with an underscore first")


class _Environment(ImmutableSandboxedEnvironment):
    """The sandbox of transformers, with everything that can loop or grow paid for."""

    intercepted_binops = frozenset(("+", "-", "*", "/", "//", "%", "**"))

    def __init__(self) -> None:
        super().__init__(trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols])
        self.globals |= {"raise_exception": _refuse, "strftime_now": _now, "dict": dict, "namespace": _Namespace}
        self.filters |= {"tojson": _to_json}
        for name in UNBOUNDED:
            self.globals.pop(name, None)
            self.filters.pop(name, None)
        self.filters = {name: _bounded(function) for name, function in self.filters.items()}
        self.filters |= {"_steps": _Steps, "_paid": paid, "_joined": _joined}
        self.concat = _concat  # type: ignore[method-assign]

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator in ("*", "**"):
            foresee([left, right])
        if operator == "**" and isinstance(right, int) and abs(right) > 32:
            raise _TooMuchError(f"it makes a number beyond {LARGEST_NUMBER}")
        if operator == "%":
            foresee_format(left)
        return paid(super().call_binop(context, operator, left, right))

    def call(__self, __context: Context, __obj: Any, *args: Any, **options: Any) -> Any:
        allowance = _allowance.get()
        allowance.spend(STEP)
        owner = getattr(__obj, "__self__", None)
        foresee([owner if isinstance(owner, str | bytes | list | tuple) else None, *args, *options.values()])
        if getattr(__obj, "__name__", None) in ("format", "format_map"):
            foresee_format(owner if isinstance(owner, str) else getattr(getattr(__obj, "__wrapped__", None), "__self__", None))
        handed = [_Steps(arg) for arg in args] if isinstance(__obj, LoopContext) else [paid(arg) for arg in args]
        return paid(super().call(__context, __obj, *handed, **{name: paid(value) for name, value in options.items()}))

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return attr != "encode" and super().is_safe_attribute(obj, attr, value)


def _bounded(function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that is paid for."""

    @wraps(function)
    def wrapper(*args: Any, **options: Any) -> Any:
        foresee([*args, *options.values()])
        if function.__name__ == "do_format":
            foresee_format(args[0])
        _allowance.get().spend(STEP)
        return paid(function(*args, **options))

    return wrapper


def _joined(*parts: Any) -> str:
    return cast(str, paid("".join(map(str, parts))))


def _concat(parts: Iterable[Any]) -> str:
    return "".join(paid(part) for part in parts)


def _to_json(
    value: Any, ensure_ascii: bool = False, indent: int | str | None = None, separators: tuple[str, str] | None = None, sort_keys: bool = False
) -> str:
    """Not Jinja's own, which escapes for HTML."""
    if (isinstance(indent, int) and indent > 32) or (isinstance(indent, str) and len(indent) > 32):
        raise _TooMuchError("it indents by more than 32")
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _now(form: str) -> str:
    foresee_format(form)
    return datetime.now().strftime(form)


class _RefusedError(TemplateError):
    """The template said so itself."""


def _refuse(message: object) -> None:
    raise _RefusedError(str(message))


@contextmanager
def _within(amount: int) -> Iterator[None]:
    """Renders or compiles with an allowance; whatever goes wrong becomes a DataError of one line."""
    token = _allowance.set(_Allowance(amount))
    try:
        yield
    except _RefusedError as error:
        raise DataError(f"the chat template refuses it: {_line(error)}") from error
    except RecursionError as error:
        raise DataError("the chat template fails: it calls itself too deeply") from error
    except Exception as error:  # Whatever a template happens to cause: it is not our code.
        kind = "" if isinstance(error, TemplateError) else f"{type(error).__name__}: "
        raise DataError(f"the chat template fails: {kind}{_line(error)}") from error
    finally:
        _allowance.reset(token)


def _line(error: BaseException) -> str:
    """What an error says, on one line of readable length."""
    return " ".join(str(error).split())[:300] or type(error).__name__


@cache
def _environment() -> _Environment:
    return _Environment()


class ChatTemplate:
    """A compiled template. Reading it and rendering with it are both within limits, on any thread."""

    def __init__(self, source: str) -> None:
        """Raises DataError: it is no template, or too long to be one."""
        if len(source) > LONGEST_TEMPLATE:
            raise DataError(f"the chat template has {len(source)} characters, and more than {LONGEST_TEMPLATE} are not read")
        environment = _environment()
        with _within(ALLOWANCE):
            parsed = environment.parse(source)
            self.variables = frozenset(find_undeclared_variables(parsed) - environment.globals.keys())
            """The names that it looks up and nothing in it sets."""
            self._template = environment.from_string(_Insert().visit(parsed))

    def render(self, messages: list[dict[str, Any]], **names: Any) -> str:
        """The text of a conversation; `names` are the template's variables beside `messages`, `tools` and `documents`.

        Raises:
            DataError: the template refuses the messages, fails, or does not come to an end.
        """
        plain = [{key: value for key, value in message.items() if value is not None} for message in messages]
        with _within(ALLOWANCE + PER_CHARACTER * size(plain, LARGEST_NUMBER)):
            return self._template.render(messages=plain, **{"tools": None, "documents": None, **names})
