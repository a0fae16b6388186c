"""The mapping file: which groups of the directory are given what.

    grants:
    - group: ml-fraud
      role: registrant
      namespaces: [fraud, "fraud-*"]
    - group: contractors
      role: registrant
      namespaces: ["*"]
      deny: true

It is read strictly: no key twice, no unknown key, no anchors; all problems are told together, each
with its line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from registry.domain.access import Role
from registry.domain.group_roles import GroupRoles, GroupRule
from registry.errors import StartError
from registry.formats.yaml_errors import no_yaml

GROUP_LENGTH_MAX = 256
RULES_MAX = 2_000
#: As for grants of principals.
_PATTERN = re.compile(r"(?=.{1,63}$)[a-z0-9-]*(\*[a-z0-9-]*){0,3}")
_KEYS = ("group", "role", "namespaces", "deny")


def parse_group_roles(data: bytes, *, path: str) -> GroupRoles:
    """The file's content; raises StartError that names every problem."""
    problems: list[str] = []
    rules: list[GroupRule] = []
    try:
        text = data.decode("utf-8")
        if any(isinstance(e, yaml.AliasEvent) or getattr(e, "anchor", None) for e in _events(text)):
            problems.append("anchors and aliases (& and *) are not taken; put a * in quotes")
        else:
            root = yaml.compose(text, Loader=yaml.SafeLoader)
            for node in _grants(root, problems):
                rules += _rules(node, problems)
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        problems.append(no_yaml(error))
    if len(rules) > RULES_MAX:
        problems.append(f"{len(rules)} grants, expected at most {RULES_MAX}")
    if problems:
        raise StartError(
            what=f"Roles file {path}", found="; ".join(problems), fix="Correct it and start again."
        )
    return GroupRoles(rules=tuple(rules))


def _events(text: str) -> Iterator[yaml.Event]:
    yield from yaml.parse(text, Loader=yaml.SafeLoader)


def _grants(root: yaml.Node | None, problems: list[str]) -> list[yaml.Node]:
    fields = _fields(root, ("grants",), problems)
    listed = fields.get("grants")
    if not isinstance(listed, yaml.SequenceNode):
        problems.append("expected a list under the key `grants`")
        return []
    return list(listed.value)


def _rules(node: yaml.Node, problems: list[str]) -> Iterator[GroupRule]:
    """A rule for each pattern of an entry; none where anything is wrong with it."""
    before = len(problems)
    fields = _fields(node, _KEYS, problems)
    line = node.start_mark.line + 1
    group = _plain(fields.get("group"))
    if not isinstance(group, str) or not 0 < len(group) <= GROUP_LENGTH_MAX:
        problems.append(f"line {line}: group: found {group!r}, expected a group's name")
    role = _plain(fields.get("role"))
    if role not in list(Role):
        known = ", ".join(Role)
        problems.append(f"line {line}: role: found {role!r}, expected one of {known}")
    patterns = _plain(fields.get("namespaces"))
    if not isinstance(patterns, list) or not patterns or not all(map(_is_pattern, patterns)):
        problems.append(
            f"line {line}: namespaces: found {patterns!r}, expected a list of namespaces or "
            'patterns such as "fraud-*"'
        )
    deny = _plain(fields.get("deny")) if "deny" in fields else False
    if not isinstance(deny, bool):
        problems.append(f"line {line}: deny: found {deny!r}, expected true or false")
    if len(problems) > before:
        return
    for pattern in patterns:
        yield GroupRule(group=group, role=Role(role), namespace_pattern=pattern, deny=deny)


def _fields(
    node: yaml.Node | None, known: tuple[str, ...], problems: list[str]
) -> dict[str, yaml.Node]:
    if not isinstance(node, yaml.MappingNode):
        line = node.start_mark.line + 1 if node else 1
        problems.append(f"line {line}: expected the keys {', '.join(known)}")
        return {}
    found: dict[str, yaml.Node] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        name = str(key.value)
        if name not in known:
            problems.append(f"line {line}: found the key {name!r}, expected {', '.join(known)}")
        elif name in found:
            problems.append(f"line {line}: found the key {name!r} a second time")
        found[name] = value
    return found


def _plain(node: yaml.Node | None) -> Any:
    if node is None:
        return None
    return yaml.SafeLoader("").construct_object(node, deep=True)


def _is_pattern(value: object) -> bool:
    return isinstance(value, str) and _PATTERN.fullmatch(value) is not None
