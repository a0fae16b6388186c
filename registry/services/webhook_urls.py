"""Webhooks' URLs at rest: path and query are often the receiver's only secret, so they are sealed.

Stored is `scheme://host:port#sealed`: a URL with a fragment is never taken, so none looks like it,
and the origin can be told to those who may not see more.
"""

from __future__ import annotations

import dataclasses

from registry.domain.webhooks import Webhook
from registry.errors import StorageError
from registry.ports.webhooks import SecretBox


class WebhookUrls:
    def __init__(self, box: SecretBox) -> None:
        self._box = box

    def sealed(self, webhook: Webhook, url: str) -> Webhook:
        """The webhook with this URL, as it is stored. Law: `opened(sealed(w, url)) == url`."""
        origin = dataclasses.replace(webhook, url=url).origin
        sealed = self._box.seal(url, of=_of(webhook))
        return dataclasses.replace(webhook, url=f"{origin}#{sealed}")

    def opened(self, webhook: Webhook) -> str:
        """The URL of a webhook as it is stored. StorageError where the key was replaced."""
        sealed = webhook.url.partition("#")[2]
        try:
            return self._box.open(sealed, of=_of(webhook))
        except StorageError as error:
            raise StorageError(
                what=f"The URL of webhook {webhook.id}",
                store="database",
                cause="it was sealed with another key",
                fix="Restore the ticket key, or say it again and make a new secret: "
                f"hallmark webhook update {webhook.id} --to URL, then "
                f"hallmark webhook rotate {webhook.id}",
            ) from error


def _of(webhook: Webhook) -> str:
    """Neither opens in the place of the other: a URL and the secrets of the same webhook."""
    return f"{webhook.id} url"
