"""Secrets in text that somebody sent to the wrong place, such as a token where a name belongs.

Who builds a message need not know: errors hide these in their fields, the log in its lines. It is
the last line of defence; what is known to be secret is not put into a message at all.
"""

from __future__ import annotations

import re

#: What a secret of these kinds has in it; looked for first, as hardly any text has one.
_HINTS = ("hm_", "whsec_", "eyJ", "d1.", "d2.", "d3.", "d4.", "u1.", "://")
#: Each ends somewhere or begins at one place of a word only, so that no text takes long.
_SECRETS = re.compile(
    r"(?P<token>hm_[0-9A-Za-z]{20,40})"
    r"|(?P<webhook>whsec_[0-9A-Za-z+/]{20,43}=?)"
    # A platform's token: a JSON object, dots, a signature.
    r"|(?P<platform>(?<![\w.-])eyJ[\w-]+\.[\w-]+\.[\w-]+)"
    r"|(?P<ticket>(?<![\w.-])[du][1-9]\.[\w-]+\.[\w-]{20,})"
    # User and password before a URL's host, with a slash in it too; but for the form to write.
    r"|(?<=://)(?!USER:PASSWORD@)(?P<user>[^\s:]{0,300}:\S{1,300}@)",
    re.ASCII,
)
_SHOWN = {
    "token": "hm_(hidden)",
    "webhook": "whsec_(hidden)",
    "platform": "(hidden token)",
    "ticket": "(hidden ticket)",
    "user": "(hidden)@",
}


def redacted(text: str) -> str:
    """The text without tokens, webhooks' secrets, tickets, and passwords in URLs."""
    for hint in _HINTS:
        if hint in text:
            return _SECRETS.sub(lambda found: _SHOWN[str(found.lastgroup)], text)
    return text


def without_user(url: str) -> str:
    """An address without whatever stands before its host, be it a name alone."""
    return re.sub(r"(?<=://)\S{1,2000}@", _SHOWN["user"], url)
