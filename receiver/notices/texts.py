"""What people are told: what happened, since when, what goes on by itself, what waits for a hand, and the command."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from receiver.errors import remedies_by_hand
from receiver.figures import moment, size, span
from receiver.records import NoticeKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from receiver.records import Account, Notice, RecordingId

_MOST_NAMED = 10


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent: plain text."""

    title: str
    body: str


@dataclass(frozen=True, slots=True)
class _Text:
    title: str
    over: str
    by_itself: str
    by_hand: str
    command: str


_WAITS = (
    "What waits for it waits uncounted and goes on within a minute after it is back. Deliveries are stored meanwhile."
)
_ALL_ELSE = "see what the message names; where it only is down, nothing"
_TEXTS = {
    NoticeKind.STORE_AWAY: _Text(
        "The bucket takes no recordings", "The bucket takes recordings again", _WAITS, _ALL_ELSE, "receiver check"
    ),
    NoticeKind.API_AWAY: _Text(
        "The Meetings API serves nobody", "The Meetings API serves again", _WAITS, _ALL_ELSE, "receiver check"
    ),
    NoticeKind.SOURCE_AWAY: _Text(
        "A host of recordings' files serves nobody",
        "The host of files serves again",
        _WAITS,
        _ALL_ELSE,
        "receiver check",
    ),
    NoticeKind.DATABASE_AWAY: _Text(
        "The database takes no writes",
        "The database takes writes again",
        "Deliveries are answered 503, and the platform sends them again; all goes on by itself when it is back.",
        "give it room where its disk is full, start it where it is down; afterwards let missed webhooks be looked for",
        "receiver reconcile",
    ),
    NoticeKind.NO_WORKER: _Text(
        "No worker lives",
        "A worker lives again",
        "Deliveries are stored. Nothing is archived, reconciled or deleted, and no event is sent.",
        "start a worker, and see in the log and the host's memory what ended the last one",
        "receiver work",
    ),
    NoticeKind.SILENCE: _Text(
        "The webhook is silent, and there are new recordings",
        "The webhook speaks again",
        "Reconciliation finds what the webhook does not bring, as late as RECEIVER_RECONCILE_EVERY.",
        "see in Meetings settings that the webhook is enabled with this service's URL, and that it gets here",
        "receiver check --public-url https://your.host --show-secret",
    ),
    NoticeKind.REFUSED_POSTS: _Text(
        "Many posts to the webhook are refused",
        "The webhook is posted to as usual again",
        "All of them are refused, and nothing of them is stored.",
        "where the secret was changed, set the new URL in Meetings settings; else bar the senders at the proxy: the "
        "log names them (event requests_refused), and RECEIVER_WEBHOOK_ALLOWED_IPS lets in whom you name",
        "receiver check --public-url https://your.host --show-secret",
    ),
    NoticeKind.RECORDINGS_DEAD: _Text(
        "Recordings were given up",
        "Recordings that were given up are well again, cancelled or erased",
        "Nothing more is tried of them until they are retried; the files may go at the platform.",
        "mend what their codes name (deploy/errors.md), then retry them",
        "receiver recordings list --state failed (or missing); receiver recordings retry --error-code CODE",
    ),
}


def begun(name: str, said: Sequence[Notice], codes: Sequence[tuple[RecordingId, str]] = ()) -> Message:
    """Tell of what is so, all of one kind; `codes` are of the first recordings among them."""
    text = _TEXTS[said[0].kind]
    lines = [
        *_happened(said, codes),
        f"Since: {moment(min(one.began_at for one in said))}",
        f"By itself: {text.by_itself}",
        f"By hand: {_by_hand(said, text)}",
        f"Command: {text.command}",
        "You are told once more when it is over.",
    ]
    return Message(f"[{name}] {text.title}", "\n".join(lines) + "\n")


