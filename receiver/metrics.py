"""The service's counters and gauges. Labels are bounded enums: no id, name, address or URL is ever a label."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import CounterMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterator

registry = CollectorRegistry()

index_stale = Gauge(
    "receiver_index_stale",
    "1 while the index could not be read: receiver_recordings, receiver_webhook_missed_total and "
    "receiver_api_pause_seconds are what they were before.",
    registry=registry,
)
deliveries = Counter("receiver_deliveries", "Webhook POSTs by outcome.", ["outcome"], registry=registry)
recordings = Gauge("receiver_recordings", "Recordings by state.", ["state"], registry=registry)
runs = Counter("receiver_runs", "Ended runs of a recording's job by outcome code.", ["outcome"], registry=registry)
bytes_read = Counter("receiver_source_bytes", "Bytes read from sources.", registry=registry)
bytes_stored = Counter("receiver_stored_bytes", "Bytes of archived objects.", registry=registry)
queue_paused = Gauge(
    "receiver_queue_paused",
    "1 while no recording is begun, since the bucket or the API lets nobody.",
    registry=registry,
)
paused_sides = Gauge(
    "receiver_paused_sides",
    "Whom recordings wait for: 1 for the API or the bucket that lets nobody, the number of such download hosts.",
    ["side"],
    registry=registry,
)
due_recordings = Gauge("receiver_due_recordings", "Recordings whose time has come, without a run.", registry=registry)
oldest_due_seconds = Gauge(
    "receiver_oldest_due_seconds", "For how long the first of them has been due.", registry=registry
)
worker_silent_seconds = Gauge(
    "receiver_worker_silent_seconds", "For how long no worker of the deployment showed itself.", registry=registry
)
refused_posts = Counter(
    "receiver_refused_posts",
    "Posts to the webhook with an unknown secret, or from an address that is not allowed.",
    registry=registry,
)
store_slowdowns = Counter(
    "receiver_store_slowdowns", "Times that a failing store halved the requests at once.", registry=registry
)
archive_seconds = Histogram(
    "receiver_archive_seconds",
    "Seconds from first sight of a recording to archived.",
    buckets=(1, 2, 5, 10, 30, 60, 300, 1800, 7200, 86400),
    registry=registry,
)
stray_uploads = Counter(
    "receiver_stray_uploads", "Multipart uploads that no recording claimed, ended.", registry=registry
)
incomplete_files = Counter(
    "receiver_incomplete_files",
    "Files archived whose own container says that they are cut, or cannot be played.",
    registry=registry,
)
changed_files = Counter(
    "receiver_changed_files",
    "Files that differ from one stored of the same recording: kept beside it, or named by a delivery and not fetched.",
    ["outcome"],
    registry=registry,
)
source_deletions = Counter(
    "receiver_source_deletions",
    "Recordings deleted at the platform by this process, since all of their meeting were archived.",
    registry=registry,
)
erasures = Counter(
    "receiver_erasures",
    "Recordings erased by this process, and attempts that the store refused or did not answer.",
    ["outcome"],
    registry=registry,
)
audited_objects = Counter(
    "receiver_audited_objects",
    "Archived objects read again by this process, by how they were found.",
    ["result"],
    registry=registry,
)
audited_bytes = Counter("receiver_audited_bytes", "Bytes that this process read of them.", registry=registry)
repaired_objects = Counter(
    "receiver_repaired_objects", "Archived objects and manifests that this process put right.", registry=registry
)
oldest_verified_seconds = Gauge(
    "receiver_oldest_verified_seconds",
    "Seconds since the archived object was proven whose last proof is the oldest.",
    registry=registry,
)
unsound_objects = Gauge(
    "receiver_unsound_objects",
    "Archived objects found wanting when they were last read.",
    ["fixity"],
    registry=registry,
)
connections_dropped = Counter(
    "receiver_connections_dropped",
    "Clients that were hung up on, by what they did not do in time, or since another needed the room.",
    ["waited_for"],
    registry=registry,
)
api_requests = Counter("receiver_api_requests", "Meetings API requests by status.", ["status"], registry=registry)
api_pause_seconds = Gauge(
    "receiver_api_pause_seconds",
    "Seconds left of the pause that the Meetings API asked for; `receiver lift-pause` ends it.",
    registry=registry,
)
api_breaker_state = Gauge(
    "receiver_api_breaker_state",
    "0 while the Meetings API is asked, 2 while it is left alone since it failed, 1 while one request probes it.",
    registry=registry,
)
api_breaker_openings = Counter(
    "receiver_api_breaker_openings",
    "Times that failures in a row let the Meetings API be left alone.",
    registry=registry,
)


class Counted(Collector):
    """A counter whose value is what the index holds, since other processes and commands count too."""

    def __init__(self, name: str, documentation: str) -> None:
        self._name = name
        self._documentation = documentation
        self.value = 0

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield the counter as it was set last."""
        yield CounterMetricFamily(self._name, self._documentation, value=self.value)


webhook_missed = Counted("receiver_webhook_missed", "Recordings that reconciliation found before any webhook.")
registry.register(webhook_missed)


def render() -> tuple[bytes, str]:
    """Return the exposition text and its media type."""
    return generate_latest(registry), CONTENT_TYPE_LATEST
