"""What strangers wrote, in every place of the page that shows it.

On SQLite: what the page asks of the index is asked on both databases by the tests of the API.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httpx

from receiver.records import State
from tests.support.databases import ON_SQLITE
from tests.support.operators import NOW, add, add_delivery, row
from tests.support.page import get, seen

if TYPE_CHECKING:
    from receiver.tables import Database

pytestmark = ON_SQLITE
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'; alert(1); //",
    "{{ 7 * 7 }}{% raw %}",
    "</title></textarea></style><svg onload=alert(1)>",
    "\u202egpj.exe",
    "x" * 5000,
)


async def test_strangers_text_stays_text(database: Database, operator: httpx.AsyncClient):
    for n, name in enumerate(HOSTILE):
        names = dict.fromkeys(("meeting_name", "host_name", "host_login", "host_email", "file_uid"), name)
        failure = {"error_code": "e", "error_message": name, "error_at": NOW}
        await add(database, row(f"r{n}", state=State.FAILED, **names, **failure))
    await add_delivery(database, rejected=[{"index": 0, "errors": list(HOSTILE)}], body="\n".join(HOSTILE).encode())
    texts = [await get(operator, path) for path in ("/recordings", *(f"/recordings/r{n}" for n in range(len(HOSTILE))))]
    texts.append(await get(operator, "/deliveries/d1"))
    for text in texts:
        tags = set(re.findall(r"<([a-z]+)", text))
        assert not tags & {"svg", "style", "textarea", "iframe", "object"}
        assert re.findall(r"<script[^>]*>", text) == ['<script src="/static/page.js" defer>']
        assert re.findall(r"<img[^>]*>", text) == ['<img src="/static/icon.svg" alt="" width="20" height="20">']
        assert "\u202e" not in text
    for name in HOSTILE[:5]:
        assert all(name in seen(text) for text in (texts[0], texts[-1]))
    assert r"\u202egpj.exe" in seen(texts[0])
    assert max(map(len, re.findall("x+", texts[0]))) < 250
