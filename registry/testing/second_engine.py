"""A second CEL, written by others in another language: what both say is what CEL means.

Its distribution is `common-expression-language`, whose module is `cel`; the one that decides is
`cel_expr_python.cel`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, cast

import cel as rust_cel

from registry.policies.engine import ExpressionError, Program


class _Compiled:
    def __init__(self, program: rust_cel.Program) -> None:
        self._program = program

    def evaluate(self, bound: object) -> object:
        try:
            value: object = self._program.execute(cast("dict[str, Any]", bound))
        except (ValueError, TypeError, RuntimeError, ArithmeticError, LookupError) as cause:
            raise ExpressionError(str(cause)) from cause
        return value


class RustEngine:
    """Knows neither budgets nor the names of a document before it is evaluated: for tests alone."""

    def bind(self, document: Mapping[str, object]) -> object:
        return dict(document)

    def compile(self, expression: str, names: Collection[str]) -> Program:
        try:
            return _Compiled(rust_cel.compile(expression))
        except ValueError as cause:
            raise ExpressionError(str(cause)) from cause
