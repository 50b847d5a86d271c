"""A bit flips on the way to the store: what it received is refused, and sent again."""

from __future__ import annotations

from receiver.sandbox import Sandbox
from tests.support.cases import FILE, archived_despite
from tests.support.databases import ON_SQLITE
from tests.support.service import Service
from tests.support.store_proxy import Rule, StoreProxy


@ON_SQLITE  # what goes to the store is no database's
async def test_a_corrupted_part_is_sent_again(sandbox: Sandbox, service: Service, store_proxy: StoreProxy) -> None:
    cases = [
        (FILE, lambda i: Rule(f"PUT .*{i}.*partNumber=2", flip_bit=True), 1),
        (FILE, lambda i: Rule(f"PUT .*{i}.*partNumber=2", flip_bit=True, times=4), 2),  # as often as a run sends it
        ({"kind": "mp4"}, lambda i: Rule(rf"PUT .*{i}\.mp4", flip_bit=True), 2),
    ]
    sent = list((await archived_despite(sandbox, service, store_proxy, cases)).values())
    tries = [sum(f"partNumber={number}" in line for line in sent[0]) for number in (1, 2, 3)]
    assert tries == [1, 2, 1]
