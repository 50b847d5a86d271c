"""What people are told: what happened, since when, what goes on by itself, what waits for a hand, and the command."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from receiver.catalogue import FOLLOWED
from receiver.errors import remedies_by_hand
from receiver.figures import moment, size, span
from receiver.records import NoticeKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from receiver.records import Account, Notice

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
    read_on: str
    """Of the runbook the section, where no error's code names one."""
    after: str = "Nothing is to be done."


_WAITS = "Deliveries are stored. Recordings wait, use no attempts up, and go on within a minute after it is back."
_DOWN = "nothing, unless it lasts; then what is said above"
_REFUSES = "mend what is said above; it does not end by itself"
_TEXTS = {
    NoticeKind.STORE_AWAY: _Text(
        "The bucket takes no recordings",
        "The bucket takes recordings again",
        _WAITS,
        _DOWN,
        "receiver check",
        "outagelasts",
    ),
    NoticeKind.API_AWAY: _Text(
        "The Meetings API serves nobody",
        "The Meetings API serves again",
        _WAITS,
        _DOWN,
        "receiver check",
        "outagelasts",
    ),
    NoticeKind.SOURCE_AWAY: _Text(
        "A host of recordings' files serves nobody",
        "The host of files serves again",
        _WAITS,
        _DOWN,
        "receiver check",
        "outagelasts",
    ),
    NoticeKind.DATABASE_AWAY: _Text(
        "The database takes no writes",
        "The database takes writes again",
        "Deliveries are answered 503; running transfers go on, and all else does when it is back.",
        "give it room where its disk is full, start it where it is down",
        "receiver check",
        "databaserefuseswrites",
        "What the platform did not send again is found by: receiver reconcile",
    ),
    NoticeKind.NO_WORKER: _Text(
        "No worker lives",
        "A worker lives again",
        "Deliveries are stored. Nothing is archived, reconciled or deleted, and no event is sent.",
        "start a worker again by its unit, container or pod, or by the command below; see in its log and in the "
        "kernel's (out of memory) what ended the last one",
        "receiver work",
        "noworker",
    ),
    NoticeKind.SILENCE: _Text(
        "The webhook is silent, and there are new recordings",
        "The webhook speaks again",
        "Reconciliation finds what the webhook does not bring, hours late (RECEIVER_RECONCILE_EVERY).",
        "see in Meetings settings that the webhook is enabled with this service's URL, and that it gets here",
        "receiver check --public-url https://your.host --show-secret",
        "webhooksilent",
    ),
    NoticeKind.REFUSED_POSTS: _Text(
        "Many posts to the webhook are refused",
        "The webhook is posted to as usual again",
        "All of them are refused, and nothing of them is stored.",
        "where the secret was changed, set the new URL in Meetings settings; else bar the senders at the proxy: the "
        "log names them (event requests_refused), and RECEIVER_WEBHOOK_ALLOWED_IPS lets in whom you name",
        "receiver check --public-url https://your.host --show-secret",
        "postsrefused",
    ),
    NoticeKind.RECORDINGS_DEAD: _Text(
        "Recordings were given up",
        "Recordings that were given up are well again, cancelled or erased",
        "Nothing more is tried of them until they are retried; the files may go at the platform.",
        "mend what the code names, then retry them; cancel what is not wanted",
        "receiver recordings retry --error-code CODE",
        "recordingsfailed",
    ),
    NoticeKind.OBJECTS_DAMAGED: _Text(
        "Archived objects are not what was archived",
        "Objects that were found damaged are intact again, or erased",
        "They are read again each day. Damaged objects are neither overwritten nor deleted.",
        "have them repaired soon: the platform keeps its files for a while only, the bucket its older versions",
        "receiver audit --repair --recording-id ID",
        "objectsdamaged",
    ),
    NoticeKind.RECORDINGS_DUE: _Text(
        "Recordings are due to be erased",
        "Recordings that were due are erased, or held",
        "They are erased RECEIVER_RETENTION_GRACE_DAYS after they became due.",
        "hold those that must be kept: receiver holds add --recording-id ID --reason TEXT",
        "receiver retention --dry-run",
        "",
    ),
}


def begun(name: str, said: Sequence[Notice], reasons: Sequence[tuple[str, str]] = ()) -> Message:
    """Tell of what is so, all of one kind; `reasons` are of the first recordings among them."""
    text = _TEXTS[said[0].kind]
    lines = [
        *_happened(said, reasons),
        f"Since: {moment(min(one.began_at for one in said))}",
        f"By itself: {text.by_itself}",
        f"By hand: {_by_hand(said, text)}",
        *_commands(said[0].kind, text, reasons),
        *_read_on(said, text, reasons),
        "You are told once more when it is over.",
    ]
    return Message(f"[{name}] {text.title}", "\n".join(lines) + "\n")


