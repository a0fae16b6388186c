"""References: names for versions and commits within a model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from registry.client.decode import number_of
from registry.client.names import model_name, split_reference
from registry.client.service import Service
from registry.client.values import Reference, Resolved
from registry.v1 import references_pb2 as pb
from registry.v1.references_pb2_grpc import ReferenceServiceStub


class References(Service):
    STUB: ClassVar = ReferenceServiceStub

    def resolve(self, reference: str) -> Resolved:
        """What `<model>@<number, sha256:digest, commit or name>` means now."""
        model, selector = split_reference(reference)
        request = pb.ResolveReferenceRequest(parent=model, reference=selector)
        return self._read(self._stub.ResolveReference, request, Resolved)

    def get(self, model: str, name: str) -> Reference:
        request = pb.GetReferenceRequest(name=_name(model, name))
        return self._read(self._stub.GetReference, request, Reference)

    def list(self, model: str, *, kind: str = "") -> Iterator[Reference]:
        """By name, stages included."""
        request = pb.ListReferencesRequest(
            parent=model_name(model), kind=number_of(pb.ReferenceKind, kind, field="kind")
        )
        return self._pages(self._stub.ListReferences, request, "references", Reference)

    def set(
        self, model: str, name: str, target: str, *, kind: str = "alias", expected: str = ""
    ) -> Reference:
        """Point an alias or tag to a version, or a branch to a commit, by resource name.

        `expected` is the target it must have now, "none" for none; empty: whatever it has.
        """
        request = pb.SetReferenceRequest(
            name=_name(model, name),
            kind=number_of(pb.ReferenceKind, kind, field="kind"),
            target=target,
            expected_target=expected,
        )
        # With a condition, a repeat of what was done would find the target moved.
        send = self._once if expected else self._read
        return send(self._stub.SetReference, request, Reference)

    def delete(self, model: str, name: str, *, expected: str = "") -> None:
        request = pb.DeleteReferenceRequest(name=_name(model, name), expected_target=expected)
        self._call(self._stub.DeleteReference, request, repeats=False)


def _name(model: str, name: str) -> str:
    return f"{model_name(model)}/references/{name}"
