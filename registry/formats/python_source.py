"""Python: modules that settings name, handlers of servers, scripts.

Nobody proves what code does; that it is there is a fact, by which policies go. This finds the code
that starts other programs, or makes code of texts, and does not hide it: no model needs either, and
most who were caught had written just that. It is read as a syntax tree, never compiled or run.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Mapping

from registry.formats import text_file
from registry.formats.look import Look, Rule, SpentError, quoted

SOURCE_BYTES_MAX = 1024 * 1024
#: Findings of one file beyond tell nothing new.
_FOUND_MAX = 20

READABLE = Rule(
    "CODE-1",
    "Python is of a version that is read here.",
    "Push the module in the syntax of Python 3.11, or remove it.",
)
HARMLESS = Rule(
    "CODE-2",
    "Python starts no other program, and makes no code of texts.",
    "Leave that out of the module: install, compile and download before the model is registered.",
)
RULES = (READABLE, HARMLESS)

_OS = (
    "system popen execl execle execlp execlpe execv execve execvp execvpe spawnl spawnle spawnlp "
    "spawnlpe spawnv spawnve spawnvp spawnvpe posix_spawn posix_spawnp startfile dup2"
)
#: By module: starters of programs, and makers of code.
_STARTERS: Mapping[str, frozenset[str]] = {
    module: frozenset(names.split())
    for module, names in {
        "os": _OS,
        "posix": _OS,
        "nt": _OS,
        "subprocess": "Popen run call check_call check_output getoutput getstatusoutput",
        "asyncio": "create_subprocess_exec create_subprocess_shell",
        "pty": "spawn fork",
        "commands": "getoutput getstatusoutput",
        "runpy": "run_path run_module",
        "code": "InteractiveConsole InteractiveInterpreter interact",
        "marshal": "load loads",
        "builtins": "exec eval __import__",
    }.items()
}
_INDENT = "    "
#: Names that are there without an import. What evaluates a text does no harm to a literal one.
_EVALUATING = frozenset(("exec", "eval"))
#: PEP 263, in the first line or the second.
_COOKIE = re.compile(rb"(?:[^\n]{0,500}\n)?[ \t\f]*#[^\n]{0,500}?coding[:=][ \t]*([-\w.]+)")
_OF_ASCII = ("ascii", "us-ascii", "latin-1", "latin1", "iso-8859-1", "iso-8859-15", "cp1252")
_BUILTINS = frozenset(("__import__", "__builtins__"))


def read(look: Look) -> None:
    """Facts: `code_present`."""
    look.facts["code_present"] = True
    text_file.read(look)
    size_bytes = look.source.size_bytes
    if size_bytes > SOURCE_BYTES_MAX:
        raise SpentError("it has more code than is looked at in one module")
    data = look.source.read(0, size_bytes)
    if (said := _COOKIE.match(data)) and not _is_same(said[1], data):
        # What another codec makes of these bytes is other code than what is read here.
        look.doubt(READABLE, f"found Python that calls itself {quoted(said[1])}")
        return
    try:
        nodes = nodes_of(data.decode("utf-8-sig"))
    except (SyntaxError, ValueError, RecursionError) as error:
        look.doubt(READABLE, f"found what is no Python here: {quoted(str(error))}")
        return
    refuse_harmful(look, nodes)


def nodes_of(text: str) -> list[ast.AST]:
    """All of the text's syntax tree, as `ast.parse` raises it.

    As the one statement of a console. Of a module, CPython's parser tries to open a file of the
    name that it has for the text, to quote the line of an error.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", f"\n{_INDENT}")
    with warnings.catch_warnings():
        # Of escapes that mean nothing, for one.
        warnings.simplefilter("ignore")
        tree = ast.parse(f"if 1:\n{_INDENT}{lines}\n{_INDENT}pass\n", mode="single")
    return list(ast.walk(ast.increment_lineno(tree, -1)))


def refuse_harmful(look: Look, nodes: list[ast.AST], where: str = "") -> None:
    """What starts programs or makes code of texts, among all nodes of what is run together."""
    look.budget.step(len(nodes))
    for count, (line, found) in enumerate(_harmful(nodes)):
        if count == _FOUND_MAX:
            return
        look.refuse(HARMLESS, f"found {quoted(found)} in line {line}{where}")


def _is_same(encoding: bytes, data: bytes) -> bool:
    """Whether an encoding reads the bytes as UTF-8 does."""
    name = encoding.decode("ascii", "replace").lower().replace("_", "-")
    return name in ("utf-8", "utf8") or (data.isascii() and name in _OF_ASCII)


def _harmful(nodes: list[ast.AST]) -> Iterator[tuple[int, str]]:
    """Lines, and what is named there."""
    imported = dict(_imports(nodes))
    own = {name for node in nodes for name in _defined(node)}
    for node in nodes:
        if isinstance(node, ast.Name | ast.Attribute):
            name = _dotted(node, imported)
            if _starts(name) or (name in _BUILTINS and name not in own):
                yield node.lineno, name
        elif isinstance(node, ast.Call):
            name = _called(node, imported, own)
            if name:
                yield node.lineno, name


def _called(node: ast.Call, imported: Mapping[str, str], own: set[str]) -> str:
    """What a call of `exec`, `eval` or `getattr` comes to, where that does harm."""
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    if name in own or not node.args:
        return ""
    if name in _EVALUATING and not isinstance(node.args[0], ast.Constant):
        return name
    if name == "getattr" and len(node.args) > 1:
        module, attribute = _dotted(node.args[0], imported), node.args[1]
        if module not in _STARTERS:
            return ""
        if not isinstance(attribute, ast.Constant):
            # The name is put together: of these modules, to hide it.
            return f"getattr({module}, ...)"
        asked = f"{module}.{attribute.value!s}"
        return asked if _starts(asked) else ""
    return ""


def _starts(name: str) -> bool:
    module, _, attribute = name.rpartition(".")
    return attribute in _STARTERS.get(module, ())


def _imports(nodes: list[ast.AST]) -> Iterator[tuple[str, str]]:
    """What names stand for: `import os as o`, `from os import system as s`."""
    for node in nodes:
        if isinstance(node, ast.Import):
            for each in node.names:
                root = each.name.partition(".")[0]
                yield each.asname or root, each.name if each.asname else root
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for each in node.names:
                yield each.asname or each.name, f"{node.module}.{each.name}"


def _defined(node: ast.AST) -> Iterator[str]:
    """Names that a module gives a meaning of its own."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.ImportFrom) and node.level:
        yield from (each.asname or each.name for each in node.names)


def _dotted(node: ast.AST, imported: Mapping[str, str]) -> str:
    """`os.system` of a name or attributes of one; empty for anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    root = imported.get(node.id, node.id if not parts else "")
    return ".".join((root, *reversed(parts))) if root else ""
