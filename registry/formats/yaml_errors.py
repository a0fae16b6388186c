"""What is wrong with YAML, without a word of it: it may be another file, that holds a secret."""

from __future__ import annotations

import yaml
from yaml.parser import ParserError
from yaml.scanner import ScannerError


def no_yaml(error: yaml.YAMLError | ValueError | RecursionError) -> str:
    """Line and column, and what the parser missed there; its excerpt is left out."""
    mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
    if mark is None:
        return f"it is no YAML ({type(error).__name__})"
    place = f"line {mark.line + 1}, column {mark.column + 1}"
    if isinstance(error, ScannerError | ParserError):
        return f"it is no YAML: {place}: {error.problem}"
    return f"it is no YAML: {place}"
