"""Where values in a chat template come from: whether a key of an item could be a text that the
template puts together.

Names are followed without regard to scope and order: each stands for all that is ever assigned to
it, which only makes it stricter.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, TypeGuard

from jinja2 import nodes

from registry.formats import template_names as names

#: Each may have to be looked at again for each other one.
NAMES_MAX = 500


def constant(node: nodes.Node) -> Any:
    """The value of a literal; None for what is none."""
    if isinstance(node, nodes.Neg) and isinstance(node.node, nodes.Const):
        value = node.node.value
        return -value if type(value) is int else None
    return node.value if isinstance(node, nodes.Const) else None


class Flow:
    """RecursionError for a template of more names than NAMES_MAX."""

    def __init__(self, every: Iterable[nodes.Node]) -> None:
        #: What is assigned to a name, or as `.attribute` to a namespace; None: a text that is put
        #: together.
        self._sources: dict[str, list[nodes.Node | None]] = defaultdict(list)
        #: Names of texts that are put together, or that a model's author gives; and of what may be,
        #: or hold, a literal text of which a part is the name of something hidden.
        self._made: set[str] = set(names.TOKENS)
        self._literal: set[str] = set()
        #: Attributes of namespaces that are whole numbers and nothing else, and the places at which
        #: a loop's variable is one.
        self._numbers: set[str] = set()
        self._counted: set[int] = set()
        every = list(every)
        self._looped = [each.target for each in every if _is_recursive(each)]
        listed = (item for each in every if isinstance(each, nodes.List) for item in each.items)
        self._listed = {each.name for each in listed if isinstance(each, nodes.Name)}
        macros = {node.name: node for node in every if isinstance(node, nodes.Macro)}
        self._macros = macros.keys()
        for node in every:
            self._note(node, macros)
        if len(self._sources) > NAMES_MAX:
            raise RecursionError
        self._count(every)
        self._settle()
        #: Whether a list is filled with what is not passed on: by then it may have any name.
        self.fills_lists = any(
            isinstance(node, nodes.Call)
            and isinstance(node.node, nodes.Getattr)
            and node.node.attr == "append"
            and not all(self.is_passed_on(each) for each in node.args)
            for node in every
        )

    def is_passed_on(self, node: nodes.Node) -> bool:
        """Whether it holds nothing but what the template was given, numbers and literal texts that
        are the name of nothing hidden."""
        if isinstance(node, nodes.Const):
            return not isinstance(node.value, str) or not _suspicious(node.value)
        if isinstance(node, nodes.Name):
            return node.name not in self._made
        if isinstance(node, nodes.Getattr):
            return f".{node.attr}" not in self._made and self.is_passed_on(node.node)
        if isinstance(node, nodes.Getitem):
            return self._is_item_passed_on(node)
        if isinstance(node, nodes.Filter):
            return self._is_filter_passed_on(node)
        if isinstance(node, nodes.Call):
            return self._is_call_passed_on(node)
        if isinstance(node, nodes.Test | nodes.Compare | nodes.Not):
            return True
        if isinstance(node, nodes.BinExpr) and not isinstance(node, nodes.And | nodes.Or):
            return self._is_sum_passed_on(node)
        if isinstance(
            node,
            nodes.Slice
            | nodes.List
            | nodes.Tuple
            | nodes.Dict
            | nodes.Pair
            | nodes.CondExpr
            | nodes.And
            | nodes.Or
            | nodes.Neg
            | nodes.Pos
            | nodes.Keyword,
        ):
            return self._all(node)
        return False

    def _is_filter_passed_on(self, node: nodes.Filter) -> bool:
        if node.name in names.COUNTING_FILTERS:
            return True
        if node.name in names.CHANGING_FILTERS:
            # Without a filter's own value, it is a block's text, which is put together.
            return node.node is not None and self._all(node) and not self._holds_literal(node.node)
        return node.name in names.PASSING_FILTERS and self._all(node)

    def _is_sum_passed_on(self, node: nodes.BinExpr) -> bool:
        if isinstance(node, nodes.Add) and nodes.List in (type(node.left), type(node.right)):
            # Of lists, or an error: a list is added to nothing else.
            return self._all(node)
        return self.is_number(node)

    def _holds_literal(self, node: nodes.Node) -> bool:
        """Whether it is, or holds, a literal text that has the name of something hidden in it."""
        if isinstance(node, nodes.Const):
            return isinstance(node.value, str) and names.HIDDEN_PART.search(node.value) is not None
        if isinstance(node, nodes.Name):
            return node.name in self._literal
        if isinstance(node, nodes.Getattr):
            return f".{node.attr}" in self._literal or self._holds_literal(node.node)
        if isinstance(node, nodes.Getitem):
            key = constant(node.arg)
            if not isinstance(key, str) and any(name.startswith(".") for name in self._literal):
                return True
            return f".{key}" in self._literal or self._holds_literal(node.node)
        if isinstance(node, nodes.Test | nodes.Compare | nodes.Not):
            return False
        if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr):
            # The first one is a key, or what is cut off.
            given = node.args[1:] if node.node.attr in names.METHODS else node.args
            return any(self._holds_literal(each) for each in (node.node.node, *given))
        return any(self._holds_literal(child) for child in node.iter_child_nodes())

    def is_number(self, node: nodes.Node) -> bool:
        """Whether it is a number or an error: one side of a sum that is a number makes the other
        one."""
        if isinstance(node, nodes.Const):
            return isinstance(node.value, int | float)
        if isinstance(node, nodes.Name):
            return id(node) in self._counted
        if isinstance(node, nodes.Neg | nodes.Pos | nodes.Sub | nodes.FloorDiv):
            return True
        if isinstance(node, nodes.Add):
            return self.is_number(node.left) or self.is_number(node.right)
        if isinstance(node, nodes.Mul):
            return self.is_number(node.left) and self.is_number(node.right)
        if isinstance(node, nodes.Mod):
            return self.is_number(node.left)
        if isinstance(node, nodes.Filter):
            return node.name in names.COUNTING_FILTERS
        return isinstance(node, nodes.Getattr) and self._is_counting(node)

    def _is_counting(self, node: nodes.Getattr) -> bool:
        base = node.node
        if not isinstance(base, nodes.Name):
            return False
        if base.name == "loop":
            return node.attr in names.LOOP_NUMBERS
        return f".{node.attr}" in self._numbers and self._is_namespace(base.name)

    def _is_macro(self, node: nodes.Name) -> bool:
        return node.name in self._macros and node.name not in self._sources

    def lists_macros(self, node: nodes.Node, seen: frozenset[str] = frozenset()) -> bool:
        """Whether it is a list of the template's own macros by their names, and of nothing else."""
        if isinstance(node, nodes.List):
            return all(isinstance(each, nodes.Name) and self._is_macro(each) for each in node.items)
        if isinstance(node, nodes.Add):
            return self.lists_macros(node.left, seen) and self.lists_macros(node.right, seen)
        if not isinstance(node, nodes.Name):
            return False
        sources = self._sources.get(node.name, ())
        return node.name in seen or (
            bool(sources)
            and all(each and self.lists_macros(each, seen | {node.name}) for each in sources)
        )

    def _is_namespace(self, name: str) -> bool:
        """Whether it stands for namespaces that are given nothing but keywords."""
        sources = self._sources.get(name, ())
        return bool(sources) and all(
            isinstance(each, nodes.Call)
            and isinstance(each.node, nodes.Name)
            and each.node.name == "namespace"
            and not each.args
            for each in sources
        )

    def _is_call_passed_on(self, node: nodes.Call) -> bool:
        callee = node.node
        if isinstance(callee, nodes.Getattr):
            if callee.attr in names.COUNTING_METHODS:
                return True
            changes = callee.attr in names.CHANGING_METHODS
            if changes and self._holds_literal(callee.node):
                return False
            return (
                (changes or callee.attr in names.PASSING_METHODS)
                and self.is_passed_on(callee.node)
                and all(self.is_passed_on(each) for each in node.args)
            )
        # What a namespace is given by keyword is followed by its attributes.
        return (
            isinstance(callee, nodes.Name)
            and callee.name in ("range", "namespace")
            and all(self.is_passed_on(each) for each in node.args)
        )

    def _is_item_passed_on(self, node: nodes.Getitem) -> bool:
        """Items are attributes as well, and with a computed key any of them."""
        key = constant(node.arg)
        if not isinstance(key, str) and self._holds_literal(node.node):
            # A number or a slice takes letters out of a text.
            return False
        if isinstance(key, str):
            return f".{key}" not in self._made and self.is_passed_on(node.node)
        hides = type(key) is not int and any(name.startswith(".") for name in self._made)
        return not hides and self.is_passed_on(node.node)

    def _all(self, node: nodes.Node) -> bool:
        return all(self.is_passed_on(child) for child in node.iter_child_nodes())

    def _note(self, node: nodes.Node, macros: dict[str, nodes.Macro]) -> None:  # noqa: C901 - rows
        if isinstance(node, nodes.Assign):
            self._assign(node.target, node.node)
        elif isinstance(node, nodes.AssignBlock):
            self._assign(node.target, None)
        elif isinstance(node, nodes.For):
            self._assign(node.target, node.iter)
            # Of `loop.previtem` and `loop.nextitem`.
            self._sources["loop"].append(node.iter)
        elif isinstance(node, nodes.With):
            for target, value in zip(node.targets, node.values, strict=True):
                self._assign(target, value)
        elif isinstance(node, nodes.Macro):
            for target, value in zip(reversed(node.args), reversed(node.defaults), strict=False):
                self._assign(target, value)
        elif isinstance(node, nodes.CallBlock):
            # Given by `caller(...)`, wherever that stands.
            for target in node.args:
                self._assign(target, None)
        elif isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name):
            self._note_call(node, node.node.name, macros)
        elif isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getitem):
            # Of a macro in a list, whichever that is.
            for name in self._listed & macros.keys():
                for target in macros[name].args:
                    self._assign(target, None)
            self._made |= {"varargs", "kwargs"}

    def _note_call(self, node: nodes.Call, name: str, macros: dict[str, nodes.Macro]) -> None:
        if name == "loop":
            # Of a loop that calls itself with other values.
            for target in self._looped:
                for value in node.args:
                    self._assign(target, value)
        elif name in ("namespace", "dict"):
            for each in node.kwargs:
                self._sources[f".{each.key}"].append(each.value)
        elif name in macros:
            for target, value in zip(macros[name].args, node.args, strict=False):
                self._assign(target, value)
            for each in node.kwargs:
                self._sources[each.key].append(each.value)
            # What no parameter takes is found in one of these.
            given = [*node.args, *(each.value for each in node.kwargs)]
            self._sources["varargs"] += given
            self._sources["kwargs"] += given

    def _assign(self, target: nodes.Node, value: nodes.Node | None) -> None:
        if isinstance(target, nodes.Name):
            self._sources[target.name].append(value)
        elif isinstance(target, nodes.NSRef):
            self._sources[f".{target.attr}"].append(value)
        elif isinstance(target, nodes.Tuple):
            for each in target.items:
                self._assign(each, value)

    def _count(self, every: Iterable[nodes.Node]) -> None:
        """Which names and attributes are numbers. A name is one only within its loop: elsewhere it
        may have come from outside."""
        for node in every:
            if isinstance(node, nodes.For) and isinstance(node.target, nodes.Name):
                name = node.target.name
                if all(_is_range(each) for each in self._sources[name]):
                    loads = (each for part in node.body for each in part.find_all(nodes.Name))
                    self._counted.update(id(each) for each in loads if each.name == name)
        self._numbers = {
            name
            for name, values in self._sources.items()
            if name.startswith(".") and all(each and self.is_number(each) for each in values)
        }

    def _settle(self) -> None:
        """A name that is made of a name that is made of a text put together, and so on."""
        changed = True
        while changed:
            changed = False
            for name, values in self._sources.items():
                if name not in self._literal and any(
                    value is not None and self._holds_literal(value) for value in values
                ):
                    self._literal.add(name)
                    changed = True
                if name not in self._made and any(
                    value is None or not self.is_passed_on(value) for value in values
                ):
                    self._made.add(name)
                    changed = True


def _is_range(node: nodes.Node | None) -> bool:
    return (
        isinstance(node, nodes.Call)
        and isinstance(node.node, nodes.Name)
        and node.node.name == "range"
    )


def _is_recursive(node: nodes.Node) -> TypeGuard[nodes.For]:
    return isinstance(node, nodes.For) and node.recursive


def is_key(node: nodes.Node, flow: Flow) -> bool:
    """Whether an item's key is no text that was put together. A literal text is for the caller."""
    if isinstance(node, nodes.Slice) or flow.is_number(node):
        return True
    return flow.is_passed_on(node) and not flow.fills_lists


def _suspicious(text: str) -> bool:
    return "__" in text or names.is_hidden(text)
