"""Conditions: a small language over quantities, a subset of Python's expressions.

    n_atoms < 30 and 'O' in species and (distance > 1.5 or status == 'failed')

Numbers, words in quotes, names of quantities; < <= > >= == != (chained too), in, not in; and, or, not;
+ - * / and abs(). A comparison with NaN is false, whichever it is. Nothing is ever executed: the text is
parsed, every node of it checked against this list, and evaluated on whole columns.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from aldata.errors import InvalidInput
from aldata.query.elements import Elements
from aldata.query.quantities import Quantity

Flags = npt.NDArray[np.bool_]
Get = Callable[[str], Any]

COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
    ast.Eq: operator.eq, ast.NotEq: operator.ne,
}  # fmt: skip
ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip
ORDERED = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)


@dataclass(frozen=True)
class Condition:
    """A condition on frames, parsed and checked."""

    node: ast.expr
    names: tuple[str, ...]

    @classmethod
    def parse(cls, text: str, quantities: Mapping[str, Quantity]) -> list[Condition]:
        """The conditions that `text` joins by `and`. Raises InvalidInput saying what is wrong."""
        try:
            node = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError) as problem:
            raise _wrong(text, f"cannot be read ({problem})") from None
        checker = _Checker(text, quantities)
        if checker.type_of(node) != "flag":
            raise _wrong(text, "is no condition, which is true or false of a frame")
        return [cls(part, _names(part)) for part in _joined_by_and(node)]

    def holds(self, get: Get, frames: int) -> Flags:
        """Where it holds: (frame,). `get` gives the values of a quantity by name."""
        found = np.asarray(_value(self.node, get), dtype=bool)
        return np.broadcast_to(found, (frames,))


def _joined_by_and(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
        return [part for value in node.values for part in _joined_by_and(value)]
    return [node]


def _names(node: ast.expr) -> tuple[str, ...]:
    found = [n.id for n in ast.walk(node) if isinstance(n, ast.Name) and n.id != "abs"]
    return tuple(dict.fromkeys(found))


def _wrong(text: str, what: str, expected: str | None = None) -> InvalidInput:
    return InvalidInput(
        what,
        where=f"condition: {text}",
        expected=expected or "such as \"n_atoms < 30 and 'O' in species and status == 'failed'\"",
    )


class _Checker:
    """Finds the type of every node, or what is wrong with it."""

    def __init__(self, text: str, quantities: Mapping[str, Quantity]) -> None:
        self.text = text
        self.quantities = quantities

    def type_of(self, node: ast.expr) -> str:
        """One of number, word, flag, elements, list. Raises InvalidInput."""
        check = getattr(self, f"_{type(node).__name__.lower()}", None)
        if check is None:
            raise _wrong(self.text, f"'{ast.unparse(node)}' is not part of the language")
        found: str = check(node)
        return found

    def _name(self, node: ast.Name) -> str:
        if node.id not in self.quantities:
            raise _wrong(
                self.text,
                f"there is no quantity '{node.id}'",
                f"one of: {', '.join(self.quantities)} (words in quotes)",
            )
        return self.quantities[node.id].type

    def _constant(self, node: ast.Constant) -> str:
        if isinstance(node.value, bool):
            return "flag"
        if isinstance(node.value, int | float):
            return "number"
        if isinstance(node.value, str):
            return "word"
        raise _wrong(self.text, f"{ast.unparse(node)} is neither a number nor a word")

    def _tuple(self, node: ast.Tuple | ast.List) -> str:
        types = {self.type_of(value) for value in node.elts}
        if not all(isinstance(value, ast.Constant) for value in node.elts) or len(types) != 1:
            raise _wrong(self.text, f"{ast.unparse(node)} is no list of numbers or of words")
        return f"list of {types.pop()}"

    _list = _tuple

    def _boolop(self, node: ast.BoolOp) -> str:
        return self._all(node.values, "flag", "flag")

    def _unaryop(self, node: ast.UnaryOp) -> str:
        wanted = "flag" if isinstance(node.op, ast.Not) else "number"
        if isinstance(node.op, ast.Invert):
            raise _wrong(self.text, "'~' is not part of the language: use not")
        return self._all([node.operand], wanted, wanted)

    def _binop(self, node: ast.BinOp) -> str:
        if type(node.op) not in ARITHMETIC:
            raise _wrong(self.text, f"'{ast.unparse(node)}': only + - * /, and, or, not")
        return self._all([node.left, node.right], "number", "number")

    def _call(self, node: ast.Call) -> str:
        if not isinstance(node.func, ast.Name) or node.func.id != "abs" or node.keywords:
            raise _wrong(self.text, f"'{ast.unparse(node)}': the only function is abs()")
        if len(node.args) != 1:
            raise _wrong(self.text, "abs() takes one number")
        return self._all(node.args, "number", "number")

    def _all(self, nodes: list[ast.expr], wanted: str, result: str) -> str:
        for node in nodes:
            found = self.type_of(node)
            if found != wanted:
                raise _wrong(self.text, f"'{ast.unparse(node)}' is a {found}, not a {wanted}")
        return result

    def _compare(self, node: ast.Compare) -> str:
        sides = [node.left, *node.comparators]
        types = [self.type_of(side) for side in sides]
        for number, sign in enumerate(node.ops):
            self._comparable(ast.unparse(node), types[number], sign, types[number + 1])
        return "flag"

    def _comparable(self, shown: str, left: str, sign: ast.cmpop, right: str) -> None:
        if isinstance(sign, ast.In | ast.NotIn):
            fits = (left, right) == ("word", "elements") or right == f"list of {left}"
            advice = "'O' in species, or status in ('failed', 'rejected')"
        else:
            fits = (
                type(sign) in COMPARISONS and left == right and left in {"number", "word", "flag"}
            )
            fits = fits and (left == "number" or not isinstance(sign, ORDERED))
            advice = "numbers with numbers, words (in quotes) with words by == or !="
        if not fits:
            raise _wrong(self.text, f"'{shown}' compares {left} with {right}", advice)


def _value(node: ast.expr, get: Get) -> Any:
    """The value of a checked node: an array (frame,), Elements, or a constant."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return get(node.id)
    if isinstance(node, ast.Tuple | ast.List):
        return [_value(value, get) for value in node.elts]
    if isinstance(node, ast.Compare):
        return _compared(node, get)
    if isinstance(node, ast.BinOp):
        with np.errstate(divide="ignore", invalid="ignore"):
            return ARITHMETIC[type(node.op)](_value(node.left, get), _value(node.right, get))
    if isinstance(node, ast.Call):
        return np.abs(_value(node.args[0], get))
    if isinstance(node, ast.UnaryOp):
        value = _value(node.operand, get)
        if isinstance(node.op, ast.Not):
            return np.logical_not(value)
        return np.negative(value) if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.BoolOp):
        join = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
        return join.reduce([_value(value, get) for value in node.values])
    raise TypeError(f"{ast.dump(node)} was not checked")


def _compared(node: ast.Compare, get: Get) -> Any:
    sides = [_value(side, get) for side in (node.left, *node.comparators)]
    found: Any = True
    for left, sign, right in zip(sides, node.ops, sides[1:], strict=False):
        if isinstance(sign, ast.In | ast.NotIn):
            inside = right.contain(left) if isinstance(right, Elements) else np.isin(left, right)
            step = np.logical_not(inside) if isinstance(sign, ast.NotIn) else inside
        else:
            step = COMPARISONS[type(sign)](left, right)
        found = found & np.asarray(step) & _numbers(left) & _numbers(right)
    return found


def _numbers(value: Any) -> Any:
    """False where a value is NaN: no comparison with it holds."""
    if isinstance(value, Elements | list):
        return True
    array = np.asarray(value)
    return ~np.isnan(array) if array.dtype.kind == "f" else True
