"""Every I/O operation of a job, counted over all that it talks to, so that a test can fail the N-th of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING

from aiohttp import web

from receiver.errors import StorageUnavailableError
from receiver.tables import Database
from tests.support.source_server import ranged
from tests.support.store_proxy import Rule, StoreProxy

if TYPE_CHECKING:
    from tests.support.source_server import Answer, Content, Request


class Fate(Enum):
    """`LOST`: the other side never heard of it. `UNANSWERED`: it was done, and nobody was told."""

    FINE = "fine"
    LOST = "lost"
    UNANSWERED = "unanswered"


@dataclass
class Operations:
    """Fails operation number `nth` (from 1), and with `lasting` all after it, until `heal` is called."""

    nth: int
    fate: Fate
    lasting: bool
    names: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    _healed: bool = False

    def next(self, name: str) -> Fate:
        """Count an operation and tell what becomes of it."""
        self.names.append(name)
        number = len(self.names)
        if self._healed or number < self.nth or (number > self.nth and not self.lasting):
            return Fate.FINE
        self.failed.append(name)
        return self.fate

    def heal(self) -> None:
        """End a lasting fault."""
        self._healed = True


class CountedDatabase(Database):
    """A transaction is one operation: lost before it begins, or committed and its outcome not told."""

    operations: Operations

    def __init__(self, database: Database) -> None:
        self._database = database
        self.is_sqlite, self.engine, self.insert = database.is_sqlite, database.engine, database.insert

    async def read(self, body):
        return await self._database.read(body)

    async def write(self, body):
        fate = self.operations.next("database write")
        if fate is Fate.LOST:
            raise StorageUnavailableError("scripted: away")
        done = await self._database.write(body)
        if fate is Fate.UNANSWERED:
            raise StorageUnavailableError("scripted: the commit's outcome is unknown")
        return done

    async def close(self) -> None:
        await self._database.close()


class CountedProxy(StoreProxy):
    """The way to the store."""

    operations: Operations

    def _rule(self, line: str) -> Rule:
        match self.operations.next(f"store {line.partition('?')[0]}"):
            case Fate.LOST:
                return Rule(line, cut_after=0)
            case Fate.UNANSWERED:
                return Rule(line, lose_answer=True)
            case Fate.FINE:
                return super()._rule(line)


def counted_source(operations: Operations, content: Content, request: Request) -> Answer:
    """Answer as the host of the file, or hang up: at once, or in the middle of what was asked."""
    fate = operations.next("source GET")
    answer = ranged(content, request)
    if fate is Fate.FINE:
        return answer
    return replace(answer, cut_after=0 if fate is Fate.LOST else (content.size - request.first) // 2)


def counted_listing(operations: Operations, listing: web.Response) -> web.Response:
    """Answer as the API, or with a 500."""
    fate = operations.next("api listing")
    return listing if fate is Fate.FINE else web.json_response({"errors": ["scripted"]}, status=500)
