"""Models: named lines of versions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from registry.client.connection import new_request_id
from registry.client.decode import number_of
from registry.client.names import model_name, parent_name
from registry.client.service import Service
from registry.client.values import Model
from registry.v1 import models_pb2 as pb
from registry.v1 import versions_pb2
from registry.v1.models_pb2_grpc import ModelServiceStub


class Models(Service):
    STUB: ClassVar = ModelServiceStub

    def create(
        self,
        model: str,
        *,
        description: str = "",
        task: str = "",
        library: str = "",
        license: str = "",
        tags: Sequence[str] = (),
        languages: Sequence[str] = (),
        owners: Sequence[str] = (),
    ) -> Model:
        name = model_name(model)
        _, namespace, model_id = name.split("/", 2)
        request = pb.CreateModelRequest(
            parent=f"namespaces/{namespace}",
            model_id=model_id,
            model=pb.Model(
                description=description,
                task=task,
                library=library,
                license=license,
                tags=tags,
                languages=languages,
                owners=owners,
            ),
            request_id=new_request_id(),
        )
        return self._read(self._stub.CreateModel, request, Model)

    def get(self, model: str) -> Model:
        return self._read(self._stub.GetModel, pb.GetModelRequest(name=model_name(model)), Model)

    def list(
        self,
        namespace: str = "",
        *,
        text: str = "",
        task: str = "",
        library: str = "",
        license: str = "",
        tags: Sequence[str] = (),
        owner: str = "",
        state: str = "",
        order_by: str = "",
    ) -> Iterator[Model]:
        """Models of one namespace, or of all that the caller may read; every filter must match."""
        request = pb.ListModelsRequest(
            parent=parent_name(namespace),
            filter=pb.ModelFilter(
                text=text,
                task=task,
                library=library,
                license=license,
                tags=tags,
                owner=owner,
                state=number_of(versions_pb2.VersionState, state, field="state"),
            ),
            order_by=order_by,
        )
        return self._pages(self._stub.ListModels, request, "models", Model)

    def update(
        self,
        model: str,
        *,
        description: str | None = None,
        task: str | None = None,
        library: str | None = None,
        license: str | None = None,
        tags: Sequence[str] | None = None,
        languages: Sequence[str] | None = None,
        owners: Sequence[str] | None = None,
        etag: str = "",
    ) -> Model:
        """Change what is not None."""
        request = pb.UpdateModelRequest(model=pb.Model(name=model_name(model), etag=etag))
        texts = {"description": description, "task": task, "library": library, "license": license}
        for field, text in texts.items():
            if text is not None:
                setattr(request.model, field, text)
                request.update_mask.paths.append(field)
        for field, words in {"tags": tags, "languages": languages, "owners": owners}.items():
            if words is not None:
                getattr(request.model, field).extend(words)
                request.update_mask.paths.append(field)
        # With an etag, a repeat of what was done would find its own etag stale.
        send = self._once if etag else self._read
        return send(self._stub.UpdateModel, request, Model)

    def delete(self, model: str, *, etag: str = "", validate_only: bool = False) -> None:
        request = pb.DeleteModelRequest(
            name=model_name(model), etag=etag, validate_only=validate_only
        )
        self._call(self._stub.DeleteModel, request, repeats=validate_only)
