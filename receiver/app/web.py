"""What answers HTTP: intake, the operators' API and page together, or the probes alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.middleware import Middleware

from receiver import api, page, problems, webhook
from receiver.access_log import AccessLog
from receiver.app import erasure
from receiver.app.configs import cursor_keys, other_descriptors, retention_period, session_keys, webhook_secrets
from receiver.app.ended_sessions import DatabaseEndedSessions
from receiver.app.http_server import RoomSize, Server, server_config
from receiver.app.opening import utc_now
from receiver.app.probing import probe_parts
from receiver.catalogue import Catalogue, Overviews
from receiver.errors import ReceiverError
from receiver.operators import Downloads, Guard

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from starlette.routing import BaseRoute

    from receiver.app.secrets import Secrets
    from receiver.inbox import Inbox
    from receiver.objectstore import Bucket
    from receiver.operators import Actions
    from receiver.records import Recording
    from receiver.settings import Settings
    from receiver.tables import Database

_DOWNLOAD_URL_LIFE_S = 900


def service(  # noqa: PLR0913  (its parts)
    secrets: Secrets, database: Database, bucket: Bucket, stop: asyncio.Event, *, inbox: Inbox, actions: Actions
) -> Starlette:
    """Make what `serve` answers with: everything."""
    settings = secrets.now()

    async def presign(recording: Recording) -> str:
        stored = recording.archive
        if stored is None:
            raise ReceiverError(f"recording {recording.id} is {recording.state}, so there is no object to download")
        return await bucket.presign_download(
            stored.key,
            expires_s=_DOWNLOAD_URL_LIFE_S,
            filename=f"{recording.meeting.name or recording.id}{Path(stored.key).suffix}",
            content_type=stored.content_type,
            version_id=stored.version_id,
        )

    parts = webhook.WebhookParts(
        inbox=inbox,
        secrets=lambda: webhook_secrets(secrets.now()),
        allowed_networks=settings.webhook_allowed_ips,
        max_body_bytes=settings.max_body_bytes,
        clock=utc_now,
    )
    catalogue = Catalogue(database, cursor_keys=lambda: cursor_keys(secrets.now()), period=retention_period(settings))
    guard = Guard(lambda: secrets.now().ops_tokens)
    downloads = Downloads(catalogue=catalogue, presign=presign, note=actions.note)
    erasing = erasure.erase_actions(settings, database, bucket)
    json = api.ApiParts(
        catalogue=catalogue,
        guard=guard,
        actions=actions,
        downloads=downloads,
        erasing=erasing,
        probes=probe_parts(settings, database, stop),
    )
    html = page.PageParts(
        catalogue=catalogue,
        overviews=Overviews(database),
        guard=guard,
        actions=actions,
        downloads=downloads,
        erasing=erasing,
        session_keys=lambda: session_keys(secrets.now()),
        ended_sessions=DatabaseEndedSessions(database, utc_now),
        document=api.document,
        period=retention_period(settings),
    )
    return _application([*webhook.routes(parts), *api.routes(json), *page.routes(html)])


def probes(settings: Settings, database: Database, stop: asyncio.Event) -> Starlette:
    """Make what a worker alone answers with."""
    return _application(api.probe_routes(probe_parts(settings, database, stop)))


def server(app: Starlette, settings: Settings, descriptors: int, **options: Any) -> Server:
    """Make the server of an application in a process that may have so many files open; see `server_config`."""
    room = RoomSize.within(descriptors, beside=other_descriptors(settings))
    return Server(server_config(app, room, **options))


def _application(routes: Sequence[BaseRoute]) -> Starlette:
    app = Starlette(routes=routes, exception_handlers=problems.handlers(), middleware=[Middleware(AccessLog)])
    app.router.redirect_slashes = False  # such a redirect would name the Host that the request claimed
    return app
