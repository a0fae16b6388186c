"""Chat templates: Jinja that is read as a syntax tree, and never rendered.

Whoever renders one may do so without a sandbox (CVE-2024-34359). So a template may compute texts
from what it is given, and reach nothing behind it: Python's objects are entered by attributes that
begin with an underscore, or by what a few functions and filters return. The lists stand in
`template_names.py`; Jinja's language in https://jinja.palletsprojects.com/en/stable/templates/.

An item is the same as an attribute to Jinja: `x['__class__']` is `x.__class__`. Hence keys are
literal, whole numbers, or come from the conversation without having been put together.
"""

from __future__ import annotations

import codecs
import re
import unicodedata  # noqa: F401 - escapes such as \N{DOT} import it when they are read
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser

from registry.formats import template_names as names
from registry.formats.look import Look, Notebook, Rule, StopLooking, quoted
from registry.formats.pickle_looks import looks_like_pickle
from registry.formats.template_flow import Flow, constant, is_key

#: Its codec is a module, which is imported when it is first asked for.
codecs.lookup("unicode-escape")

TEMPLATE_BYTES_MAX = 512 * 1024
BRACKETS_MAX = 32
DEPTH_MAX = 150
NODES_MAX = 30_000
_STATEMENT_DEPTH_MAX = 40
#: Signs and words that Jinja's parser calls itself for, one after the other.
_PREFIXES_MAX = 16
_OPENING = frozenset(("for", "if", "macro", "call", "filter", "with", "generation"))

_WRITE = "Write the template with plain expressions over the messages, and push a new version."
READABLE = Rule(
    "TEMPLATE-1",
    f"A chat template is Jinja of at most {TEMPLATE_BYTES_MAX:,} bytes, without deep nesting.",
    _WRITE,
)
STATEMENT = Rule(
    "TEMPLATE-2",
    "A chat template has no statements that load other templates, nor others than it needs.",
    "Put all of the template into one, and use for, if, set and macro alone.",
)
HIDDEN = Rule(
    "TEMPLATE-3",
    "No attribute, item or name in a chat template leads to the inside of Python's objects.",
    _WRITE,
)
KEY = Rule(
    "TEMPLATE-4",
    "Keys of items are literal, numbers, or parts of the conversation, not texts put together.",
    "Write the key out, or compare in an if.",
)
FILTER = Rule(
    "TEMPLATE-5",
    "A chat template uses known filters and tests, and names them literally.",
    _WRITE,
)
CALL = Rule(
    "TEMPLATE-6",
    "A chat template calls known functions and methods and its own macros, by their names.",
    _WRITE,
)
FORMAT = Rule(
    "TEMPLATE-7",
    "A text that is formatted is literal, and its braces hold no attribute or item.",
    "Join the parts with ~ instead.",
)
SIZE = Rule(
    "TEMPLATE-8",
    "A chat template has no numbers, widths and loops by which it would never come to an end.",
    _WRITE,
)
RULES = (READABLE, STATEMENT, HIDDEN, KEY, FILTER, CALL, FORMAT, SIZE)

#: A file may hold many: a megabyte of them takes what may be spent on it.
_STEPS_A_BYTE = 50
NUMBER_MAX = 1_000_000
#: Rounds of loops over ranges of literal numbers, in each other.
ROUNDS_MAX = 1_000_000
_WIDE = re.compile(r"[0-9]{4}")
#: What of a template fails it whatever it is for, and by whichever engine it is rendered.
_REACHING = (HIDDEN, KEY, FORMAT)

_STATEMENTS = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.For, nodes.If, nodes.Macro),
    *(nodes.CallBlock, nodes.FilterBlock, nodes.With, nodes.Assign, nodes.AssignBlock),
    *(nodes.Scope, nodes.Break, nodes.Continue),
)
_EXPRESSIONS = (
    *(nodes.Name, nodes.NSRef, nodes.Const, nodes.Tuple, nodes.List, nodes.Dict, nodes.Pair),
    *(nodes.Keyword, nodes.CondExpr, nodes.Filter, nodes.Test, nodes.Call, nodes.Getitem),
    *(nodes.Getattr, nodes.Slice, nodes.Concat, nodes.Compare, nodes.Operand, nodes.Mul, nodes.Div),
    *(nodes.FloorDiv, nodes.Add, nodes.Sub, nodes.Mod, nodes.And, nodes.Or, nodes.Not, nodes.Neg),
    nodes.Pos,
)
_ALLOWED = frozenset(_STATEMENTS + _EXPRESSIONS)


