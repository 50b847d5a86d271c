"""CompleteMultipartUpload says 200 and means an error, or its answer is lost: what lies under the key decides."""

from __future__ import annotations

from receiver.sandbox import Sandbox
from tests.support.cases import FILE, archived_despite
from tests.support.databases import ON_SQLITE
from tests.support.service import Service, control
from tests.support.store_proxy import Rule, StoreProxy, s3_error


@ON_SQLITE  # what goes to the store is no database's
async def test_nothing_is_sent_twice_and_nothing_is_believed(
    sandbox: Sandbox, service: Service, store_proxy: StoreProxy
) -> None:
    error = s3_error(200, "InternalError")
    cases = [
        (FILE, lambda i: Rule(f"POST .*{i}.*uploadId=", answer=error), 1),
        (FILE, lambda i: Rule(f"POST .*{i}.*uploadId=", answer=error, times=4), 1),  # a run that does not count
        (FILE, lambda i: Rule(f"POST .*{i}.*uploadId=", lose_answer=True), 1),
        ({"kind": "mp4"}, lambda i: Rule(rf"PUT .*{i}\.mp4", lose_answer=True), 1),
    ]
    sent = await archived_despite(sandbox, service, store_proxy, cases)
    gets = [(await control(sandbox, "GET", f"/recordings/{i}"))["gets"] for i in sent]
    assert gets == [1, 2, 1, 1], "only an upload that was never completed is sent again"
