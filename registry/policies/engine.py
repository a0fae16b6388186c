"""What is asked of an expression language, so that no rule knows which library evaluates it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

#: Longer expressions belong into several rules, or lets.
LENGTH_MAX = 4000


class ExpressionError(Exception):
    """An expression that does not compile, or that has no value on a document."""


class Program(Protocol):
    def evaluate(self, bound: object) -> object:
        """The value on a document that the same engine has bound: bool, int, float, str, list,
        dict, or a datetime or timedelta.

        Raises ExpressionError for all that has no value: a missing key, a clash of types, an
        overflow, more steps than the engine's budget. Pure; threads may share a program.
        """


class Engine(Protocol):
    def bind(self, document: Mapping[str, object]) -> object:
        """A document as this engine's programs take it, converted once for many of them. It is as
        the document was then, and for one thread."""

    def compile(self, expression: str, names: Collection[str]) -> Program:
        """A program over documents with these names at the top. Raises ExpressionError for a
        syntax error, an unknown name, and nesting or length past the bounds."""
