"""Signs JSON that comes back from outside: the page's sessions, and the listings' cursors (catalogue/order)."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

from itsdangerous import BadData, URLSafeSerializer

if TYPE_CHECKING:
    from collections.abc import Sequence

_FORM = re.compile(r"\.?[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{64}")
"""A signature's 48 bytes fill its base64, so that it has one spelling; the library's reader would skip what is none."""


def sign(value: Any, *, keys: Sequence[bytes], purpose: bytes) -> str:
    """Return a JSON value as text for a URL or a cookie, signed with the first of the keys; it is not encrypted."""
    return _serializer(keys, purpose).dumps(value)


def read(text: str, *, keys: Sequence[bytes], purpose: bytes) -> Any:
    """Return the value of a text that any of the keys signed for this purpose, or None."""
    if _FORM.fullmatch(text) is None:
        return None
    try:
        return _serializer(keys, purpose).loads(text)
    except BadData:
        return None


def _serializer(keys: Sequence[bytes], purpose: bytes) -> URLSafeSerializer:
    return URLSafeSerializer(
        list(reversed(keys)),  # the library signs with the last
        salt=purpose,
        signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha384},
    )
