"""Ids as the platform makes them."""

import random
import string
import time
import uuid

SEEDED_EPOCH_S = 1_700_000_000
FILE_NAME_ALPHABET = string.ascii_letters + string.digits + "-_"


class Ids:
    """Makes identifiers in the vendor's forms; with a seed, the same ones in each run."""

    def __init__(self, seed: int | None) -> None:
        self._random = random.Random(seed)
        self._seeded = seed is not None
        self._made = 0

    def object_id(self) -> str:
        self._made += 1
        seconds = SEEDED_EPOCH_S + self._made if self._seeded else int(time.time())
        return f"{seconds:08x}{self._random.getrandbits(40):010x}{self._made & 0xFFFFFF:06x}"

    def file_uid(self) -> str:
        return "".join(self._random.choices(FILE_NAME_ALPHABET, k=24))

    def token(self) -> str:
        return f"{self._random.getrandbits(160):040X}"

    def user_id(self) -> int:
        return self._random.randint(7_000_000, 7_999_999)

    def session_id(self) -> int:
        return self._random.randint(100_000, 999_999)

    def request_id(self) -> str:
        return uuid.UUID(int=self._random.getrandbits(128)).hex[:16].upper()
