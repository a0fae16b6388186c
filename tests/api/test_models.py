"""ModelService as a client sees it."""

from __future__ import annotations

from functools import partial

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from registry.domain.access import Role
from registry.testing.api import Api, code_of, outcome, reason_of, refusal
from registry.testing.world import World, grant
from registry.v1 import models_pb2 as pb
from registry.v1 import versions_pb2
from registry.v1.models_pb2_grpc import ModelServiceStub

FIELDS = {
    "description": "Scores payments.",
    "task": "tabular-classification",
    "library": "onnx",
    "license": "Apache-2.0",
}
LISTS = {"tags": ["payments", "eu"], "languages": ["en"], "owners": ["ml-fraud"]}


@pytest.fixture
def stub(world: World, api: Api) -> ModelServiceStub:
    world.claim("fraud")
    login = world.login("ada", grant(Role.REGISTRANT), grant(Role.ADMIN))
    return ModelServiceStub(api.channel(login.secret))


def create(stub: ModelServiceStub, id: str, model: pb.Model | None = None) -> pb.Model:
    return stub.CreateModel(
        pb.CreateModelRequest(parent="namespaces/fraud", model_id=id, model=model)
    )


def test_a_model_on_the_wire(world: World, stub: ModelServiceStub) -> None:
    """All editable fields come back in order, the rest is the server's."""
    ignored = pb.Model(name="models/x/y", uid="u", etag="e", like_count=9, **FIELDS, **LISTS)  # type: ignore[arg-type]
    made = create(stub, "scorer", ignored)
    assert {field: getattr(made, field) for field in FIELDS} == FIELDS
    assert {field: list(getattr(made, field)) for field in LISTS} == LISTS
    assert (made.name, made.creator) == ("models/fraud/scorer", "principals/ada")
    assert made.create_time == made.update_time == Timestamp(seconds=1_700_000_000)
    assert (made.latest_version, made.like_count, made.download_count) == (0, 0, 0)
    assert made.uid not in ("", "u")
    assert made.etag not in ("", "e")
    assert stub.GetModel(pb.GetModelRequest(name=made.name)) == made
    world.version("fraud/scorer", {"a": b"a"})
    assert stub.GetModel(pb.GetModelRequest(name=made.name)).latest_version == 1
    assert stub.GetModel(pb.GetModelRequest(name=made.name)).etag == made.etag


def test_each_wrong_name_has_its_code(stub: ModelServiceStub) -> None:
    """Malformed, missing and taken names are told apart."""
    create(stub, "scorer")

    def get(name: str) -> str:
        return outcome(lambda: stub.GetModel(pb.GetModelRequest(name=name)))

    assert get("models/fraud/none") == "NOT_FOUND"
    for name in (
        "",
        "fraud/scorer",
        "models/fraud",
        "models/fraud/a/b",
        "models/v1/x",
        "models//x",
    ):
        assert get(name) == "INVALID_ARGUMENT", name
    error = refusal(lambda: create(stub, "SCORER"))
    assert (code_of(error), reason_of(error)) == ("ALREADY_EXISTS", "ALREADY_EXISTS")
    nowhere = pb.CreateModelRequest(parent="namespaces/nowhere", model_id="m")
    assert outcome(lambda: stub.CreateModel(nowhere)) == "NOT_FOUND"
    hub = pb.CreateModelRequest(parent="namespaces/huggingface", model_id="m")
    assert outcome(lambda: stub.CreateModel(hub)) == "INVALID_ARGUMENT"


def test_an_update_names_its_fields(stub: ModelServiceStub) -> None:
    """The mask says what changes; etags guard it."""
    made = create(stub, "scorer", pb.Model(**FIELDS))  # type: ignore[arg-type]
    request = pb.UpdateModelRequest(
        model=pb.Model(name=made.name, task="new", tags=["t"], etag=made.etag),
        update_mask=FieldMask(paths=["task", "tags"]),
    )
    changed = stub.UpdateModel(request)
    assert (changed.task, list(changed.tags), changed.library) == ("new", ["t"], "onnx")
    error = refusal(lambda: stub.UpdateModel(request))
    assert (code_of(error), reason_of(error)) == ("ABORTED", "STALE_ETAG")
    request = pb.UpdateModelRequest(model=pb.Model(name=made.name))
    assert outcome(lambda: stub.UpdateModel(request)) == "INVALID_ARGUMENT"


def test_models_are_listed_by_filter_and_order(world: World, stub: ModelServiceStub) -> None:
    """Over one namespace, over all and over a hub, with filters, orders and pages."""
    for id in ("b", "a"):
        create(stub, id, pb.Model(tags=["x"]))
    world.model("vision/c")
    world.version("fraud/a", {"f": b"f"})

    def names(parent: str = "namespaces/-", order_by: str = "", **where: object) -> list[str]:
        found: list[str] = []
        request = pb.ListModelsRequest(
            parent=parent,
            order_by=order_by,
            page_size=1,
            filter=pb.ModelFilter(**where),  # type: ignore[arg-type]
        )
        while True:
            page = stub.ListModels(request)
            found += [model.name for model in page.models]
            request.page_token = page.next_page_token
            if not request.page_token:
                return found

    fraud = ["models/fraud/a", "models/fraud/b"]
    assert names() == [*fraud, "models/vision/c"]
    assert names(order_by="name desc") == ["models/vision/c", *fraud[::-1]]
    assert names("namespaces/fraud") == fraud
    assert names("namespaces/huggingface") == []
    assert names(tags=["x"]) == fraud
    assert names(state=versions_pb2.VERSION_STATE_RELEASED) == fraud[:1]
    for parent in ("", "namespaces/", "fraud", "namespaces/a/b"):
        assert outcome(partial(names, parent)) == "INVALID_ARGUMENT"
    assert outcome(lambda: names(state=77)) == "INVALID_ARGUMENT"
    assert outcome(lambda: names(order_by="size")) == "INVALID_ARGUMENT"


def test_a_deletion_can_be_tried(stub: ModelServiceStub) -> None:
    """validate_only changes nothing; the real one does, and then the model is NOT_FOUND."""
    made = create(stub, "scorer")
    request = pb.DeleteModelRequest(name=made.name, etag=made.etag, validate_only=True)
    stub.DeleteModel(request)
    assert stub.GetModel(pb.GetModelRequest(name=made.name)) == made
    request.validate_only = False
    stub.DeleteModel(request)
    assert outcome(lambda: stub.DeleteModel(request)) == "NOT_FOUND"


@pytest.mark.slow
def test_a_full_page_of_heavy_models_is_a_reply(stub: ModelServiceStub) -> None:
    """However much people write about their models, a reply stays below 4 MB."""
    for number in range(150):
        create(stub, f"m{number}", pb.Model(description="€" * 10_000))
    page = stub.ListModels(pb.ListModelsRequest(parent="namespaces/-", page_size=1000))
    assert 2_000_000 < page.ByteSize() < 4 * 2**20
    assert page.next_page_token
