"""WebhookService over gRPC: unpack, call, pack."""

from __future__ import annotations

from typing import ClassVar

from google.protobuf.descriptor import ServiceDescriptor

from registry.api.calls import Call
from registry.api.convert import EnumCodec, page_request, time_us, timestamp
from registry.domain.webhooks import Delivery, DeliveryState, Webhook
from registry.errors import InvalidFieldError
from registry.names import EventName, WebhookDeliveryName, WebhookName
from registry.services.webhook_deliveries import EventRange, TimeRange, WebhookDeliveryService
from registry.services.webhooks import WebhookService
from registry.v1 import webhooks_pb2 as pb

STATES = EnumCodec(pb.DeliveryState, "DELIVERY_STATE", DeliveryState)


class WebhookServicer:
    DESCRIPTOR: ClassVar[ServiceDescriptor] = pb.DESCRIPTOR.services_by_name["WebhookService"]

    def __init__(self, webhooks: WebhookService, deliveries: WebhookDeliveryService) -> None:
        self._webhooks = webhooks
        self._deliveries = deliveries

    def create_webhook(
        self, call: Call, request: pb.CreateWebhookRequest
    ) -> pb.CreateWebhookResponse:
        webhook, secret = self._webhooks.create(
            call.caller,
            url=request.webhook.url,
            description=request.webhook.description,
            actions=request.webhook.actions,
            namespace_pattern=request.webhook.namespace_pattern,
            request_id=request.request_id,
        )
        return pb.CreateWebhookResponse(webhook=to_proto(webhook), secret=secret)

    def get_webhook(self, call: Call, request: pb.GetWebhookRequest) -> pb.Webhook:
        return to_proto(self._webhooks.get(call.caller, WebhookName.parse(request.name)))

    def list_webhooks(self, call: Call, request: pb.ListWebhooksRequest) -> pb.ListWebhooksResponse:
        page = self._webhooks.list(call.caller, page_request(request.page_size, request.page_token))
        return pb.ListWebhooksResponse(
            webhooks=[to_proto(webhook) for webhook in page.items],
            next_page_token=page.next_page_token,
        )

    def update_webhook(self, call: Call, request: pb.UpdateWebhookRequest) -> pb.Webhook:
        return to_proto(
            self._webhooks.update(
                call.caller,
                WebhookName.parse(request.webhook.name, field="webhook.name"),
                url=request.webhook.url,
                description=request.webhook.description,
                actions=request.webhook.actions,
                enabled=request.webhook.enabled,
                mask=request.update_mask.paths,
                etag=request.webhook.etag,
            )
        )

    def delete_webhook(
        self, call: Call, request: pb.DeleteWebhookRequest
    ) -> pb.DeleteWebhookResponse:
        self._webhooks.delete(
            call.caller,
            WebhookName.parse(request.name),
            etag=request.etag,
            validate_only=request.validate_only,
        )
        return pb.DeleteWebhookResponse()

    def rotate_webhook_secret(
        self, call: Call, request: pb.RotateWebhookSecretRequest
    ) -> pb.RotateWebhookSecretResponse:
        overlap_us = None
        if request.HasField("overlap"):
            overlap_us = request.overlap.seconds * 1_000_000 + request.overlap.nanos // 1000
        webhook, secret = self._webhooks.rotate(
            call.caller, WebhookName.parse(request.name), overlap_us=overlap_us
        )
        return pb.RotateWebhookSecretResponse(webhook=to_proto(webhook), secret=secret)

    def test_webhook(self, call: Call, request: pb.TestWebhookRequest) -> pb.WebhookDelivery:
        name = WebhookName.parse(request.name)
        return delivery_to_proto(self._deliveries.test(call.caller, name))

    def list_deliveries(
        self, call: Call, request: pb.ListDeliveriesRequest
    ) -> pb.ListDeliveriesResponse:
        page = self._deliveries.list(
            call.caller,
            WebhookName.parse(request.parent, field="parent"),
            page_request(request.page_size, request.page_token),
        )
        return pb.ListDeliveriesResponse(
            deliveries=[delivery_to_proto(delivery) for delivery in page.items],
            next_page_token=page.next_page_token,
        )

    def replay_deliveries(
        self, call: Call, request: pb.ReplayDeliveriesRequest
    ) -> pb.ReplayDeliveriesResponse:
        parent = WebhookName.parse(request.parent, field="parent")
        target = request.WhichOneof("target")
        if target == "delivery":
            name = WebhookDeliveryName.parse(request.delivery, field="delivery")
            count = self._deliveries.replay_one(call.caller, parent, name)
        else:
            count = self._deliveries.replay_range(call.caller, parent, _range(request))
        return pb.ReplayDeliveriesResponse(count=count)


def to_proto(webhook: Webhook) -> pb.Webhook:
    return pb.Webhook(
        name=webhook.name,
        url=webhook.url,
        description=webhook.description,
        actions=webhook.actions,
        namespace_pattern=webhook.namespace_pattern,
        enabled=webhook.enabled,
        disable_reason=webhook.disable_reason,
        failing_since_time=timestamp(webhook.failing_since_us),
        etag=webhook.etag,
        create_time=timestamp(webhook.create_time_us),
        update_time=timestamp(webhook.update_time_us),
        creator=webhook.creator,
    )


def delivery_to_proto(delivery: Delivery) -> pb.WebhookDelivery:
    waits = delivery.state is DeliveryState.PENDING
    return pb.WebhookDelivery(
        name=delivery.name,
        message_id=delivery.message_id,
        event=delivery.event,
        action=delivery.action,
        state=STATES.to_proto(delivery.state),
        attempts=[
            pb.WebhookDelivery.Attempt(
                time=timestamp(attempt.time_us),
                duration_ms=attempt.duration_ms,
                status_code=attempt.status,
                error=attempt.error,
            )
            for attempt in delivery.attempts
        ],
        next_attempt_time=timestamp(delivery.next_attempt_us) if waits else None,
        create_time=timestamp(delivery.create_time_us),
    )


def _range(request: pb.ReplayDeliveriesRequest) -> TimeRange | EventRange:
    if request.HasField("events"):
        return EventRange(
            first=EventName.parse(request.events.first, field="events.first"),
            last=EventName.parse(request.events.last, field="events.last"),
        )
    if not request.HasField("times") or not request.times.HasField("start_time"):
        raise InvalidFieldError(
            field="times.start_time" if request.HasField("times") else "target",
            found="nothing",
            expected="a delivery, a range of time, or a range of events",
            fix="Say what is to be sent again.",
        )
    times = request.times
    end_us = time_us(times.end_time, "times.end_time") if times.HasField("end_time") else None
    return TimeRange(start_us=time_us(times.start_time, "times.start_time"), end_us=end_us)
