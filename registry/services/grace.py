"""The period of grace: a version that was released stays so for a while once vetting is against it.

How long, the policy says that is active when it is asked; nothing of it is stored.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from registry.domain.versions import Version, Vetting
from registry.ports.database import Transaction
from registry.ports.policy import Policy, PolicySets


def in_grace(policy: Policy, vetting: Vetting, now_us: int) -> bool:
    """Whether a version that was released may go on being so, though vetting is against it."""
    return now_us < _grace_end_us(policy, vetting)


def with_grace(
    tx: Transaction, policies: PolicySets, versions: Sequence[Version]
) -> Sequence[Version]:
    """The versions, those that are doubted with the end of their grace."""
    if not any(version.is_doubted for version in versions):
        # Nearly always so, and then nobody waits for the policy.
        return versions
    policy = policies.active(tx)
    return [_with_end(policy, version) for version in versions]


def _with_end(policy: Policy, version: Version) -> Version:
    if version.vetting is None or not version.is_doubted:
        return version
    return dataclasses.replace(version, grace_end_us=_grace_end_us(policy, version.vetting))


def _grace_end_us(policy: Policy, vetting: Vetting) -> int:
    return vetting.time_us + policy.grace_us(vetting.verdict)