class _Generation(Extension):
    """`{% generation %}`, by which transformers marks what the assistant says."""

    tags = {"generation"}  # noqa: RUF012 - as Jinja declares it

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


_ENVIRONMENT = Environment(extensions=["jinja2.ext.loopcontrols", _Generation])


def read(look: Look) -> None:
    """A file that is a template. Facts: `chat_templates`, texts by name."""
    size_bytes = look.source.size_bytes
    if size_bytes > TEMPLATE_BYTES_MAX:
        look.stop(READABLE, f"found {size_bytes} bytes, expected at most {TEMPLATE_BYTES_MAX}")
    if looks_like_pickle(look.source):
        look.stop(READABLE, "found a pickle's opcodes that import and call", offset=0)
    check(look, look.source.read(0, size_bytes), name="")


def check(look: Look, data: bytes, *, name: str) -> None:
    """Judge one template of a file; its text becomes a fact."""
    look.budget.step(_STEPS_A_BYTE * len(data))
    try:
        text = data.decode("utf-8-sig")
        _check_depth(text)
        # Not `Environment.parse`, which would compile a stand-in to report errors with.
        tree = Parser(_ENVIRONMENT, text).parse()
        checker = _Checker(look, name, list(_walk(tree, look)))
    except StopLooking:
        raise
    except UnicodeDecodeError as error:
        look.stop(READABLE, f"{_of(name)}: found byte {error.start}, which is no UTF-8")
    except TemplateSyntaxError as error:
        look.stop(READABLE, f"{_of(name)}: {quoted(error.message)} in line {error.lineno}")
    except (RecursionError, ValueError) as error:
        # Numbers of thousands of digits are ValueErrors.
        look.stop(READABLE, f"{_of(name)}: found what cannot be read: {type(error).__name__}")
    checker.check()
    look.facts.setdefault("chat_templates", {})[name or "default"] = text.replace(
        "\0", "\N{REPLACEMENT CHARACTER}"
    )


def check_other(look: Look, text: str, *, name: str) -> None:
    """Judge a text that may be a template of Jinja's or of another engine, for whatever it is:
    what it uses is its own affair, unless it reaches for the inside of Python's objects."""
    if len(text) > TEMPLATE_BYTES_MAX or ("{{" not in text and "{%" not in text):
        return
    trial = replace(look, book=Notebook())
    try:
        check(trial, text.encode("utf-8", "replace"), name=name)
    except StopLooking:
        # None that Jinja reads.
        return
    for note in trial.book.notes:
        if note.rule in _REACHING:
            look.book.add(note)


def _of(name: str) -> str:
    return f"template {quoted(name)}" if name else "template"


def _check_depth(text: str) -> None:
    """Before the parser, which calls itself for what is nested."""
    depth = statements = prefixes = 0
    before = ""
    for _, kind, value in _ENVIRONMENT.lex(text):
        if kind == "whitespace":
            continue
        if kind == "operator":
            depth += (value in "([{") - (value in ")]}")
        if kind == "name" and before == "block_begin":
            statements += value in _OPENING
            statements -= value.startswith("end")
        prefixes = prefixes + 1 if value in ("-", "+", "not") else 0
        before = kind
        if depth > BRACKETS_MAX or prefixes > _PREFIXES_MAX or statements > _STATEMENT_DEPTH_MAX:
            raise RecursionError


def _walk(tree: nodes.Node, look: Look) -> Iterator[tuple[nodes.Node, nodes.Node]]:
    """Each node with its parent; RecursionError for too many or too deep."""
    stack: list[tuple[nodes.Node, nodes.Node, int]] = [(tree, tree, 0)]
    count = 0
    while stack:
        node, parent, depth = stack.pop()
        count += 1
        look.budget.step()
        if depth > DEPTH_MAX or count > NODES_MAX:
            raise RecursionError
        yield node, parent
        stack.extend((child, node, depth + 1) for child in node.iter_child_nodes())


