"""Erasures: the form that asks twice, and the certificates. For admins alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException

from receiver.operators import recording_id, require
from receiver.page.rendering import redirect, render
from receiver.records import State
from receiver.settings import Role

if TYPE_CHECKING:
    from starlette.responses import Response

    from receiver.page.parts import Visit

_MOST_SHOWN = 200


async def ask(visit: Visit) -> Response:
    """`GET /recordings/{id}/erase`: what would go, and the form; nothing is changed."""
    require(visit.token, Role.ADMIN)
    recording = await visit.parts.catalogue.recording(recording_id(visit.request))
    return render(visit.request, "erase.html", visit=visit, r=recording, is_erased=recording.state is State.ERASED)


async def erase(visit: Visit) -> Response:
    """`POST /recordings/{id}/erase`."""
    erased = recording_id(visit.request)
    if visit.form.get("confirmation", "").strip() != erased:
        raise HTTPException(422, f"nothing was erased: type the recording's id, {erased}, into the form's last field")
    made = await visit.parts.erasing.erase(erased, visit.form.get("reason", ""), visit.token)
    return redirect(f"/erasures/{made.id}" if made.recordings else f"/recordings/{erased}")


async def listing(visit: Visit) -> Response:
    """`GET /erasures`: the newest certificates."""
    require(visit.token, Role.ADMIN)
    newest = await visit.parts.erasing.certificates.newest()
    return render(visit.request, "erasures.html", visit=visit, certificates=newest)


async def show(visit: Visit) -> Response:
    """`GET /erasures/{id}`: one certificate."""
    require(visit.token, Role.ADMIN)
    erasing = visit.parts.erasing
    summary, lines = await erasing.certificates.one(visit.request.path_params["id"], most=_MOST_SHOWN)
    return render(visit.request, "erasure.html", visit=visit, certificate=summary, lines=lines, remains=erasing.remains)
