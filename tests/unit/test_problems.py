"""Problem documents, without a server."""

from __future__ import annotations

import json

from receiver.problems import problem


def test_a_problem_document():
    response = problem(422, "Not good", "because", headers={"Retry-After": "5"}, errors=["a"], delivery_id="d")
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["retry-after"] == "5"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert json.loads(response.body) == {
        "type": "/docs/errors#not-good",
        "title": "Not good",
        "status": 422,
        "detail": "because",
        "errors": ["a"],
        "delivery_id": "d",
    }


def test_a_problem_of_its_own_type_and_with_hostile_text():
    response = problem(400, "T", "\ud800 é \0", type="https://example.com/p")
    assert "é".encode() in response.body
    assert json.loads(response.body)["detail"] == "\ud800 é \0"
    assert json.loads(response.body)["type"] == "https://example.com/p"
