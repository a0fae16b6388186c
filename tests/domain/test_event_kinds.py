"""The list of all kinds of events is what the services write."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from registry.domain.checkpoints import ACTION
from registry.domain.event_kinds import KINDS, page
from registry.domain.webhooks import TEST_ACTION

ROOT = Path(__file__).parents[2]
#: Of the same shape, and fields of requests.
FIELDS = {"spec.bases", "token.scopes"}


def test_the_page_is_fresh() -> None:
    """proto/EVENTS.md is what the list makes of it."""
    assert (ROOT / "proto" / "EVENTS.md").read_text(encoding="utf-8") == page()


def test_the_list_has_what_the_services_write() -> None:
    """No kind more, and none less: each text in their code that looks like an action."""
    written = {ACTION, TEST_ACTION}
    for path in (ROOT / "registry" / "services").glob("*.py"):
        written |= set(actions_in(ast.parse(path.read_text(encoding="utf-8"))))
    assert written - FIELDS == KINDS.keys()
    assert list(KINDS) == sorted(KINDS)


def actions_in(tree: ast.Module) -> Iterator[str]:
    """Texts such as "stage.move", unless they name the field of a request that is checked."""
    fields: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else ""
            fields |= {id(value.value) for value in node.keywords if value.arg == "field"}
            fields |= {id(value) for value in node.args} if "check" in name else set()
    for node in ast.walk(tree):
        text = node.value if isinstance(node, ast.Constant) and id(node) not in fields else None
        if isinstance(text, str) and re.fullmatch(r"[a-z_]+\.[a-z_]+", text):
            yield text
