"""What a start does once: it makes or changes tables, and has the shipped policies agreed on.

The code for that, and what it leaves in memory, is a tenth of an idle server; so a process does it
that ends afterwards.
"""

from __future__ import annotations

import logging
import os

from registry.app.files import make_home, policy_files
from registry.clock import SystemClock
from registry.config import Settings
from registry.db.engine import open_database
from registry.policies.jail import JailedPolicyReader
from registry.services.policy_sets import bootstrap_policy

logger = logging.getLogger(__name__)


def prepare(settings: Settings) -> None:
    """Return when it is done, or has failed: what opens the registry then does what is left, and
    so meets the same error, and tells it.

    Forks: nothing else may run in this process yet.
    """
    try:
        child = os.fork()
    except OSError as error:
        logger.warning("no process for the first start, so this one does it: %s", error)
        return
    if child:
        os.waitpid(child, 0)
        return
    try:
        _prepare(settings)
    except Exception as error:  # noqa: BLE001 - met again by what opens the registry
        logger.debug("left to what opens the registry: %s", error)
    finally:
        os._exit(0)


def _prepare(settings: Settings) -> None:
    clock = SystemClock()
    make_home(settings.home)
    database = open_database(settings.database_url, clock=clock)
    try:
        bootstrap_policy(database, clock, JailedPolicyReader(), policy_files(settings.policy_dir))
    finally:
        database.close()
