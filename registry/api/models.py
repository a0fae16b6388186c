"""ModelService over gRPC: unpack, call, pack."""

from __future__ import annotations

from typing import ClassVar

from google.protobuf.descriptor import ServiceDescriptor

from registry.api.calls import Call
from registry.api.convert import VERSION_STATES, namespace_scope, page_request, timestamp
from registry.domain.models import Model, ModelFields, ModelFilter
from registry.domain.versions import VersionState
from registry.names import ModelName, NamespaceName
from registry.services.models import ModelService
from registry.v1 import models_pb2 as pb


class ModelServicer:
    DESCRIPTOR: ClassVar[ServiceDescriptor] = pb.DESCRIPTOR.services_by_name["ModelService"]

    def __init__(self, models: ModelService) -> None:
        self._models = models

    def create_model(self, call: Call, request: pb.CreateModelRequest) -> pb.Model:
        return to_proto(
            self._models.create(
                call.caller,
                NamespaceName.parse(request.parent, field="parent").namespace,
                request.model_id,
                _fields(request.model),
                request_id=request.request_id,
            )
        )

    def get_model(self, call: Call, request: pb.GetModelRequest) -> pb.Model:
        return to_proto(self._models.get(call.caller, ModelName.parse(request.name)))

    def list_models(self, call: Call, request: pb.ListModelsRequest) -> pb.ListModelsResponse:
        page = self._models.list(
            call.caller,
            namespace_scope(request.parent),
            _filter(request.filter),
            request.order_by,
            page_request(request.page_size, request.page_token),
        )
        return pb.ListModelsResponse(
            models=[to_proto(model) for model in page.items],
            next_page_token=page.next_page_token,
        )

    def update_model(self, call: Call, request: pb.UpdateModelRequest) -> pb.Model:
        return to_proto(
            self._models.update(
                call.caller,
                ModelName.parse(request.model.name, field="model.name"),
                _fields(request.model),
                mask=request.update_mask.paths,
                etag=request.model.etag,
            )
        )

    def delete_model(self, call: Call, request: pb.DeleteModelRequest) -> pb.DeleteModelResponse:
        self._models.delete(
            call.caller,
            ModelName.parse(request.name),
            etag=request.etag,
            validate_only=request.validate_only,
        )
        return pb.DeleteModelResponse()


def to_proto(model: Model) -> pb.Model:
    return pb.Model(
        name=model.name,
        uid=model.uid,
        description=model.fields.description,
        task=model.fields.task,
        library=model.fields.library,
        license=model.fields.license,
        tags=model.fields.tags,
        languages=model.fields.languages,
        owners=model.fields.owners,
        etag=model.etag,
        create_time=timestamp(model.create_time_us),
        update_time=timestamp(model.update_time_us),
        creator=f"principals/{model.creator}",
        latest_version=model.latest_version,
        stages=dict(model.stages),
        like_count=model.like_count,
        download_count=model.download_count,
    )


def _fields(model: pb.Model) -> ModelFields:
    return ModelFields(
        description=model.description,
        task=model.task,
        library=model.library,
        license=model.license,
        tags=tuple(model.tags),
        languages=tuple(model.languages),
        owners=tuple(model.owners),
    )


def _filter(where: pb.ModelFilter) -> ModelFilter:
    state = VERSION_STATES.optional(where.state, "filter.state")
    return ModelFilter(
        text=where.text,
        task=where.task,
        library=where.library,
        license=where.license,
        tags=tuple(where.tags),
        owner=where.owner,
        state=None if state is None else VersionState(state),
    )
