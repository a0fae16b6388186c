"""Jupyter notebooks: documents whose cells are code. Whoever opens one runs them at a click.

Source: https://nbformat.readthedocs.io/en/latest/format_description.html
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

from registry.formats import json_file, python_source, text_file
from registry.formats.look import Look, Rule, SpentError, quoted

NOTEBOOK = Rule(
    "NOTEBOOK-1",
    "A notebook is of nbformat 3 or 4, with cells of known types.",
    "Save the notebook again with Jupyter.",
)
RULES = (NOTEBOOK,)

_CELLS = frozenset(("code", "markdown", "raw", "heading", "html"))
#: What IPython has beside Python: `%magic`, `!command`, `?help`.
_OWN_LINE = re.compile(r"^[ \t]*[%!?].*$|^[ \t]*[\w.]+\?{1,2}[ \t]*$", re.MULTILINE)
#: Of a cell that is no Python, with or without such lines: what it says is not known.
_TRIPWIRE = re.compile(
    r"\bos\s*\.\s*(?:system|popen|exec\w+|spawn\w+)\s*\(|\bsubprocess\s*\.\s*\w+\s*\("
    r"|(?<![\w.])(?:exec|__import__)\s*\("
)
#: A shell that is called as Python calls, past the lines by which IPython shows that it is one.
_SHELL = re.compile(r"\bget_ipython\s*\(\s*\)\s*\.\s*(?:system\w*|getoutput|run_cell|ex)\s*\(")
_SOURCE_CHARS_MAX = python_source.SOURCE_BYTES_MAX


def read(look: Look) -> None:
    """Facts: `code_present`; `script_in_outputs` where an output holds JavaScript, which Jupyter
    shows for whom the notebook trusts alone."""
    look.facts["code_present"] = True
    nodes: list[ast.AST] = []
    left = _SOURCE_CHARS_MAX
    for cell in _cells(look):
        if cell.get("cell_type") == "code":
            source = _source(cell)
            text_file.check_piped(look, source)
            if found := _SHELL.search(source):
                look.refuse(python_source.HARMLESS, f"found {quoted(found[0])} in a cell")
            left -= len(source)
            if left < 0:
                raise SpentError("it has more code than is looked at in one notebook")
            nodes += _python(look, source)
        if "javascript" in repr(cell.get("outputs")) or "<script" in repr(cell.get("outputs")):
            look.facts["script_in_outputs"] = True
    # Together, since a cell uses what another one has imported.
    python_source.refuse_harmful(look, nodes, where=" of a cell")


def _cells(look: Look) -> Iterator[dict[str, Any]]:
    value = json_file.load(look)
    version = value.get("nbformat") if isinstance(value, dict) else None
    if version not in (3, 4) or isinstance(version, bool):
        look.stop(NOTEBOOK, f"found nbformat {quoted(version)}")
    cells = _worksheet_cells(look, value) if version == 3 else value.get("cells", [])
    if not isinstance(cells, list):
        look.stop(NOTEBOOK, f"found cells {quoted(cells)}")
    for each in cells:
        look.budget.step()
        kind = each.get("cell_type") if isinstance(each, dict) else None
        if not isinstance(kind, str) or kind not in _CELLS:
            look.stop(NOTEBOOK, f"found cell {quoted(each)}")
        yield each


def _worksheet_cells(look: Look, value: dict[str, Any]) -> list[Any]:
    """Of nbformat 3 cells are in worksheets; what has cells beside them is read both ways."""
    sheets = value.get("worksheets", [])
    if not isinstance(sheets, list):
        look.stop(NOTEBOOK, f"found worksheets {quoted(sheets)}")
    cells: list[Any] = []
    for sheet in [value, *sheets]:
        found = sheet.get("cells", []) if isinstance(sheet, dict) else None
        if not isinstance(found, list):
            look.stop(NOTEBOOK, f"found cells {quoted(found)}")
        cells += found
    return cells


def _source(cell: dict[str, Any]) -> str:
    source = cell.get("source", cell.get("input", ""))
    return "".join(map(str, source)) if isinstance(source, list) else str(source)


def _python(look: Look, source: str) -> list[ast.AST]:
    """The nodes of a cell; none of one in another language, as `%%bash` begins."""
    start = source.lstrip()
    if start.startswith("%%") and not start.startswith(("%%time", "%%capture")):
        return []
    for text in (source, _OWN_LINE.sub(_nothing, source)):
        try:
            return python_source.nodes_of(text)
        except (SyntaxError, ValueError, RecursionError):
            continue
    # Cells are drafts at times.
    if found := _TRIPWIRE.search(source):
        look.refuse(python_source.HARMLESS, f"found {quoted(found[0])} in a cell")
    return []


def _nothing(line: re.Match[str]) -> str:
    """In place of a line of IPython's own, as deep as that was."""
    text = line[0]
    return text[: len(text) - len(text.lstrip())] + "pass" if text.strip() else text
