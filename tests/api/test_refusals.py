"""Refusals as a client reads them: fields by path, forms that are taken, where a role counts."""

from __future__ import annotations

from typing import Any

import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from registry.domain.access import Role
from registry.testing.api import Api, code_of, info_of, refusal
from registry.testing.world import World, grant
from registry.v1 import (
    events_pb2,
    models_pb2,
    namespaces_pb2,
    principals_pb2,
    promotions_pb2,
    references_pb2,
)
from registry.v1.events_pb2_grpc import EventServiceStub
from registry.v1.models_pb2_grpc import ModelServiceStub
from registry.v1.namespaces_pb2_grpc import NamespaceServiceStub
from registry.v1.principals_pb2_grpc import PrincipalServiceStub
from registry.v1.promotions_pb2_grpc import PromotionServiceStub
from registry.v1.references_pb2_grpc import ReferenceServiceStub


@pytest.fixture
def channel(world: World, api: Api) -> Any:
    world.claim("fraud")
    return api.channel(world.login("ada", *(grant(role) for role in Role)).secret)


def fields_of(error: Any) -> list[str]:
    status = rpc_status.from_call(error)
    assert status is not None
    bad = error_details_pb2.BadRequest()
    assert any(detail.Unpack(bad) for detail in status.details), f"no BadRequest in {error}"
    return [violation.field for violation in bad.field_violations]


def test_a_field_of_the_resource_is_named_by_its_path(channel: Any) -> None:
    """Whatever is wrong with a resource that is sent, its field is found below the resource."""
    namespace = namespaces_pb2.Namespace(description="x" * 2001)
    error = refusal(
        lambda: NamespaceServiceStub(channel).CreateNamespace(
            namespaces_pb2.CreateNamespaceRequest(namespace_id="risk", namespace=namespace)
        )
    )
    assert fields_of(error) == ["namespace.description"]
    principal = principals_pb2.Principal(
        kind=principals_pb2.PRINCIPAL_KIND_PERSON,
        grants=[principals_pb2.Grant(role=principals_pb2.ROLE_READER, namespace_pattern="A")],
    )
    error = refusal(
        lambda: PrincipalServiceStub(channel).CreatePrincipal(
            principals_pb2.CreatePrincipalRequest(principal_id="bob", principal=principal)
        )
    )
    assert fields_of(error) == ["principal.grants[0].namespace_pattern"]


def test_all_forms_of_a_parent_are_told(channel: Any) -> None:
    """A list that takes several forms of parent names each of them."""
    models = refusal(
        lambda: ModelServiceStub(channel).ListModels(models_pb2.ListModelsRequest(parent="fraud"))
    )
    events = refusal(
        lambda: EventServiceStub(channel).ListEvents(events_pb2.ListEventsRequest(parent="fraud"))
    )
    promotions = refusal(
        lambda: PromotionServiceStub(channel).ListPromotions(
            promotions_pb2.ListPromotionsRequest(parent="fraud")
        )
    )
    for error in (models, events, promotions):
        assert code_of(error) == "INVALID_ARGUMENT"
        assert "'fraud'" in error.details()
        assert "namespaces/<namespace>, or namespaces/- for all" in error.details()
    assert "models/<namespace>/<name>" in promotions.details()


def test_a_stage_is_not_offered_as_a_kind_to_set(channel: Any) -> None:
    """A missing kind is answered with the kinds that can be set."""
    error = refusal(
        lambda: ReferenceServiceStub(channel).SetReference(
            references_pb2.SetReferenceRequest(name="models/fraud/scorer/references/best")
        )
    )
    assert fields_of(error) == ["kind"]
    assert "REFERENCE_KIND_BRANCH" in error.details()
    assert "REFERENCE_KIND_STAGE" not in error.details()


def test_a_role_that_counts_on_everything_only_is_told(world: World, api: Api) -> None:
    """Who holds a role on the namespace, but needs it on all, reads so."""
    login = world.login("eve", grant(Role.ADMIN, "fraud*"))
    error = refusal(
        lambda: NamespaceServiceStub(api.channel(login.secret)).CreateNamespace(
            namespaces_pb2.CreateNamespaceRequest(namespace_id="fraud-eu")
        )
    )
    assert code_of(error) == "PERMISSION_DENIED"
    assert "Roles that may: admin (granted on '*')" in error.details()
    assert info_of(error).metadata["scope"] == "granted on '*'"
