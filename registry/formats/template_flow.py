"""Where values in a chat template come from: whether a key of an item could be a text that the
template puts together.

Names are followed without regard to scope and order: each stands for all that is ever assigned to
it, which only makes it stricter.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

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
        self._made: set[str] = set()
        every = list(every)
        macros = {node.name: node for node in every if isinstance(node, nodes.Macro)}
        for node in every:
            self._note(node, macros)
        if len(self._sources) > NAMES_MAX:
            raise RecursionError
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
            return node.name in names.COUNTING_FILTERS or (
                node.name in names.PASSING_FILTERS and self._all(node)
            )
        if isinstance(node, nodes.Call):
            return self._is_call_passed_on(node)
        if isinstance(node, nodes.Test | nodes.Compare | nodes.Not):
            return True
        if isinstance(node, nodes.Add | nodes.Sub | nodes.Mod | nodes.FloorDiv | nodes.Mul):
            return self.is_number(node)
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

    def is_number(self, node: nodes.Node) -> bool:
        """Whether it is a number or an error, whatever the names in it stand for: one side of a sum
        that is a number makes the other one."""
        if isinstance(node, nodes.Const):
            return isinstance(node.value, int | float)
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
        if isinstance(node, nodes.Getattr):
            base = node.node
            return (
                isinstance(base, nodes.Name)
                and base.name == "loop"
                and (node.attr in names.LOOP_NUMBERS)
            )
        return False

    def _is_call_passed_on(self, node: nodes.Call) -> bool:
        callee = node.node
        if isinstance(callee, nodes.Getattr):
            return callee.attr in names.COUNTING_METHODS or (
                callee.attr in names.PASSING_METHODS
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

    def _note_call(self, node: nodes.Call, name: str, macros: dict[str, nodes.Macro]) -> None:
        if name in ("namespace", "dict"):
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

    def _settle(self) -> None:
        """A name that is made of a name that is made of a text put together, and so on."""
        changed = True
        while changed:
            changed = False
            for name, values in self._sources.items():
                if name in self._made:
                    continue
                if any(value is None or not self.is_passed_on(value) for value in values):
                    self._made.add(name)
                    changed = True


def is_key(node: nodes.Node, flow: Flow) -> bool:
    """Whether an item's key is no text that was put together. A literal text is for the caller."""
    if isinstance(node, nodes.Slice) or flow.is_number(node):
        return True
    return flow.is_passed_on(node) and not flow.fills_lists


def _suspicious(text: str) -> bool:
    return "__" in text or names.is_hidden(text)
