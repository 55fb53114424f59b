"""Which texts may be handed to a parser or scorer of others that evaluates what it reads. Nothing here evaluates anything."""

import ast

from autotelic.answers.numbers import LONGEST

_FUNCTIONS = {"Abs", "acos", "asin", "atan", "cos", "cosh", "cot", "csc", "erf", "exp", "log", "pi", "sec", "sin", "sinh", "sqrt", "tan", "tanh"}


def plain_arithmetic(text: str) -> bool:
    """Whether a text is an expression of numbers, one-letter names, + - * / ** and known functions whose powers stay small.

    What passes can be handed to a parser that evaluates, such as SymPy's: it calls nothing, reads no attribute and ends soon.
    """
    try:
        return len(text) <= LONGEST and _power(ast.parse(text.strip(), mode="eval").body) <= 1_000
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False


def harmless(text: str) -> bool:
    """Whether a scorer that hands a text to `eval` runs nothing: it is no expression, or a literal, a name or plain arithmetic."""
    if len(text) > 10 * LONGEST:
        return False
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError):
        return True
    except (MemoryError, RecursionError):
        return False
    try:
        ast.literal_eval(tree)
    except (ValueError, TypeError, MemoryError, RecursionError):
        return isinstance(tree.body, ast.Name) or plain_arithmetic(text)
    return True


def _power(node: ast.expr) -> float:
    """The product of the exponents that stand over one another in an expression; raises ValueError where it is not plain arithmetic."""
    match node:
        case ast.Constant(value=int() | float()):
            return 1
        case ast.Name(id=name) if len(name) == 1 or name in _FUNCTIONS:
            return 1
        case ast.UnaryOp(op=ast.UAdd() | ast.USub(), operand=inner):
            return _power(inner)
        case ast.BinOp(left=base, op=ast.Pow(), right=exponent):
            return _power(base) * _exponent(exponent)
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div(), right=right):
            return max(_power(left), _power(right))
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in _FUNCTIONS:
            return _power(argument)
    raise ValueError("not plain arithmetic")


def _exponent(node: ast.expr) -> float:
    match node:
        case ast.UnaryOp(op=ast.UAdd() | ast.USub(), operand=inner):
            return _exponent(inner)
        case ast.BinOp(left=ast.Constant(value=int() as above), op=ast.Div(), right=ast.Constant(value=int() as below)) if below:
            return max(1, above, below)
        case ast.Constant(value=int() | float() as value):
            return max(1, value)
        case ast.Name(id=name) if len(name) == 1:
            return 1
    raise ValueError("an exponent that is an expression")
