"""The service's counters and gauges. Labels are bounded enums: no id, name, address or URL is ever a label.

A counter shows 0 before it first counts: what begins to exist at 1 has not increased in Prometheus's eyes.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

registry = CollectorRegistry()
ProcessCollector(registry=registry)
PlatformCollector(registry=registry)
build = Info("receiver_build", "The release that runs.", registry=registry)
build.info({"version": version("recording-archive")})

index_stale = Gauge(
    "receiver_index_stale",
    "1 while the index could not be read: what was read from it is what it was before.",
    registry=registry,
)
database_writable = Gauge(
    "receiver_database_writable", "1 where the database took a small write for this scrape.", registry=registry
)
disk_free_bytes = Gauge(
    "receiver_database_disk_free_bytes", "Room on the disk of a SQLite database; 0 of another.", registry=registry
)
disk_bytes = Gauge(
    "receiver_database_disk_bytes", "Size of the disk of a SQLite database; 0 of another.", registry=registry
)
deliveries = Counter("receiver_deliveries", "Webhook POSTs by outcome.", ["outcome"], registry=registry)
intake_seconds = Histogram(
    "receiver_intake_seconds",
    "Seconds from a webhook POST's head to its answer, whatever that was.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30),
    registry=registry,
)
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
oldest_waiting_seconds = Gauge(
    "receiver_oldest_waiting_seconds",
    "For how long the recording is known that is to be archived, and is not, the longest, whatever it waits for.",
    registry=registry,
)
worker_silent_seconds = Gauge(
    "receiver_worker_silent_seconds", "For how long no worker of the deployment showed itself.", registry=registry
)
refused_posts = Counter(
    "receiver_refused_posts",
    "Posts to the webhook with an unknown secret, or from an address that is not allowed.",
    registry=registry,
)
slots = Gauge("receiver_slots", "How many recordings this process works on at once at most.", registry=registry)
slots_used = Gauge("receiver_slots_used", "How many it works on now.", registry=registry)
schedule_runs = Counter(
    "receiver_schedule_runs",
    "Ended runs of what is done again and again, by outcome: done, failed or crashed.",
    ["schedule", "outcome"],
    registry=registry,
)
connections = Gauge("receiver_connections", "Connections of clients that are open.", registry=registry)
store_errors = Counter(
    "receiver_store_errors", "Failed requests to the bucket by error code.", ["code"], registry=registry
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
api_errors = Counter(
    "receiver_api_errors", "Failed questions to the Meetings API by error code.", ["code"], registry=registry
)
clock_skew_seconds = Gauge(
    "receiver_clock_skew_seconds",
    "How far this host's clock is ahead of the Meetings API's (its Date), as of its last answer.",
    registry=registry,
)
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

events = Gauge(
    "receiver_events",
    "Events by state: pending ones are to be sent, failed ones were given up.",
    ["state"],
    registry=registry,
)
notices_refused = Counter(
    "receiver_notices_refused", "Messages to people that a channel of NOTIFY_URLS did not take.", registry=registry
)
last_notice_seconds = Gauge(
    "receiver_last_notice_timestamp_seconds", "When people were last told something; 0 for never.", registry=registry
)


class OfIndex(Collector):
    """A series whose value the index holds, for other processes and commands change it too; none until it was read."""

    def __init__(self, family: type[CounterMetricFamily | GaugeMetricFamily], name: str, documentation: str) -> None:
        self._family = family
        self._name = name
        self._documentation = documentation
        self.value: float | None = None
        registry.register(self)

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """Yield the series as it was set last."""
        yield self._family(self._name, self._documentation, value=self.value)


webhook_missed = OfIndex(
    CounterMetricFamily, "receiver_webhook_missed", "Recordings that reconciliation found before any webhook."
)
last_delivery = OfIndex(
    GaugeMetricFamily,
    "receiver_last_delivery_timestamp_seconds",
    "When the last webhook was stored that was not known before; 0 for never.",
)
last_archived = OfIndex(
    GaugeMetricFamily, "receiver_last_archived_timestamp_seconds", "When a recording was last archived; 0 for never."
)
last_reconciliation = OfIndex(
    GaugeMetricFamily,
    "receiver_last_reconciliation_timestamp_seconds",
    "When a reconciliation last came to its end; 0 for never.",
)
newest_missed = OfIndex(
    GaugeMetricFamily,
    "receiver_newest_missed_timestamp_seconds",
    "When the newest recording was made that reconciliation found before any webhook; 0 where there is none.",
)
last_verified = OfIndex(
    GaugeMetricFamily,
    "receiver_last_verified_timestamp_seconds",
    "When an archived object was last read again and found intact; 0 for never.",
)
audit_log_head = OfIndex(
    GaugeMetricFamily,
    "receiver_audit_log_head_sequence",
    "Place of the audit log's entry that was sealed last, which never goes back; 0 where there is none.",
)

OF_THE_INDEX = frozenset(
    {
        "receiver_recordings",
        "receiver_due_recordings",
        "receiver_oldest_due_seconds",
        "receiver_oldest_waiting_seconds",
        "receiver_worker_silent_seconds",
        "receiver_webhook_missed_total",
        "receiver_last_delivery_timestamp_seconds",
        "receiver_last_archived_timestamp_seconds",
        "receiver_last_reconciliation_timestamp_seconds",
        "receiver_newest_missed_timestamp_seconds",
        "receiver_api_pause_seconds",
        "receiver_oldest_verified_seconds",
        "receiver_last_verified_timestamp_seconds",
        "receiver_unsound_objects",
        "receiver_audit_log_head_sequence",
    }
)
"""Series that every process reads from the index: over replicas they are to be taken once, by `max`, not added up."""


def foresee(counter: Counter, label: str, values: Iterable[str]) -> None:
    """Let a counter show 0 for what it will count."""
    for value in values:
        counter.labels(**{label: value})


def render() -> tuple[bytes, str]:
    """Return the exposition text and its media type."""
    return generate_latest(registry), CONTENT_TYPE_LATEST