def over(name: str, said: Sequence[Notice]) -> Message:
    """Tell of the end of what people were told of, all of one kind."""
    text = _TEXTS[said[0].kind]
    lines = [f"{text.over}.", *_first([one.subject for one in said if one.subject])]
    for one in said[:_MOST_NAMED] if said[0].kind not in FOLLOWED else ():
        lasted_s = ((one.ended_at or one.seen_at) - one.began_at).total_seconds()
        lines.append(f"It was so from {moment(one.began_at)} on, for {span(lasted_s)}.")
    return Message(f"[{name}] Over: {text.over}", "\n".join([*lines, text.after]) + "\n")


def statement(name: str, account: Account, still: Sequence[Notice]) -> Message:
    """Give the account of a week, also where nothing happened."""
    a = account
    lines = [
        f"From {moment(a.since)} to {moment(a.until)}:",
        f"Recordings made: {a.recordings}, of meetings: {a.meetings}.",
        f"Of these archived and proven: {a.proven}, waiting: {a.waiting}, failed: {a.failed}, lost: {a.lost}.",
        f"Not brought by the webhook, and found by reconciliation: {a.missed}.",
        f"Archived in that time: {a.archived}, {size(a.archived_bytes)}; read again and intact: {a.verified}.",
        f"Not over: {', '.join(sorted({one.kind.value for one in still}))}." if still else "All is well.",
    ]
    return Message(f"[{name}] The week: {a.proven} of {a.recordings} recordings archived", "\n".join(lines) + "\n")


def trial(name: str, now: datetime) -> Message:
    """Say that this channel works."""
    body = f"This is a test, sent at {moment(now)} by `receiver notify --test`. Nothing is to be done.\n"
    return Message(f"[{name}] Test of the way to you", body)


def _happened(said: Sequence[Notice], reasons: Sequence[tuple[str, str]]) -> list[str]:
    kind, detail, text = said[0].kind, said[0].detail, _TEXTS[said[0].kind]
    match kind:
        case _ if reasons:
            return [f"{text.title}: {len(said)}.", *_named(reasons, len(said))]
        case NoticeKind.STORE_AWAY | NoticeKind.API_AWAY | NoticeKind.SOURCE_AWAY:
            return _first(
                [
                    f"{_where(one)}{one.detail['message']}. Recordings that wait for it: {one.detail['waiting']}."
                    for one in said
                ]
            )
        case NoticeKind.SILENCE:
            since = detail["delivered_at"]
            last = "none has come yet" if since is None else f"the last came {moment(datetime.fromisoformat(since))}"
            return [f"Recordings that no webhook brought: {detail['missed']}; {last}."]
        case NoticeKind.REFUSED_POSTS:
            return [f"Refused within {span(detail['within_s'])}, by one process alone: {detail['count']} or more."]
        case NoticeKind.DATABASE_AWAY:
            return [f"The database says: {detail['reason']}"]
        case _:
            return [f"{text.title}."]


def _by_hand(said: Sequence[Notice], text: _Text) -> str:
    needs_hand = remedies_by_hand().keys()
    return _REFUSES if any(one.detail.get("code") in needs_hand for one in said) else text.by_hand


def _commands(kind: NoticeKind, text: _Text, reasons: Sequence[tuple[str, str]]) -> list[str]:
    """Write the commands as they can be pasted, with the codes and the first ids that they are about."""
    match kind:
        case NoticeKind.RECORDINGS_DEAD:
            codes = dict.fromkeys(code for _, code in reasons if code)
            return [f"Command: {text.command.replace('CODE', code)}" for code in codes]
        case NoticeKind.OBJECTS_DAMAGED:
            ids = " --recording-id ".join(recording_id for recording_id, _ in reasons[:_MOST_NAMED])
            return [f"Command: {text.command.replace('ID', ids)}"]
        case _:
            return [f"Command: {text.command}"]


def _read_on(said: Sequence[Notice], text: _Text, reasons: Sequence[tuple[str, str]]) -> list[str]:
    """Name the runbook's sections: of each error's code, where there is one, else of the kind."""
    codes = [one.detail["code"] for one in said if "code" in one.detail]
    if said[0].kind is NoticeKind.RECORDINGS_DEAD:
        codes = [code for _, code in reasons if code]
    sections = dict.fromkeys(codes or filter(None, [text.read_on]))
    return [f"Read on: /docs/runbook#{section} on the archive's page, or deploy/runbook.md" for section in sections]


def _where(one: Notice) -> str:
    return f"{one.subject}: " if one.subject else ""


def _named(reasons: Sequence[tuple[str, str]], count: int) -> list[str]:
    lines = [f"{many} {why}" for why, many in Counter(why for _, why in reasons).most_common()]
    named = [f"{recording_id} ({why})" for recording_id, why in reasons[:_MOST_NAMED]]
    more = [f"and {count - len(named)} more"] if count > len(named) else []
    return [f"Why: {', '.join(lines)}", *named, *more]


def _first(lines: Sequence[str]) -> list[str]:
    more = [f"and {len(lines) - _MOST_NAMED} more"] if len(lines) > _MOST_NAMED else []
    return [*lines[:_MOST_NAMED], *more]
