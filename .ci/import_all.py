"""Import every module of the installed distribution, so that a missing core dependency shows.

Left out is what is made to run elsewhere: test support (needs the extra `dev`), what is loaded in
jails alone (needs the extra `convert`), migration scripts (run by Alembic) and `__main__` modules
(would start).
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from pathlib import Path

import bridges
import registry

LEFT_OUT = ("registry.testing", "registry.db.migrations")


def main() -> None:
    for package in (registry, bridges):
        home = Path(package.__path__[0])
        if Path(sys.prefix) not in home.parents:
            raise SystemExit(f"{package.__name__} comes from {home}, not from the wheel")
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            name = module.name
            if not name.startswith(LEFT_OUT) and not name.endswith("__main__"):
                importlib.import_module(name)


if __name__ == "__main__":
    main()
