"""What members of the directory's groups may do here: the mapping file, as a value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from registry.domain.access import Grant, Role


@dataclass(frozen=True, kw_only=True)
class GroupRule:
    """One role on one namespace pattern for one group; `deny` takes it away instead."""

    group: str
    role: Role
    namespace_pattern: str
    deny: bool = False


@dataclass(frozen=True, kw_only=True)
class GroupRoles:
    """The whole file. Groups are told apart as LDAP does it, without regard to case."""

    rules: tuple[GroupRule, ...] = ()

    def grants_of(self, groups: tuple[str, ...]) -> tuple[Grant, ...]:
        """What members of these groups are given, each grant once, in the file's order."""
        return _grants_of(self.rules, groups)


#: Where there is no file: groups give nothing.
NO_GROUP_ROLES = GroupRoles()


def _grant_of(rule: GroupRule) -> Grant:
    return Grant(role=rule.role, namespace_pattern=rule.namespace_pattern, deny=rule.deny)


@lru_cache(maxsize=4096)
def _grants_of(rules: tuple[GroupRule, ...], groups: tuple[str, ...]) -> tuple[Grant, ...]:
    held = _folded(groups)
    return tuple(dict.fromkeys(_grant_of(r) for r in rules if r.group.casefold() in held))


def _folded(groups: Iterable[str]) -> frozenset[str]:
    return frozenset(group.casefold() for group in groups)
