"""The Content-Disposition header of a download (RFC 6266, RFC 8187)."""

from __future__ import annotations

import unicodedata
from urllib.parse import quote

MAX_NAME_CHARS = 150


def attachment(filename: str | None) -> str:
    """Return `attachment` with the name twice: plain ASCII for old clients, and percent-encoded UTF-8.

    Control characters, quotes and path separators become `_`, so no name can end the header or leave a folder.
    """
    if not filename:
        return "attachment"
    name = "".join(c if _is_safe(c) else "_" for c in filename)[:MAX_NAME_CHARS].strip(" .") or "recording"
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = "".join(c if _is_safe(c) else "_" for c in plain).strip()
    if plain.startswith(".") or not plain:
        plain = f"recording{plain}"  # a name with no Latin letter keeps its extension
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def _is_safe(char: str) -> bool:
    return (
        char not in '"\\/%;' and unicodedata.category(char)[0] != "C" and unicodedata.category(char) not in {"Zl", "Zp"}
    )
