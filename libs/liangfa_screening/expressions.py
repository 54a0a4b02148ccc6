"""The standards' expressions: a subset of CEL, parsed once, evaluated with three values.

The subset is what the library uses: ``|| && ! == != >= > <= < + - * / ?: ( ) double()`` over numbers, strings, true,
false and names. A name without a value is *unknown*, not false: ``||`` and ``&&`` absorb it when the other side
decides (as CEL's error semantics do), everything else passes it on. Agreement with a full CEL implementation is tested.
The tree is kept beside the closures, because explaining a result needs it: thresholds, distances, missing facts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from operator import add, eq, ge, gt, le, lt, mul, ne, sub
from typing import Any

Value = float | int | bool | str | None
"""A value of an expression; None is *unknown*."""
Facts = Mapping[str, Any]
Evaluate = Callable[[Facts], Value]

_TOKEN = re.compile(r"\s*(?:(\d+\.\d+|\d+)|([A-Za-z_]\w*)|'([^']*)'|(\|\||&&|[=!<>]=|[-+*/<>!?:()]))")
_CONSTANTS = frozenset({"number", "text", "bool"})
_COMPARISONS = ("==", "!=", ">=", "<=", ">", "<")


class ExpressionError(ValueError):
    """An expression is not in the subset. The message names the expression and the place."""


@dataclass(frozen=True, slots=True)
class Node:
    """One node: `kind` is an operator, `name`, `number`, `text` or `bool`; `value` belongs to the leaves."""

    kind: str
    parts: tuple[Node, ...] = ()
    value: Any = None


def parse(text: str) -> Node:
    """Return the tree of an expression. Raises `ExpressionError`."""
    tokens = list(_tokens(text))
    parser = _Parser(text, tokens)
    node = parser.ternary()
    if parser.place != len(tokens):
        raise ExpressionError(f"{text!r}: unexpected {tokens[parser.place][1]!r}")
    return node


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    place, end = 0, len(text.rstrip())
    while place < end:
        match = _TOKEN.match(text, place)
        if match is None:
            raise ExpressionError(f"{text!r}: cannot read from character {place}")
        number, name, string, operator = match.groups()
        if number is not None:
            yield "number", number
        elif name is not None:
            yield "name", name
        elif string is not None:
            yield "text", string
        else:
            yield "operator", operator
        place = match.end()


class _Parser:
    """Recursive descent, one method a level of precedence."""

    def __init__(self, text: str, tokens: list[tuple[str, str]]) -> None:
        self._text = text
        self._tokens = tokens
        self.place = 0

    def _next_is(self, *operators: str) -> str | None:
        if self.place < len(self._tokens):
            kind, value = self._tokens[self.place]
            if kind == "operator" and value in operators:
                self.place += 1
                return value
        return None

    def _expect(self, operator: str) -> None:
        if not self._next_is(operator):
            raise ExpressionError(f"{self._text!r}: expected {operator!r}")

    def ternary(self) -> Node:
        condition = self._binary(0)
        if not self._next_is("?"):
            return condition
        yes = self.ternary()
        self._expect(":")
        return Node("?:", (condition, yes, self.ternary()))

    _LEVELS = (("||",), ("&&",), _COMPARISONS, ("+", "-"), ("*", "/"))

    def _binary(self, level: int) -> Node:
        if level == len(self._LEVELS):
            return self._unary()
        left = self._binary(level + 1)
        while operator := self._next_is(*self._LEVELS[level]):
            left = Node(operator, (left, self._binary(level + 1)))
        return left

    def _unary(self) -> Node:
        if self._next_is("!"):
            return Node("!", (self._unary(),))
        if self._next_is("("):
            inner = self.ternary()
            self._expect(")")
            return inner
        return self._leaf()

    def _leaf(self) -> Node:
        if self.place >= len(self._tokens):
            raise ExpressionError(f"{self._text!r}: ends too early")
        kind, value = self._tokens[self.place]
        self.place += 1
        if kind == "number":
            return Node("number", value=float(value) if "." in value else int(value))
        if kind == "text":
            return Node("text", value=value)
        if kind != "name":
            raise ExpressionError(f"{self._text!r}: unexpected {value!r}")
        if value in {"true", "false"}:
            return Node("bool", value=value == "true")
        if value == "double" and self._next_is("("):
            inner = self.ternary()
            self._expect(")")
            return Node("double", (inner,))
        return Node("name", value=value)


def compiled(node: Node, scale: float = 1.0) -> Evaluate:
    """Return a function from facts to a value. With `scale` below 1 every lower bound is that much lower.

    A scaled count is rounded up (reading rules of the library): 0.8 of 10 persons is 8, of 1 is 1.
    """
    kind = node.kind
    if kind in _CONSTANTS:
        constant = node.value
        return lambda _facts: constant
    if kind == "name":
        name = node.value
        return lambda facts: facts.get(name)
    if kind in {"||", "&&"}:
        return (_any if kind == "||" else _all)(tuple(compiled(part, scale) for part in _chain(node, kind)))
    if kind == "!":
        return _negated(compiled(node.parts[0]))
    if kind == "?:":
        return _chosen(*(compiled(part, scale) for part in node.parts))
    if kind == "double":
        return _as_double(compiled(node.parts[0], scale))
    return _binary_operation(node, scale)


def _binary_operation(node: Node, scale: float) -> Evaluate:
    left, right = (compiled(part, scale if node.kind not in _COMPARISONS else 1.0) for part in node.parts)
    if scale != 1.0 and node.kind in {">=", ">"}:
        right = _scaled(right, scale)
    operation = _OPERATIONS[node.kind]
    if node.parts[0].kind == "name" and node.parts[1].kind in _CONSTANTS:
        return _compared(node.parts[0].value, operation, right({}))

    def evaluate(facts: Facts) -> Value:
        a = left(facts)
        if a is None:
            return None
        b = right(facts)
        return None if b is None else operation(a, b)

    return evaluate


_OPERATIONS: dict[str, Callable[[Any, Any], Value]] = {
    "==": eq,
    "!=": ne,
    ">=": ge,
    "<=": le,
    ">": gt,
    "<": lt,
    "+": add,
    "-": sub,
    "*": mul,
    "/": lambda a, b: a / b if b else None,
}


def _compared(name: str, operation: Callable[[Any, Any], Value], constant: Value) -> Evaluate:
    """Return the operation on a fact and a constant: what most bounds are, in one call instead of three."""

    def evaluate(facts: Facts) -> Value:
        value = facts.get(name)
        return None if value is None else operation(value, constant)

    return evaluate


def _chain(node: Node, kind: str) -> Iterator[Node]:
    """Yield the operands of a row of the same operator: a && b && c are three."""
    for part in node.parts:
        if part.kind == kind:
            yield from _chain(part, kind)
        else:
            yield part


def _any(parts: tuple[Evaluate, ...]) -> Evaluate:
    def evaluate(facts: Facts) -> Value:
        result: Value = False
        for part in parts:
            value = part(facts)
            if value is True:
                return True
            if value is None:
                result = None
        return result

    return evaluate


def _all(parts: tuple[Evaluate, ...]) -> Evaluate:
    def evaluate(facts: Facts) -> Value:
        result: Value = True
        for part in parts:
            value = part(facts)
            if value is False:
                return False
            if value is None:
                result = None
        return result

    return evaluate


def _negated(inner: Evaluate) -> Evaluate:
    def evaluate(facts: Facts) -> Value:
        value = inner(facts)
        return None if value is None else not value

    return evaluate


def _chosen(condition: Evaluate, yes: Evaluate, no: Evaluate) -> Evaluate:
    def evaluate(facts: Facts) -> Value:
        value = condition(facts)
        return None if value is None else yes(facts) if value else no(facts)

    return evaluate


def _as_double(inner: Evaluate) -> Evaluate:
    def evaluate(facts: Facts) -> Value:
        value = inner(facts)
        return None if value is None else float(value)

    return evaluate


def _scaled(bound: Evaluate, scale: float) -> Evaluate:
    def evaluate(facts: Facts) -> Value:
        value = bound(facts)
        if value is None or isinstance(value, str):
            return value
        return math.ceil(value * scale) if isinstance(value, int) else value * scale

    return evaluate


def names(node: Node) -> Iterator[str]:
    """Yield the names of a tree, in order of appearance, repeats included."""
    if node.kind == "name":
        yield node.value
    for part in node.parts:
        yield from names(part)


def negated_names(node: Node) -> Iterator[str]:
    """Yield the names that stand under a `!`: exclusions, which nobody mentions when they do not apply."""
    if node.kind == "!":
        yield from names(node.parts[0])
    else:
        for part in node.parts:
            yield from negated_names(part)


@dataclass(frozen=True, slots=True)
class Bound:
    """A comparison that asks for at least so much; `name` is the fact on its left, empty when it is a sum."""

    name: str
    left: Evaluate
    right: Evaluate


def lower_bounds(node: Node) -> Iterator[Bound]:
    """Yield the comparisons that ask for at least so much, wherever they stand outside a `!`."""
    if node.kind in {">=", ">"}:
        left, right = node.parts
        yield Bound(left.value if left.kind == "name" else "", compiled(left), compiled(right))
    elif node.kind != "!":
        for part in node.parts:
            yield from lower_bounds(part)


def undecided(node: Node) -> Callable[[Facts], list[str]]:
    """Return a function from facts to the names whose values would help to decide an expression, unknown under them."""
    evaluate = compiled(node)
    if node.kind == "name":
        return lambda facts: [] if node.value in facts else [node.value]
    parts = [undecided(part) for part in node.parts]

    def find(facts: Facts) -> list[str]:
        return [] if evaluate(facts) is not None else [name for part in parts for name in part(facts)]

    return find
