"""Webhooks: who is told of events, and how that went."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import ClassVar

from google.protobuf.duration_pb2 import Duration

from registry.client.connection import new_request_id
from registry.client.decode import timestamp
from registry.client.names import webhook_name
from registry.client.service import Service
from registry.client.webhook_values import NewWebhook, Webhook, WebhookDelivery
from registry.v1 import webhooks_pb2 as pb
from registry.v1.webhooks_pb2_grpc import WebhookServiceStub


class Webhooks(Service):
    STUB: ClassVar = WebhookServiceStub

    def create(
        self,
        url: str,
        namespace_pattern: str,
        *,
        actions: Sequence[str] = (),
        description: str = "",
    ) -> NewWebhook:
        """The secret is empty where the first reply was lost: rotate it then."""
        request = pb.CreateWebhookRequest(
            webhook=pb.Webhook(
                url=url,
                namespace_pattern=namespace_pattern,
                actions=actions,
                description=description,
            ),
            request_id=new_request_id(),
        )
        return self._read(self._stub.CreateWebhook, request, NewWebhook)

    def get(self, webhook: str) -> Webhook:
        request = pb.GetWebhookRequest(name=webhook_name(webhook))
        return self._read(self._stub.GetWebhook, request, Webhook)

    def list(self) -> Iterator[Webhook]:
        """Those of which the caller may read all namespaces, by creation."""
        return self._pages(self._stub.ListWebhooks, pb.ListWebhooksRequest(), "webhooks", Webhook)

    def update(
        self,
        webhook: str,
        *,
        url: str | None = None,
        description: str | None = None,
        actions: Sequence[str] | None = None,
        enabled: bool | None = None,
        etag: str = "",
    ) -> Webhook:
        """Change what is not None."""
        request = pb.UpdateWebhookRequest(webhook=pb.Webhook(name=webhook_name(webhook), etag=etag))
        fields = {"url": url, "description": description, "enabled": enabled}
        for field, value in fields.items():
            if value is not None:
                setattr(request.webhook, field, value)
                request.update_mask.paths.append(field)
        if actions is not None:
            request.webhook.actions.extend(actions)
            request.update_mask.paths.append("actions")
        # With an etag, a repeat of what was done would find its own etag stale.
        send = self._once if etag else self._read
        return send(self._stub.UpdateWebhook, request, Webhook)

    def delete(self, webhook: str, *, etag: str = "", validate_only: bool = False) -> None:
        request = pb.DeleteWebhookRequest(
            name=webhook_name(webhook), etag=etag, validate_only=validate_only
        )
        self._call(self._stub.DeleteWebhook, request, repeats=False)

    def rotate(self, webhook: str, *, overlap: timedelta | None = None) -> NewWebhook:
        """A new secret; the old one signs too until the overlap is over, by default a day."""
        request = pb.RotateWebhookSecretRequest(name=webhook_name(webhook))
        if overlap is not None:
            span = Duration()
            span.FromTimedelta(overlap)
            request.overlap.CopyFrom(span)
        return self._once(self._stub.RotateWebhookSecret, request, NewWebhook)

    def test(self, webhook: str) -> WebhookDelivery:
        """Send a request of type `webhook.test`; `deliveries` tells how it went."""
        request = pb.TestWebhookRequest(name=webhook_name(webhook))
        return self._once(self._stub.TestWebhook, request, WebhookDelivery)

    def deliveries(self, webhook: str) -> Iterator[WebhookDelivery]:
        """Newest first."""
        request = pb.ListDeliveriesRequest(parent=webhook_name(webhook))
        return self._pages(self._stub.ListDeliveries, request, "deliveries", WebhookDelivery)

    def replay(
        self,
        webhook: str,
        *,
        delivery: str = "",
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        first_event: str = "",
        last_event: str = "",
    ) -> int:
        """Send again one delivery, by its id, or the events of a time, or those from first to last
        of a shard; how many."""
        name = webhook_name(webhook)
        request = pb.ReplayDeliveriesRequest(parent=name)
        if delivery:
            request.delivery = f"{name}/deliveries/{delivery.rpartition('/')[2]}"
        elif first_event:
            request.events.first = first_event
            request.events.last = last_event or first_event
        else:
            start, end = timestamp(start_time), timestamp(end_time)
            request.times.CopyFrom(
                pb.ReplayDeliveriesRequest.TimeRange(start_time=start, end_time=end)
            )
        reply: pb.ReplayDeliveriesResponse = self._call(
            self._stub.ReplayDeliveries, request, repeats=True
        )
        return reply.count
