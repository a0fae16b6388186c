"""Names as people write them, turned into the API's: `fraud/scorer` is `models/fraud/scorer`.

Every function takes both spellings and raises InvalidRequestError for what is neither.
"""

from __future__ import annotations

from registry.client.errors import checked_locally
from registry.names import (
    AcceptanceName,
    ModelName,
    NamespaceName,
    NumberedName,
    PolicyChangeName,
    PrincipalName,
    PromotionName,
    Reference,
    ReviewName,
    VersionName,
    VersionNumber,
    VettingRerunName,
    WaiverName,
    WebhookName,
    parse_selector,
)

EVERYWHERE = "namespaces/-"


def model_name(text: str) -> str:
    with checked_locally():
        path = text.removeprefix("models/")
        return str(ModelName(path=path, field="model"))


def namespace_name(text: str) -> str:
    with checked_locally():
        namespace = text.removeprefix("namespaces/")
        return str(NamespaceName(namespace=namespace, field="namespace"))


def parent_name(text: str) -> str:
    """A namespace's name; empty text or `-` means all of them."""
    return EVERYWHERE if text in ("", "-", EVERYWHERE) else namespace_name(text)


def scope_name(text: str) -> str:
    """A model's name, a namespace's, or with empty text all namespaces."""
    if text.startswith("namespaces/") or "/" not in text:
        return parent_name(text)
    return model_name(text)


def principal_name(text: str) -> str:
    with checked_locally():
        principal = text.removeprefix("principals/")
        return str(PrincipalName(principal=principal, field="principal"))


def promotion_name(text: str | int) -> str:
    return _of_number(text, PromotionName, "promotion")


def webhook_name(text: str) -> str:
    with checked_locally():
        webhook = text.removeprefix("webhooks/")
        return str(WebhookName(webhook=webhook, field="webhook"))


def acceptance_name(text: str | int) -> str:
    return _of_number(text, AcceptanceName, "acceptance")


def review_name(text: str | int) -> str:
    return _of_number(text, ReviewName, "review")


def vetting_rerun_name(text: str | int) -> str:
    return _of_number(text, VettingRerunName, "rerun")


def waiver_name(text: str | int) -> str:
    return _of_number(text, WaiverName, "waiver")


def policy_change_name(text: str | int) -> str:
    return _of_number(text, PolicyChangeName, "policy change")


def _of_number(text: str | int, kind: type[NumberedName], field: str) -> str:
    collection = kind.FORM.partition("/")[0]
    with checked_locally():
        number = str(text).removeprefix(f"{collection}/")
        return str(kind.parse(f"{collection}/{number}", field=field))


def split_reference(text: str) -> tuple[str, str]:
    """`fraud/scorer@production` as the model's name and what stands behind the `@`."""
    with checked_locally():
        if text.startswith("models/") and "/versions/" in text:
            version = VersionName.parse(text, field="reference")
            return str(version.model), str(version.number)
        found = Reference.parse(text.removeprefix("models/"), field="reference")
        return str(found.model), str(found.selector)


def numbered(model: str, selector: str) -> str:
    """The version's name where the selector is a number; empty where the server has to say."""
    with checked_locally():
        parsed = parse_selector(selector, field="reference")
    return f"{model}/versions/{parsed}" if isinstance(parsed, VersionNumber) else ""
