"""The file of trusted issuers (HALLMARK_WORKLOADS_FILE): strict YAML, problems with their lines.

`WORKLOADS.md` here says what each key means.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from yaml.nodes import MappingNode, Node, SequenceNode

from registry.auth.trust import ALGORITHMS, LEEWAY_S_MAX, LIFETIME_S_MAX, TrustedIssuer
from registry.domain.workloads import TEXT_LENGTH_MAX, WorkloadRule, pattern_problem
from registry.errors import InvalidFieldError, StartError
from registry.formats.yaml_lines import UnreadableError, plain, read_nodes
from registry.names import PrincipalName
from registry.names.text import show

FILE_BYTES_MAX = 1_000_000
CLAIM_DEPTH_MAX = 4
_DURATION = re.compile(r"([0-9]{1,6})([smh])")
_UNITS_S = {"s": 1, "m": 60, "h": 3600}
_ISSUER_KEYS = (
    "issuer",
    "jwks_url",
    "jwks_file",
    "ca_file",
    "audience",
    "other_audiences",
    "algorithms",
    "max_lifetime",
    "leeway",
    "nbf_required",
    "rules",
)


def read_trust(path: Path) -> tuple[TrustedIssuer, ...]:
    """The issuers that a file trusts. Raises StartError, which names every problem with its line.

    Paths in it are taken from the file's folder.
    """
    try:
        root = read_nodes(path.read_bytes(), bytes_max=FILE_BYTES_MAX)
    except OSError as error:
        raise _wrong(path, [f"it cannot be read: {error.strerror}"]) from error
    except UnreadableError as error:
        raise _wrong(path, [f"it cannot be read: {error}"]) from error
    reader = _Reader(path.parent)
    issuers = reader.issuers(root)
    if reader.problems:
        raise _wrong(path, [f"line {line}: {text}" for line, text in sorted(reader.problems)])
    return issuers


def _wrong(path: Path, problems: Sequence[str]) -> StartError:
    return StartError(
        what=f"Trust rules {path} (HALLMARK_WORKLOADS_FILE)",
        found="; ".join(problems),
        fix="Correct the file and start again; policies/workloads.example.yaml shows the form.",
    )


class _Reader:
    """Reads on after a problem, so that all of them are told at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        #: (line, what is wrong).
        self.problems: list[tuple[int, str]] = []

    def issuers(self, root: Node | None) -> tuple[TrustedIssuer, ...]:
        if root is None:
            self.problems.append((1, "found nothing, expected a list 'issuers'"))
            return ()
        top = self._mapping(root, "the file", required=("issuers",), known=("issuers",))
        nodes = self._items(top.get("issuers"), "issuers")
        found = [self._issuer(node) for node in nodes]
        names = [issuer.issuer for issuer in found]
        for node, name in zip(nodes, names, strict=True):
            if name and names.count(name) > 1:
                self._tell(node, f"issuer {show(name)} stands here more than once")
        return tuple(found)

    def _issuer(self, node: Node) -> TrustedIssuer:
        required = ("issuer", "audience", "algorithms", "rules")
        given = self._mapping(node, "an issuer", required=required, known=_ISSUER_KEYS)
        url = self._text(given, "jwks_url")
        file = self._text(given, "jwks_file")
        if isinstance(node, MappingNode) and bool(url) == bool(file):
            self._tell(node, "expected one of 'jwks_url' and 'jwks_file'")
        if url and not _is_plain_https(url):
            self._tell(given["jwks_url"], f"jwks_url: found {show(url)}, expected an https URL")
        ca_file = self._text(given, "ca_file")
        if ca_file and not url:
            self._tell(given["ca_file"], "ca_file: only goes with 'jwks_url'")
        return TrustedIssuer(
            issuer=self._text(given, "issuer"),
            jwks_url=url,
            jwks_file=self._folder / file if file else None,
            ca_file=self._folder / ca_file if ca_file else None,
            audience=self._text(given, "audience"),
            other_audiences=frozenset(self._texts(given, "other_audiences")),
            algorithms=self._algorithms(given),
            max_lifetime_s=self._duration(given, "max_lifetime", "1h", LIFETIME_S_MAX),
            leeway_s=self._duration(given, "leeway", "30s", LEEWAY_S_MAX),
            nbf_required=self._flag(given, "nbf_required", default=True),
            rules=self._rules(given),
        )

    def _algorithms(self, given: Mapping[str, Node]) -> frozenset[str]:
        found = frozenset(self._texts(given, "algorithms"))
        unknown = sorted(found - ALGORITHMS)
        if unknown:
            self._tell(
                given["algorithms"],
                f"algorithms: found {show(unknown[0])}, expected some of "
                + ", ".join(sorted(ALGORITHMS)),
            )
        return found

    # --- Rules ------------------------------------------------------------------------------------

    def _rules(self, given: Mapping[str, Node]) -> tuple[WorkloadRule, ...]:
        nodes = self._items(given.get("rules"), "rules")
        rules = tuple(self._rule(node) for node in nodes)
        seen: set[tuple[object, ...]] = set()
        for node, rule in zip(nodes, rules, strict=True):
            condition = (rule.subject, frozenset(rule.claims))
            if rule.subject and condition in seen:
                self._tell(node, "a rule before has the same subject and claims")
            seen.add(condition)
        return rules

    def _rule(self, node: Node) -> WorkloadRule:
        given = self._mapping(
            node,
            "a rule",
            required=("principal", "subject"),
            known=("principal", "subject", "claims"),
        )
        principal = self._text(given, "principal")
        if principal:
            try:
                PrincipalName(principal=principal, field="principal")
            except InvalidFieldError as error:
                self._tell(given["principal"], str(error))
        subject = self._pattern(given.get("subject"), "subject", anchored=True)
        claims: list[tuple[tuple[str, ...], str]] = []
        if "claims" in given:
            self._claims(given["claims"], (), claims)
        return WorkloadRule(principal=principal, subject=subject, claims=tuple(claims))

    def _claims(
        self, node: Node, path: tuple[str, ...], into: list[tuple[tuple[str, ...], str]]
    ) -> None:
        if len(path) == CLAIM_DEPTH_MAX:
            self._tell(node, f"claims: nested more than {CLAIM_DEPTH_MAX} deep")
            return
        for name, value in self._mapping(node, "claims").items():
            if isinstance(value, MappingNode):
                self._claims(value, (*path, name), into)
            else:
                into.append(((*path, name), self._pattern(value, f"claim {show(name)}")))

    def _pattern(self, node: Node | None, what: str, *, anchored: bool = False) -> str:
        text = self._scalar(node, what)
        if node is not None and text:
            problem = pattern_problem(text, anchored=anchored)
            if problem:
                self._tell(node, f"{what}: found {show(text)}, expected {problem}")
        return text

    # --- Values -----------------------------------------------------------------------------------

    def _mapping(
        self,
        node: Node,
        what: str,
        *,
        required: Sequence[str] = (),
        known: Sequence[str] | None = None,
    ) -> dict[str, Node]:
        """The values by their keys, each of which is there once."""
        if not isinstance(node, MappingNode):
            # Not shown where it is all there is: it may be another file, that holds a secret.
            kind = "a text" if what == "the file" else _kind(node)
            self._tell(node, f"found {kind}, expected {what} with keys and values")
            return {}
        found: dict[str, Node] = {}
        for key_node, value in node.value:
            key = self._scalar(key_node, "a key")
            if known is not None and key and key not in known:
                self._tell(key_node, f"no such key {show(key)}, expected {', '.join(known)}")
            found[key] = value
        for key in required:
            if key not in found:
                self._tell(node, f"{what}: found no {key!r}")
        return found

    def _items(self, node: Node | None, what: str) -> list[Node]:
        """The items of a list, of which there is at least one."""
        if node is None:
            return []
        if not isinstance(node, SequenceNode) or not node.value:
            self._tell(node, f"{what}: found {_kind(node)}, expected a list with items")
            return []
        return list(node.value)

    def _text(self, given: Mapping[str, Node], key: str) -> str:
        return self._scalar(given.get(key), key)

    def _texts(self, given: Mapping[str, Node], key: str) -> list[str]:
        return [self._scalar(node, key) for node in self._items(given.get(key), key)]

    def _scalar(self, node: Node | None, what: str) -> str:
        """A text; "" where the key is absent, or after a problem."""
        if node is None:
            return ""
        text = plain(node)
        if not isinstance(text, str):
            self._tell(node, f"{what}: found {_kind(node)}, expected a text; write it in quotes")
            return ""
        if not 1 <= len(text) <= TEXT_LENGTH_MAX or not text.isprintable():
            expected = f"1 to {TEXT_LENGTH_MAX} visible characters"
            self._tell(node, f"{what}: found {show(text)}, expected {expected}")
            return ""
        return text

    def _flag(self, given: Mapping[str, Node], key: str, *, default: bool) -> bool:
        node = given.get(key)
        if node is None:
            return default
        value = plain(node)
        if not isinstance(value, bool):
            self._tell(node, f"{key}: found {_kind(node)}, expected true or false")
            return default
        return value

    def _duration(self, given: Mapping[str, Node], key: str, default: str, most_s: int) -> int:
        text = self._text(given, key) or default
        found = _DURATION.fullmatch(text)
        seconds = int(found[1]) * _UNITS_S[found[2]] if found else -1
        if not 0 <= seconds <= most_s or (seconds == 0 and key != "leeway"):
            self._tell(
                given[key],
                f"{key}: found {show(text)}, expected such as {default}, at most {most_s}s",
            )
        return seconds

    def _tell(self, node: Node, problem: str) -> None:
        self.problems.append((node.start_mark.line + 1, problem))


def _is_plain_https(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return (
            parts.scheme == "https"
            and bool(parts.hostname)
            and parts.port != 0
            and parts.username is None
            and not parts.fragment
            and url.isascii()
            and " " not in url
        )
    except ValueError:
        return False


def _kind(node: Node) -> str:
    if isinstance(node, MappingNode):
        return "keys and values"
    if isinstance(node, SequenceNode):
        return "a list"
    return f"{node.value!r}" if node.value else "nothing"
