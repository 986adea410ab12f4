"""Signing what is delivered, in both forms, and checking it at the other end (contract, section 7; guarantee W3).

`X-Webhook-Signature: sha256=<hex>` is the HMAC of the body, keyed with the secret's text. `webhook-signature:
v1,<base64>` is Standard Webhooks 1.0: the HMAC of id, time and body, keyed with what is encoded after `whsec_`, or the
text of any other secret. While a secret is replaced by another, both sign, the newest first (guarantee W8).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

PREFIX = "whsec_"
LEAST, MOST = 16, 64  # bytes of a secret


def minted(entropy: bytes) -> str:
    """A secret of 32 random bytes."""
    return PREFIX + base64.b64encode(entropy).decode()


def standard_key(secret: str) -> bytes:
    """The key of Standard Webhooks. Raises ValueError for `whsec_` before what is no base64."""
    if not secret.startswith(PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("whsec_ goes before base64") from None


def plain_signature(body: bytes, secrets: Sequence[str]) -> str:
    """The value of `X-Webhook-Signature`."""
    return ",".join(f"sha256={hmac.digest(secret.encode(), body, 'sha256').hex()}" for secret in secrets)


def standard_signature(id: str, at: int, body: bytes, secrets: Sequence[str]) -> str:
    """The value of `webhook-signature`; `at` in seconds since the epoch."""
    content = b"%s.%d.%s" % (id.encode(), at, body)
    return " ".join(f"v1,{_standard(content, secret)}" for secret in secrets)


def signed_by(given: str, id: str, at: int, body: bytes, secret: str) -> bool:
    """Whether one of the signatures in `webhook-signature` is that of `secret`; others may stand beside it."""
    wanted = f"v1,{_standard(b'%s.%d.%s' % (id.encode(), at, body), secret)}"
    found = [hmac.compare_digest(part.encode("utf-8", "replace"), wanted.encode()) for part in given.split(" ")]
    return any(found)


def _standard(content: bytes, secret: str) -> str:
    return base64.b64encode(hmac.new(standard_key(secret), content, hashlib.sha256).digest()).decode()
