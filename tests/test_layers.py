"""Which outside libraries a floor may know; the floors among themselves are import-linter's."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HOME = Path(__file__).resolve().parent.parent / "registry"

GRPC = {"google", "grpc", "grpc_health", "grpc_reflection", "grpc_status"}
OUTSIDE = {
    "api": GRPC,
    "auth": {"cryptography", "httpx", "jwt", "ldap3", "yaml"},
    "cli": {"click", "rich"},
    "client": GRPC | {"httpx"},
    "db": {"alembic", "psycopg", "sqlalchemy"},
    "doors": {"starlette", "uvicorn"},
    "formats": {"jinja2", "lz4", "numpy", "onnx", "yaml"},
    "jobs": {"cryptography", "dbos"},
    "policies": {"cel_expr_python", "yaml"},
    "serving": {"onnx"},
    "v1": GRPC,
    "vetting": {"modelaudit_picklescan", "picklescan", "yara_x"},
    "web": {"starlette"},
}
FREE = {"testing", "__pycache__"}


def imported(source: Path) -> Iterator[str]:
    """The top-level names that a file imports, those inside functions too."""
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None and node.level == 0:
            yield node.module.partition(".")[0]


def floors() -> list[Path]:
    """The packages and modules right below registry/, save test support: it may know anything."""
    entries = (path for path in HOME.iterdir() if path.is_dir() or path.suffix == ".py")
    return sorted(path for path in entries if path.stem not in FREE)


@pytest.mark.parametrize("floor", floors(), ids=lambda path: str(path.stem))
@pytest.mark.slow
def test_floor_knows_only_its_own_libraries(floor: Path) -> None:
    """Values, ports and services need the standard library alone; each adapter its own library."""
    allowed = sys.stdlib_module_names | {"registry"} | OUTSIDE.get(floor.stem, set())
    sources = floor.rglob("*.py") if floor.is_dir() else [floor]
    foreign = {
        f"{path.relative_to(HOME)}: {name}"
        for path in sources
        for name in imported(path)
        if name not in allowed
    }
    assert not foreign
