"""What can be asked of the API: one entry an operation, of which its route and its part of the document are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from receiver.api import deliveries, export, holds, meetings, record, recordings, stats
from receiver.api.bodies import (
    MeetingRecordingsBody,
    RecordingBody,
    RecordingsBody,
    RetriedBody,
    RetryAllBody,
    StatsBody,
)
from receiver.api.delivery_bodies import DeliveriesBody, DeliveryBody, ReplayBody
from receiver.api.erasure_bodies import CertificateBody
from receiver.api.hold_bodies import HoldBody, HoldsBody, NewHoldBody, ReasonBody
from receiver.api.parameters import CURSOR, FILTERED, FORMAT, HELD, LIMIT, LOGGED, SORT, STATUS
from receiver.api.record_bodies import ActsBody, HistoryBody
from receiver.settings import Role

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.responses import Response

    from receiver.api.bodies import Body
    from receiver.api.parameters import Parameter
    from receiver.api.parts import Call

    Handler = Callable[[Call], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """`answers` is the body of its 200; None where that is no JSON. `has_etag`: it answers 304 too.

    `refusals` are statuses that do not follow from the rest: that it needs a token, takes parameters, names an id.
    """

    path: str
    about: str
    handler: Handler
    answers: type[Body] | None
    method: str = "GET"
    needs: Role = Role.VIEWER
    parameters: tuple[Parameter, ...] = ()
    takes: type[Body] | None = None
    has_etag: bool = False
    refusals: tuple[int, ...] = ()


def _action(path: str, about: str, handler: Handler, **more: object) -> Operation:
    """Make an operation that changes one recording."""
    return Operation(
        path=f"/recordings/{{id}}/{path}",
        about=about,
        handler=handler,
        answers=RecordingBody,
        method="POST",
        needs=Role.OPERATOR,
        **more,  # type: ignore[arg-type]
    )


OPERATIONS = (
    Operation(
        path="/recordings",
        about="Recordings, newest first. All the filters given must hold.",
        handler=recordings.page,
        answers=RecordingsBody,
        parameters=(*FILTERED, SORT, LIMIT, CURSOR),
    ),
    Operation(
        path="/recordings/{id}",
        about="One recording.",
        handler=recordings.show,
        answers=RecordingBody,
        has_etag=True,
    ),
    Operation(
        path="/recordings/{id}/download",
        about="To the file in the team's bucket: a redirect to a URL that lives 15 minutes.",
        handler=recordings.download,
        answers=None,
        refusals=(409, 502),
    ),
    Operation(
        path="/recordings/{id}/history",
        about="What is on record of one recording, from first sight on.",
        handler=record.history,
        answers=HistoryBody,
    ),
    Operation(
        path="/recordings/retry",
        about="Try all anew that did not succeed and whose last run ended with one code; first with `dry_run`.",
        handler=recordings.retry_all,
        answers=RetriedBody,
        method="POST",
        needs=Role.OPERATOR,
        takes=RetryAllBody,
    ),
    _action("retry", "Try a recording anew, at once, with fresh attempts.", recordings.retry, refusals=(409,)),
    _action("cancel", "Take a recording that waits or failed out of work.", recordings.cancel, refusals=(409,)),
    _action(
        "hold",
        "Keep a recording from whatever deletes or replaces, until it is released.",
        recordings.hold,
        takes=ReasonBody,
        refusals=(409,),
    ),
    _action(
        "release",
        "Release the holds of this very recording; what holds its meeting or a person is released by its own id.",
        recordings.release,
        takes=ReasonBody,
        refusals=(409,),
    ),
    Operation(
        path="/holds",
        about="The holds that stand, newest first.",
        handler=holds.page,
        answers=HoldsBody,
        parameters=(*HELD, LIMIT, CURSOR),
    ),
    Operation(
        path="/holds",
        about="Hold a recording, or all of a meeting, a host or a person, future recordings too; safe to repeat.",
        handler=holds.add,
        answers=HoldBody,
        method="POST",
        needs=Role.OPERATOR,
        takes=NewHoldBody,
        refusals=(404, 409),
    ),
    Operation(
        path="/holds/{id}",
        about="Release one hold, with a reason or without a body; what others cover stays held.",
        handler=holds.release,
        answers=HoldBody,
        method="DELETE",
        needs=Role.OPERATOR,
        takes=ReasonBody,
    ),
    Operation(
        path="/recordings/{id}",
        about="Erase a recording for good: row, bodies of deliveries, every version of its files; the certificate.",
        handler=recordings.erase,
        answers=CertificateBody,
        method="DELETE",
        needs=Role.ADMIN,
        takes=ReasonBody,
        refusals=(409,),
    ),
    Operation(
        path="/meetings/{id}",
        about="A meeting and its recordings, newest first.",
        handler=meetings.show,
        answers=MeetingRecordingsBody,
        parameters=(LIMIT, CURSOR),
        has_etag=True,
    ),
    Operation(
        path="/deliveries",
        about="The webhook's deliveries, newest first.",
        handler=deliveries.page,
        answers=DeliveriesBody,
        parameters=(STATUS, LIMIT, CURSOR),
    ),
    Operation(
        path="/deliveries/{id}",
        about="One delivery; its body, which names people, for operators and above.",
        handler=deliveries.show,
        answers=DeliveryBody,
        has_etag=True,
    ),
    Operation(
        path="/deliveries/{id}/replay",
        about="Take a stored delivery in again, by today's rules.",
        handler=deliveries.replay,
        answers=ReplayBody,
        method="POST",
        needs=Role.OPERATOR,
        refusals=(422,),
    ),
    Operation(
        path="/export",
        about="Every recording that matches, as CSV (safe against formulas) or as lines of JSON.",
        handler=export.export,
        answers=None,
        parameters=(FORMAT, *FILTERED, SORT),
    ),
    Operation(
        path="/audit-log",
        about="Who did, saw or fetched what, and what the service did by itself, newest first; for admins.",
        handler=record.acts,
        answers=ActsBody,
        needs=Role.ADMIN,
        parameters=(*LOGGED, LIMIT, CURSOR),
    ),
    Operation(path="/stats", about="How many recordings stand in each state.", handler=stats.show, answers=StatsBody),
)
