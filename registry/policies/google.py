"""Expressions by Google's CEL for C++: budget of iterations, nesting of at most 32, linear regexes.

Its release 0.1.3 hands out nulls without counting the reference, and Python before 3.12 ends where
None is freed. So no null gets in (documents have none) and none can come about: expressions do not
name `null`, nor the protobuf types of which some are null.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

from cel_expr_python import cel  # type: ignore[import-untyped]

from registry.policies.engine import LENGTH_MAX, ExpressionError, Program

_STRING = re.compile(
    r"""[bBrR]{0,2}(?:'{3}.*?'{3}|"{3}.*?"{3}|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")""", re.DOTALL
)
_NO_VALUES = (cel.Type.ERROR, cel.Type.NULL, cel.Type.UNKNOWN)
_NULLS = re.compile(r"\b(null|google)\b")


class _Compiled:
    def __init__(self, expression: Any) -> None:
        self._expression = expression

    def evaluate(self, bound: object) -> object:
        try:
            value = self._expression.eval(bound)
            # Errors come back as values, which are not false but nothing. So would a null.
            failed = value.type() in _NO_VALUES
            found = None if failed else value.plain_value()
        except (RuntimeError, TypeError, ValueError, OverflowError) as cause:
            raise ExpressionError(_one_line(str(cause))) from cause
        if failed:
            raise ExpressionError(_one_line(str(value)))
        return found


class GoogleEngine:
    def bind(self, document: Mapping[str, object]) -> object:
        # Maps are converted when the first expression reads them, and then kept: three times as
        # fast for a gate of four rules as giving each expression the document.
        return _environment(frozenset()).Activation(document)

    def compile(self, expression: str, names: Collection[str]) -> Program:
        if len(expression) > LENGTH_MAX:
            raise ExpressionError(f"{len(expression)} characters, expected at most {LENGTH_MAX}")
        forbidden = _NULLS.search(_STRING.sub("''", expression))
        if forbidden:
            raise ExpressionError(
                f"found `{forbidden[1]}`, which documents do not have: what is not there is '', [] "
                "or {}, and has(x.y) asks for a member"
            )
        if not expression.isascii() and any("\ud800" <= each <= "\udfff" for each in expression):
            raise ExpressionError("found halves of surrogates, expected text")
        try:
            return _Compiled(_environment(frozenset(names)).compile(expression))
        except RuntimeError as cause:
            raise ExpressionError(_one_line(str(cause))) from cause


@lru_cache(maxsize=64)
def _environment(names: frozenset[str]) -> Any:
    return cel.NewEnv(variables=dict.fromkeys(sorted(names), cel.Type.DYN))


def _one_line(text: str) -> str:
    """The first line, without the library's code before and after it."""
    first = text.partition("\n")[0].strip()
    for noise in ("INVALID_ARGUMENT: ", "ERROR: "):
        first = first.removeprefix(noise)
    return first.replace("<input>:", "at ")