class _Checker:
    def __init__(self, look: Look, name: str, found: list[tuple[nodes.Node, nodes.Node]]) -> None:
        self._look = look
        self._name = name
        self._found = found
        every = [node for node, _ in found]
        self._macros = {node.name for node in every if isinstance(node, nodes.Macro)}
        self._stored = {
            node.name for node in every if isinstance(node, nodes.Name) and node.ctx != "load"
        }
        self._called = {
            node.node.name
            for node in every
            if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name)
        }
        self._flow = Flow(every)
        self._parents = {id(node): parent for node, parent in found}

    def check(self) -> None:  # noqa: C901 - a row for each kind of node
        for node, parent in self._found:
            if type(node) not in _ALLOWED:
                self._refuse(STATEMENT, node, f"found {type(node).__name__.lower()}")
            elif isinstance(node, nodes.Name):
                self._check_name(node, parent)
            elif isinstance(node, nodes.Getattr | nodes.NSRef | nodes.Keyword):
                self._check_hidden(node, _named(node))
            elif isinstance(node, nodes.Macro):
                self._check_hidden(node, node.name)
            elif isinstance(node, nodes.Const):
                self._check_number(node)
            elif isinstance(node, nodes.For):
                self._check_rounds(node)
            elif isinstance(node, nodes.Getitem):
                self._check_item(node)
            elif isinstance(node, nodes.Filter):
                self._check_filter(node)
            elif isinstance(node, nodes.Test):
                self._check_test(node)
            elif isinstance(node, nodes.Call):
                self._check_call(node)
            elif isinstance(node, nodes.Mod) and not self._flow.is_number(node.left):
                self._check_percent(node)

    def _refuse(self, rule: Rule, node: nodes.Node, message: str) -> None:
        self._look.refuse(rule, f"{_of(self._name)}, line {node.lineno}: {message}")

    def _check_hidden(self, node: nodes.Node, name: str) -> None:
        if names.is_hidden(name):
            self._refuse(HIDDEN, node, f"found {quoted(name)}")

    def _check_name(self, node: nodes.Name, parent: nodes.Node) -> None:
        # Variables are no attributes; one underscore marks those that are not used.
        if node.name in names.HIDDEN_VARIABLES or node.name.startswith("__"):
            self._refuse(HIDDEN, node, f"found {quoted(node.name)}")
        if node.name not in names.FUNCTIONS:
            return
        if node.name in self._stored and node.name not in self._called:
            # A variable of its own, of which nobody thinks as the function.
            return
        is_called = isinstance(parent, nodes.Call) and parent.node is node
        is_asked = isinstance(parent, nodes.Test) and parent.node is node
        if node.ctx != "load" or not (is_called or is_asked):
            self._refuse(CALL, node, f"found {quoted(node.name)} under another name")

    def _check_item(self, node: nodes.Getitem) -> None:
        key = constant(node.arg)
        if isinstance(key, str):
            self._check_hidden(node, key)
        elif not is_key(node.arg, self._flow):
            self._refuse(KEY, node, "found a key that is put together")

    def _check_filter(self, node: nodes.Filter) -> None:
        if node.name not in names.FILTERS or node.dyn_args or node.dyn_kwargs:
            self._refuse(FILTER, node, f"found filter {quoted(node.name)}")
            return
        given: dict[Any, nodes.Expr] = {each.key: each.value for each in node.kwargs}
        asked = [given["attribute"]] if "attribute" in given else []
        if node.name == "map" and node.args:
            self._check_literal(node, node.args[0], names.FILTERS - {"map", "format"})
            asked += [
                value
                for place, value in enumerate(node.args[1:])
                if names.ATTRIBUTE_AT.get(str(constant(node.args[0]))) == place
            ]
        at = names.ATTRIBUTE_AT.get(node.name)
        if at is not None and at < len(node.args):
            asked.append(node.args[at])
        at = names.TEST_AT.get(node.name)
        if at is not None and at < len(node.args):
            self._check_literal(node, node.args[at], names.TESTS)
        for value in asked:
            attribute = constant(value)
            if isinstance(attribute, str):
                self._check_hidden(node, attribute)
            elif type(attribute) is not int:
                self._refuse(KEY, node, f"found a computed attribute for {node.name}")
        if node.name == "format":
            self._check_pattern(node, node.node, percent=True)

    def _check_number(self, node: nodes.Const) -> None:
        if isinstance(node.value, int | float) and not abs(node.value) <= NUMBER_MAX:
            self._refuse(SIZE, node, f"found a number beyond {NUMBER_MAX:,}")

    def _check_rounds(self, node: nodes.For) -> None:
        rounds = 1
        at: nodes.Node = node
        while (parent := self._parents[id(at)]) is not at:
            if isinstance(at, nodes.For):
                rounds *= _rounds(at.iter)
            at = parent
        if rounds > ROUNDS_MAX:
            self._refuse(SIZE, node, f"found loops in each other of {rounds:,} rounds")

    def _calls_itself(self, node: nodes.Node, name: str) -> bool:
        """Whether a call stands in the macro of that name, and under no condition."""
        while (parent := self._parents[id(node)]) is not node:
            node = parent
            if isinstance(node, nodes.If | nodes.For | nodes.CondExpr | nodes.And | nodes.Or):
                return False
            if isinstance(node, nodes.Macro) and node.name == name:
                return True
        return False

    def _check_width(self, node: nodes.Node, pattern: str) -> None:
        if _WIDE.search(pattern):
            self._refuse(SIZE, node, f"found a width of thousands in {quoted(pattern)}")

    def _check_literal(self, node: nodes.Node, value: nodes.Expr, allowed: frozenset[str]) -> None:
        name = constant(value)
        if name not in allowed:
            self._refuse(FILTER, node, f"found {quoted(name)} as the name of a filter or test")

    def _check_test(self, node: nodes.Test) -> None:
        if node.name not in names.TESTS or node.dyn_args or node.dyn_kwargs:
            self._refuse(FILTER, node, f"found test {quoted(node.name)}")

    def _check_call(self, node: nodes.Call) -> None:
        callee = node.node
        listed = isinstance(callee, nodes.Getitem) and self._flow.lists_macros(callee.node)
        if node.dyn_kwargs or (node.dyn_args and not listed):
            self._refuse(CALL, node, "found a call with * or **")
        elif listed:
            return
        elif isinstance(callee, nodes.Name):
            own = callee.name in self._macros and callee.name not in self._stored
            known = callee.name in names.FUNCTIONS and callee.name not in self._macros
            if not own and not known and callee.name not in ("caller", "loop"):
                self._refuse(CALL, node, f"found a call of {quoted(callee.name)}")
            elif own and self._calls_itself(node, callee.name):
                found = (
                    f"found macro {quoted(callee.name)}, which calls itself whatever it is given"
                )
                self._refuse(SIZE, node, found)
        elif isinstance(callee, nodes.Getattr) and callee.attr == "format":
            self._check_pattern(node, callee.node, percent=False)
        elif isinstance(callee, nodes.Getattr):
            cycles = isinstance(callee.node, nodes.Name) and callee.node.name == "loop"
            if callee.attr not in names.METHODS and not (cycles and callee.attr == "cycle"):
                self._refuse(CALL, node, f"found a call of .{quoted(callee.attr)[1:-1]}")
        else:
            self._refuse(CALL, node, "found a call of what is not named")

    def _check_percent(self, node: nodes.Mod) -> None:
        """`'%s' % x`, of which the text has to be literal; of numbers nobody can tell more."""
        text = constant(node.left)
        if text is not None and not isinstance(text, str | int | float):
            self._refuse(FORMAT, node, "found % behind what is no text")
        elif isinstance(text, str) and "%" in text:
            self._check_width(node, text)

    def _check_pattern(self, node: nodes.Node, text: nodes.Expr | None, *, percent: bool) -> None:
        pattern = None if text is None else constant(text)
        sound = isinstance(pattern, str) and (percent or names.PLAIN_FORMAT.fullmatch(pattern))
        if not sound:
            self._refuse(FORMAT, node, f"found format of {quoted(pattern)}")
        elif isinstance(pattern, str):
            self._check_width(node, pattern)


def _rounds(iterated: nodes.Node) -> int:
    """Of a loop over `range` with literal numbers; 1 for any other."""
    if not isinstance(iterated, nodes.Call):
        return 1
    if not isinstance(iterated.node, nodes.Name) or iterated.node.name != "range":
        return 1
    numbers = [constant(each) for each in iterated.args]
    if not 1 <= len(numbers) <= 3 or not all(type(each) is int for each in numbers):
        return 1
    return len(range(*numbers)) if numbers[2:] != [0] else 1


def _named(node: nodes.Getattr | nodes.NSRef | nodes.Keyword) -> str:
    if isinstance(node, nodes.Keyword):
        return node.key
    return node.attr
