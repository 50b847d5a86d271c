"""What may be done to a recording on its page, by whom.

On SQLite: what the page asks of the index is asked on both databases by the tests of the API.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httpx
from structlog.testing import capture_logs

from receiver.records import State
from tests.support.databases import ON_SQLITE
from tests.support.operators import ARCHIVED, OPERATOR, VIEWER, Outside, add, row, state_of
from tests.support.page import FORMS, post, sign_in

if TYPE_CHECKING:
    from receiver.tables import Database

pytestmark = ON_SQLITE


async def test_a_viewer_may_not_change(database: Database, viewer: httpx.AsyncClient, outside: Outside):
    await add(database, row("r1", state=State.FAILED))
    for path in FORMS[:-1]:
        answer = await post(viewer, path)
        assert answer.status_code == 403, path
        assert "this needs the role operator; the token &#39;ci&#39; has the role viewer" in answer.text
    assert (await state_of(database), outside.woken) == (State.FAILED, 0)


def actions_of(text: str) -> set[str]:
    return set(re.findall(r'action="/recordings/r1/([a-z]+)"', text))


async def test_only_what_state_and_role_allow_is_offered(database: Database, browser: httpx.AsyncClient):
    for state in State:
        for verb in (None, "retry", "cancel", "hold"):
            await database.write(lambda tx: tx.exec_driver_sql("DELETE FROM recordings"))
            await add(database, row("r1", **(ARCHIVED | {"state": state})))
            await sign_in(browser, VIEWER if verb is None else OPERATOR)
            shown = (await browser.get("/recordings/r1")).text
            offered = actions_of(shown)
            assert ('href="/recordings/r1/download"' in shown) == (state is State.ARCHIVED)
            if verb is None:
                assert offered == set()
                continue
            assert ("hold" in offered) == (state is not State.ERASED)
            answer = await post(browser, f"/recordings/r1/{verb}", {"reason": "a case"})
            assert answer.status_code == (303 if verb in offered else 409)


async def test_changes_name_who_did_them(database: Database, operator: httpx.AsyncClient):
    await add(database, row("r1", state=State.FAILED))
    with capture_logs() as events:
        for verb in ("hold", "release", "cancel", "retry"):
            assert (await post(operator, f"/recordings/r1/{verb}", {"reason": "a case"})).status_code == 303
    assert [(e["event"], e["recording_id"], e["token_name"]) for e in events] == [
        (f"recording_{done}", "r1", "alice") for done in ("held", "released", "cancelled", "retried")
    ]
    assert "put on hold" in (await operator.get("/recordings/r1")).text.lower()