def over(name: str, said: Sequence[Notice]) -> Message:
    """Tell of the end of what people were told of, all of one kind."""
    text = _TEXTS[said[0].kind]
    lines = [f"{text.over}.", *_subjects([one.subject for one in said if one.subject])]
    for one in said[:_MOST_NAMED] if said[0].kind is not NoticeKind.RECORDINGS_DEAD else ():
        lasted_s = ((one.ended_at or one.seen_at) - one.began_at).total_seconds()
        lines.append(f"It was so from {moment(one.began_at)} on, for {span(lasted_s)}.")
    return Message(f"[{name}] Over: {text.over}", "\n".join([*lines, "Nothing is to be done."]) + "\n")


def statement(name: str, account: Account, still: Sequence[Notice]) -> Message:
    """Give the account of a week, also where nothing happened."""
    a = account
    lines = [
        f"From {moment(a.since)} to {moment(a.until)}:",
        f"{a.meetings} meetings had {a.recordings} recordings.",
        f"{a.proven} of them are archived and proven, {a.waiting} wait, {a.failed} failed, {a.lost} are lost.",
        f"{a.missed} were not brought by the webhook: reconciliation found them.",
        f"{a.archived} recordings were archived, {size(a.archived_bytes)}.",
        *([f"Not over: {', '.join(sorted({one.kind.value for one in still}))}."] if still else ["All is well."]),
    ]
    return Message(f"[{name}] The week: {a.proven} of {a.recordings} recordings archived", "\n".join(lines) + "\n")


def trial(name: str, now: datetime) -> Message:
    """Say that this channel works."""
    body = f"This is a test, sent at {moment(now)} by `receiver notify --test`. Nothing is to be done.\n"
    return Message(f"[{name}] Test of the way to you", body)


def _happened(said: Sequence[Notice], codes: Sequence[tuple[RecordingId, str]]) -> list[str]:
    kind, detail = said[0].kind, said[0].detail
    match kind:
        case NoticeKind.RECORDINGS_DEAD:
            return [f"{len(said)} recordings were given up.", *_named(codes, len(said))]
        case NoticeKind.STORE_AWAY | NoticeKind.API_AWAY | NoticeKind.SOURCE_AWAY:
            return [f"{_where(one)}{one.detail['waiting']} recordings wait: {one.detail['message']}" for one in said]
        case NoticeKind.SILENCE:
            since = detail["delivered_at"]
            last = "none has come yet" if since is None else f"the last came {moment(datetime.fromisoformat(since))}"
            return [f"Of {detail['missed']} recordings no webhook came; {last}."]
        case NoticeKind.REFUSED_POSTS:
            return [f"{detail['count']} or more came within {span(detail['within_s'])}, at one process."]
        case NoticeKind.DATABASE_AWAY:
            return [f"The database says: {detail['reason']}"]
        case _:
            return [f"{_TEXTS[kind].title}."]


def _by_hand(said: Sequence[Notice], text: _Text) -> str:
    remedies = remedies_by_hand()
    asked = [remedies[one.detail["code"]] for one in said if one.detail.get("code") in remedies]
    return "; ".join(dict.fromkeys(asked)) or text.by_hand


def _where(one: Notice) -> str:
    return f"{one.subject}: " if one.subject else ""


def _named(codes: Sequence[tuple[RecordingId, str]], count: int) -> list[str]:
    lines = [f"{many} {code}" for code, many in Counter(code for _, code in codes).most_common()]
    named = [f"{recording_id} ({code})" for recording_id, code in codes[:_MOST_NAMED]]
    more = [f"and {count - len(named)} more"] if count > len(named) else []
    return [f"By code: {', '.join(lines)}", *named, *more]


def _subjects(subjects: Sequence[str]) -> list[str]:
    more = [f"and {len(subjects) - _MOST_NAMED} more"] if len(subjects) > _MOST_NAMED else []
    return [*subjects[:_MOST_NAMED], *more]
