"""Viewers' ids, hashed with the installation's key before they are kept anywhere."""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache


class Pseudonyms:
    """The same viewer always has the same pseudonym (16 characters), here and in every room; without the key it leads nowhere.

    An empty id stays empty: nobody in particular. The hash is keyed BLAKE2b, cut to 96 bits.
    """

    def __init__(self, secret: str, remembered: int = 65_536) -> None:
        key = hashlib.blake2b(secret.encode(), digest_size=32, person=b"livetide viewer").digest()

        def pseudonym(user: str) -> str:
            if not user:
                return ""
            return base64.urlsafe_b64encode(hashlib.blake2b(user.encode(), key=key, digest_size=12).digest()).decode()

        self.of = lru_cache(remembered)(pseudonym)
