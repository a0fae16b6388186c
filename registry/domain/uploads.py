"""Upload sessions: a set of files on its way in."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from registry.domain.manifests import ManifestFile


class UploadState(StrEnum):
    RECEIVING = "receiving"
    COMPLETE = "complete"
    EXPIRED = "expired"


#: A session lives this long after its last byte.
UPLOAD_TTL_US = 24 * 3600 * 1_000_000
#: Whatever comes, a session lives no longer than this.
UPLOAD_LIFE_US = 7 * UPLOAD_TTL_US


class UploadFileState(StrEnum):
    RECEIVING = "receiving"
    VERIFYING = "verifying"
    STORED = "stored"


@dataclass(frozen=True, kw_only=True)
class UploadFile:
    file: ManifestFile
    stored: bool


@dataclass(frozen=True, kw_only=True)
class Upload:
    key: int
    id: str
    model: str
    namespace: str
    creator: str
    #: Public id of the token that opened the session: addresses die with it.
    token: str
    files: tuple[UploadFile, ...]
    #: What a version of exactly these files has as digest.
    digest: str
    create_time_us: int
    expire_time_us: int
    ended: bool

    @property
    def name(self) -> str:
        return f"uploads/{self.id}"

    def state_at(self, now_us: int) -> UploadState:
        if self.ended or now_us >= self.expire_time_us:
            return UploadState.EXPIRED
        if all(f.stored for f in self.files):
            return UploadState.COMPLETE
        return UploadState.RECEIVING

    @property
    def end_at_latest_us(self) -> int:
        return self.create_time_us + UPLOAD_LIFE_US

    def end_after(self, now_us: int) -> int:
        """When the session ends if a byte comes now and none after it."""
        return min(now_us + UPLOAD_TTL_US, self.end_at_latest_us)


def staging_key(upload_id: str, sha256: str) -> str:
    """Where the bytes of one file of a session wait in the blob store."""
    return f"{upload_id}-{sha256}"
