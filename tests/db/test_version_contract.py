"""The contract of the metadata port for versions and what belongs to them, on both databases."""

from __future__ import annotations

from registry.testing.contracts.database.blob_grants import BlobGrantsContract
from registry.testing.contracts.database.commits import CommitsContract
from registry.testing.contracts.database.deletion import DeletionContract
from registry.testing.contracts.database.inbox import InboxContract
from registry.testing.contracts.database.lineage import LineageContract
from registry.testing.contracts.database.manifests import ManifestsContract
from registry.testing.contracts.database.pointers import PointersContract
from registry.testing.contracts.database.promotions import PromotionsContract
from registry.testing.contracts.database.references import ReferencesContract
from registry.testing.contracts.database.reviews import ReviewsContract
from registry.testing.contracts.database.stages import StagesContract
from registry.testing.contracts.database.terms import TermsContract
from registry.testing.contracts.database.uploads import UploadsContract
from registry.testing.contracts.database.usage import UsageContract
from registry.testing.contracts.database.version_lookups import VersionLookupsContract
from registry.testing.contracts.database.version_vetting import VersionVettingContract
from registry.testing.contracts.database.versions import VersionsContract
from registry.testing.contracts.database.waivers import WaiversContract


class TestBlobGrants(BlobGrantsContract):
    pass


class TestCommits(CommitsContract):
    pass


class TestDeletion(DeletionContract):
    pass


class TestInbox(InboxContract):
    pass


class TestLineage(LineageContract):
    pass


class TestManifests(ManifestsContract):
    pass


class TestPointers(PointersContract):
    pass


class TestPromotions(PromotionsContract):
    pass


class TestReferences(ReferencesContract):
    pass


class TestReviews(ReviewsContract):
    pass


class TestStages(StagesContract):
    pass


class TestTerms(TermsContract):
    pass


class TestUploads(UploadsContract):
    pass


class TestUsage(UsageContract):
    pass


class TestVersionLookups(VersionLookupsContract):
    pass


class TestVersionVetting(VersionVettingContract):
    pass


class TestVersions(VersionsContract):
    pass


class TestWaivers(WaiversContract):
    pass
