"""The index, and every statement that writes a recording's row: what intake stores (`Intake`), which rows have work due
(`due`), what a run may write (`Runs`, fenced), what operators read (`Catalogue`) and change (`Interventions`), what
a reconciliation compares (`KnownMeetings`) and notes of its progress (`Walks`), which meetings deliveries named
without their records (`NamedMeetings`), what a clean-up may delete (`CleanupIndex`), what was learnt of the bucket
(`StoreNotes`), which objects are read again and how they were found (`FixityIndex`), what a rebuilt index is made of
(`RebuiltRows`), which are due to be erased (`RetentionIndex`), what is taken out of rows (`Erasures`) and bodies
(`KeptBodies`), what is held (`Holds`; whatever deletes or replaces asks `holds`), which objects are locked
(`LockIndex`), what was done and by whom (`audit_log`), which events are to be sent (`Outbox`, `Events`), what people
are told of (`Sights`, `Notices`). One statement changes a state (`states`); one table says what a listing can be asked
(`filters`).
"""

from __future__ import annotations

from receiver.catalogue.bodies import KeptBodies
from receiver.catalogue.certificates import Certificates
from receiver.catalogue.cleanup import CleanupIndex
from receiver.catalogue.deliveries import Incoming
from receiver.catalogue.due import Backlog, Due, due_recordings, read_backlog, read_due
from receiver.catalogue.erasures import Begun, Erasures, Prospect
from receiver.catalogue.filters import FILTERS, Condition, Filter, Filters
from receiver.catalogue.fixity import BucketWalks, FixityIndex
from receiver.catalogue.history import History, LogQuery
from receiver.catalogue.holding import Holds, HoldsQuery
from receiver.catalogue.intake import Intake, Stored
from receiver.catalogue.interventions import Interventions
from receiver.catalogue.known import KnownMeetings
from receiver.catalogue.latest import Latest, read_latest
from receiver.catalogue.locking import LockIndex
from receiver.catalogue.named_meetings import NamedMeetings
from receiver.catalogue.news import Changes
from receiver.catalogue.notices import FOLLOWED, Notices
from receiver.catalogue.order import SORTS
from receiver.catalogue.outbox import EventCounts, Events, Outbox, forget_events
from receiver.catalogue.overview import Overview, Overviews
from receiver.catalogue.persons import Persons
from receiver.catalogue.reading import Catalogue
from receiver.catalogue.rebuilding import RebuiltRows
from receiver.catalogue.retention import RetentionIndex
from receiver.catalogue.runs import Runs
from receiver.catalogue.sights import Sights
from receiver.catalogue.store_notes import StoreNotes
from receiver.catalogue.walks import Walks

__all__ = [
    "FILTERS",
    "FOLLOWED",
    "SORTS",
    "Backlog",
    "Begun",
    "BucketWalks",
    "Catalogue",
    "Certificates",
    "Changes",
    "CleanupIndex",
    "Condition",
    "Due",
    "Erasures",
    "EventCounts",
    "Events",
    "Filter",
    "Filters",
    "FixityIndex",
    "History",
    "Holds",
    "HoldsQuery",
    "Incoming",
    "Intake",
    "Interventions",
    "KeptBodies",
    "KnownMeetings",
    "Latest",
    "LockIndex",
    "LogQuery",
    "NamedMeetings",
    "Notices",
    "Outbox",
    "Overview",
    "Overviews",
    "Persons",
    "Prospect",
    "RebuiltRows",
    "RetentionIndex",
    "Runs",
    "Sights",
    "StoreNotes",
    "Stored",
    "Walks",
    "due_recordings",
    "forget_events",
    "read_backlog",
    "read_due",
    "read_latest",
]
