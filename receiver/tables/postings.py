"""Writing the postings of search tokens: many in one statement, sorted, so that each page of the index is met once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from receiver.tables.recording_tables import recordings

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST_ROWS = 20_000
_ARRAYS = (sa.bindparam("tokens", type_=ARRAY(sa.Text)), sa.bindparam("places", type_=ARRAY(sa.BigInteger)))
_ADD = sa.text(
    "INSERT INTO search_postings (token, place) SELECT * FROM unnest(:tokens, :places) ON CONFLICT DO NOTHING"
).bindparams(*_ARRAYS)
_REMOVE = sa.text(
    "DELETE FROM search_postings USING unnest(:tokens, :places) AS gone (token, place) "
    "WHERE search_postings.token = gone.token AND search_postings.place = gone.place"
).bindparams(*_ARRAYS)


def tokens_of(search_text: str) -> list[str]:
    """Return the tokens that a row's `search_text` holds."""
    return search_text.split(" ")[1:-1]


def add_postings(tx: sa.Connection, rows: Sequence[tuple[int, str]]) -> None:
    """Add the postings of rows, each its place and its `search_text`. Safe to repeat."""
    found = sorted((token, place) for place, text in rows for token in tokens_of(text))
    for start in range(0, len(found), _MOST_ROWS):
        piece = found[start : start + _MOST_ROWS]
        if tx.dialect.name == "sqlite":
            tx.exec_driver_sql("INSERT OR IGNORE INTO search_postings (token, place) VALUES (?, ?)", piece)
        else:
            tx.execute(_ADD, {"tokens": [token for token, _ in piece], "places": [place for _, place in piece]})


def remove_postings(tx: sa.Connection, postings: Sequence[tuple[int, str]]) -> None:
    """Remove postings, each a place and a token. Safe to repeat."""
    for start in range(0, len(postings), _MOST_ROWS):
        piece = [(token, place) for place, token in postings[start : start + _MOST_ROWS]]
        if tx.dialect.name == "sqlite":
            tx.exec_driver_sql("DELETE FROM search_postings WHERE token = ? AND place = ?", piece)
        else:
            tx.execute(_REMOVE, {"tokens": [token for token, _ in piece], "places": [place for _, place in piece]})


def derive_postings(tx: sa.Connection) -> None:
    """Add the postings of all rows to an empty table."""
    if tx.dialect.name == "postgresql":
        # a row for each token: very few recordings share a place, and then perhaps a token
        tx.exec_driver_sql(
            "INSERT INTO search_postings (token, place) "
            "SELECT unnest(string_to_array(btrim(search_text, ' '), ' ')), place FROM ("
            "SELECT place, string_agg(btrim(search_text, ' '), ' ') AS search_text FROM recordings "
            "WHERE place IS NOT NULL AND search_text <> '  ' GROUP BY place HAVING count(*) = 1) AS alone"
        )
        tx.exec_driver_sql(
            "INSERT INTO search_postings (token, place) "
            "SELECT DISTINCT unnest(string_to_array(btrim(search_text, ' '), ' ')), place FROM recordings "
            "WHERE search_text <> '  ' "
            "AND place IN (SELECT place FROM recordings GROUP BY place HAVING count(*) > 1)"
        )
        return
    query = sa.select(recordings.c.place, recordings.c.search_text).where(recordings.c.place.is_not(None))
    with tx.execute(query.execution_options(yield_per=_MOST_ROWS)) as result:
        for rows in result.partitions():
            add_postings(tx, [(row.place, row.search_text) for row in rows])
