#!/usr/bin/env bash
# SQLAlchemy 2.1.9, SQLite: in RETURNING the names of tables are left out, also inside subqueries, where a column then
# means that of another table. The same expression, selected from the same row, finds the value; returned by the UPDATE
# it is NULL, without an error. Seen 2026-11-28. Outer columns as text (literal_column("outer.id")) keep their table.
set -euo pipefail
cd "$(mktemp -d)"
python3 -m venv venv && venv/bin/pip install -q sqlalchemy==2.1.9
cat >seen.py <<'PYTHON'
import sys

import sqlalchemy as sa

meta = sa.MetaData()
books = sa.Table("books", meta, sa.Column("id", sa.Text, primary_key=True), sa.Column("state", sa.Text))
orders = sa.Table("orders", meta, sa.Column("id", sa.Text, primary_key=True), sa.Column("by", sa.Text))
lines = sa.Table("lines", meta, sa.Column("order_id", sa.Text), sa.Column("book_id", sa.Text))
newest = sa.select(sa.func.max(lines.c.order_id)).where(lines.c.book_id == books.c.id).correlate(books)
by = sa.select(orders.c.by).where(orders.c.id == newest.scalar_subquery()).scalar_subquery()
update = sa.update(books).values(state="sold").returning(by)
with sa.create_engine("sqlite://").begin() as tx:
    meta.create_all(tx)
    tx.execute(sa.insert(books).values(id="b1"))
    tx.execute(sa.insert(orders).values(id="o1", by="Ann"))
    tx.execute(sa.insert(lines).values(order_id="o1", book_id="b1"))
    selected, returned = tx.execute(sa.select(by).select_from(books)).scalar(), tx.execute(update).scalar()
    print(f"selected: {selected}, returned: {returned}\n{update.compile(tx)}")
sys.exit((selected, returned) != ("Ann", None))
PYTHON
venv/bin/python seen.py
