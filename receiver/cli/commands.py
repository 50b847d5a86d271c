"""Which commands there are, and where each lives. Nothing heavier than click may be imported here."""

from __future__ import annotations

import click

from receiver.cli.lazy import LazyGroup, RootGroup

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


@click.group(
    "receiver",
    cls=RootGroup,
    context_settings=CONTEXT,
    table={
        "serve": ("receiver.cli.serve:serve", "Receive webhooks, archive recordings, answer operators."),
        "work": ("receiver.cli.serve:work", "Archive recordings, one worker of many."),
        "migrate": ("receiver.cli.migrate:migrate", "Bring the database to this release's schema."),
        "check": ("receiver.cli.check:command", "Try all that the settings lead to, and say what is wrong."),
        "recordings": ("receiver.cli.commands:recordings", "List, show, download, retry and cancel recordings."),
        "deliveries": ("receiver.cli.commands:deliveries", "List, show and replay the webhooks that came in."),
        "holds": ("receiver.cli.commands:holds", "Keep recordings from deletion, and release them."),
        "retention": ("receiver.cli.retention:retention", "Erase what was kept long enough."),
        "history": ("receiver.cli.history:history", "Show what is on record of one recording."),
        "audit-log": ("receiver.cli.audit_log:audit_log", "Show who did, saw or fetched what, and verify that log."),
        "events": ("receiver.cli.commands:events", "List the events that go to EVENTS_URL, and send them again."),
        "export": ("receiver.cli.export:export", "Write every recording that matches, as CSV or lines of JSON."),
        "reconcile": ("receiver.cli.reconcile:reconcile", "Find what the webhook did not bring, and archive it."),
        "audit": ("receiver.cli.audit:audit", "Read archived objects again, and say which are not as archived."),
        "reindex": ("receiver.cli.reindex:reindex", "Rebuild a lost index from the bucket, or compare the two."),
        "backfill": ("receiver.cli.backfill:backfill", "Archive the recordings of meetings named by their ids."),
        "notify": ("receiver.cli.notify:notify", "Send a test to all who are told of outages and events."),
        "lift-pause": ("receiver.cli.lift_pause:lift_pause", "End the pause that the Meetings API asked for."),
        "clean-up": ("receiver.cli.cleanup:clean_up", "Delete at the platform what is archived and proven here."),
        "erase": ("receiver.cli.erase:erase", "Erase recordings for good, and print a certificate."),
        "person": ("receiver.cli.person:person", "Show all that is kept of a person."),
        "openapi": ("receiver.cli.openapi:openapi", "Print the description of the HTTP API."),
        "demo": ("receiver.cli.demo.command:demo", "Record and archive a meeting on this machine, with no account."),
        "sandbox": ("receiver.cli.sandbox:sandbox", "Run the emulated Meetings API alone."),
    },
)
@click.version_option(package_name="recording-archive", prog_name="receiver")
def root() -> None:
    """Archive meeting recordings into your own S3 bucket and find them again.

    Settings come from variables that begin with RECEIVER_, and from a .env file.
    Exit codes: 0 good, 1 found something wrong, 2 wrong usage or settings.
    """


@click.group(
    cls=LazyGroup,
    table={
        "list": ("receiver.cli.recordings:list_", "List recordings, newest first."),
        "show": ("receiver.cli.recordings:show", "Show everything known about one recording."),
        "download": ("receiver.cli.download:download", "Fetch an archived file and check its SHA-256."),
        "retry": ("receiver.cli.recordings:retry", "Make failed, missing or cancelled recordings pending again."),
        "cancel": ("receiver.cli.recordings:cancel", "Take waiting or failed recordings out of work."),
    },
)
def recordings() -> None:
    """Look at recordings, fetch them, and decide what becomes of the ones that failed."""


@click.group(
    cls=LazyGroup,
    table={
        "list": ("receiver.cli.holds:list_", "List the holds that stand, newest first."),
        "add": ("receiver.cli.holds:add", "Hold a recording, or all of a meeting, a host or a person."),
        "release": ("receiver.cli.holds:release", "Release one hold."),
    },
)
def holds() -> None:
    """Keep recordings from whatever deletes or replaces, as long as they must be kept."""


@click.group(
    cls=LazyGroup,
    table={
        "list": ("receiver.cli.deliveries:list_", "List webhook deliveries, newest first."),
        "show": ("receiver.cli.deliveries:show", "Show one delivery with its body as it came."),
        "replay": ("receiver.cli.deliveries:replay", "Take stored deliveries in again, by today's rules."),
    },
)
def deliveries() -> None:
    """Look at the webhooks that came in, and take them in again."""


@click.group(
    cls=LazyGroup,
    table={
        "list": ("receiver.cli.events:list_", "List events, newest first."),
        "replay": ("receiver.cli.events:replay", "Send events again."),
    },
)
def events() -> None:
    """Look at the events that tell another program of recordings, and send them again."""
