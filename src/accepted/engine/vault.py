"""Secrets of webhooks at rest: sealed with AES-256-GCM, opened only where a delivery is signed.

`secret_keys` come from the environment and are nowhere else. The first one seals, each of them opens, so that a key is
replaced by putting a new one before it. A sealed secret is bound to its webhook's URL: moved to another URL it does not
open. Without a key secrets are stored as they are, and `accepted doctor` says so.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Sequence

from msgspec.structs import replace

from ..contract.webhook import Registration
from ..knob import SecretKey

_NONCE = 12  # bytes; random, as NIST SP 800-38D, section 8.2.2, has it


class Sealed(Exception):
    """A secret that none of the keys opens: its key is missing here, or it is not what was stored."""


class Vault:
    """Seals and opens. Without keys it leaves secrets as they are."""

    def __init__(self, keys: Sequence[SecretKey]) -> None:
        self._keys = {_name(key): key for key in keys}
        self._first = next(iter(self._keys), "")

    def sealed(self, registration: Registration) -> Registration:
        """The registration as it is stored."""
        if not self._first or registration.sealed:
            return registration
        secrets = tuple(self._seal(secret, registration.url) for secret in registration.secrets)
        return replace(registration, secrets=secrets, sealed=True)

    def opened(self, registration: Registration) -> Registration:
        """The registration as it came. Raises `Sealed`."""
        if not registration.sealed:
            return registration
        secrets = tuple(self._open(secret, registration.url) for secret in registration.secrets)
        return replace(registration, secrets=secrets, sealed=False)

    def resealed(self, registration: Registration) -> Registration:
        """The registration under the first key; the same one where it is already. Raises `Sealed`."""
        if registration.sealed and all(secret.startswith(f"{self._first}.") for secret in registration.secrets):
            return registration
        return self.sealed(self.opened(registration))

    def _seal(self, secret: str, url: str) -> str:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = os.urandom(_NONCE)
        box = AESGCM(self._keys[self._first].value).encrypt(nonce, secret.encode(), url.encode())
        return f"{self._first}.{base64.b64encode(nonce + box).decode()}"

    def _open(self, sealed: str, url: str) -> str:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        name, _, text = sealed.partition(".")
        if name not in self._keys:
            raise Sealed(f"there is no key {name!r} among secret_keys")
        box = base64.b64decode(text)
        try:
            return AESGCM(self._keys[name].value).decrypt(box[:_NONCE], box[_NONCE:], url.encode()).decode()
        except InvalidTag:
            raise Sealed("a secret is not what was stored") from None


def _name(key: SecretKey) -> str:
    """What tells keys apart without saying anything about them."""
    return hashlib.sha256(b"accepted: name of a key\0" + key.value).hexdigest()[:8]
