"""What a server does by itself: one chore that fails keeps no other from being done."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from registry.app import registry as wiring
from registry.jobs.checkpoint_folder import CheckpointFolder
from registry.jobs.pool import Pool
from registry.services.acceptances import AcceptanceService
from registry.services.audit import AuditService
from registry.services.authentication import Authenticator
from registry.services.directory_accounts import AccountKeeper
from registry.services.downloads import DownloadService
from registry.services.login_throttle import LoginThrottle
from registry.services.policies import PolicyService
from registry.services.promotions import PromotionService
from registry.services.releases import ReleaseService
from registry.services.reminders import ReminderService
from registry.services.reviews import ReviewService
from registry.services.uploads import UploadService
from registry.services.waivers import WaiverService
from registry.services.webhook_queue import WebhookQueue
from registry.services.workloads import WorkloadService
from registry.testing.server import running_server

CHORES: list[tuple[object, str]] = [
    (WebhookQueue, "queue_new"),
    (Pool, "fill"),
    (ReleaseService, "release_due"),
    (PromotionService, "expire_overdue"),
    (PolicyService, "expire_overdue"),
    (ReminderService, "remind"),
    (WaiverService, "expire_overdue"),
    (AcceptanceService, "expire_overdue"),
    (ReviewService, "tell_overdue"),
    (UploadService, "expire_overdue"),
    (Authenticator, "flush_last_uses"),
    (DownloadService, "flush"),
    (wiring, "forget_old"),
    (WorkloadService, "forget_ended"),
    (WebhookQueue, "purge"),
    (AuditService, "make_if_due"),
    (CheckpointFolder, "keep"),
    (LoginThrottle, "purge"),
    (AccountKeeper, "refresh_all"),
]
WAIT_S = 60.0


@pytest.mark.slow
def test_each_is_tried_though_all_fail(tmp_path: Path) -> None:
    """With every chore broken, each is still come to soon after the start."""
    done = [threading.Event() for _ in CHORES]

    def failing(place: int) -> Callable[..., object]:
        def fail(*_: object) -> object:
            done[place].set()
            raise ValueError("broken")

        return fail

    with pytest.MonkeyPatch.context() as patch:
        for place, (owner, name) in enumerate(CHORES):
            patch.setattr(owner, name, failing(place))
        with running_server(tmp_path / "home"):
            waited = [event.wait(WAIT_S) for event in done]
            # A server that ends flushes too, and would fail.
            patch.undo()
    assert all(waited)
