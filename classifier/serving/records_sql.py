"""Records in a database, through SQLAlchemy: SQLite, PostgreSQL, or what else it speaks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from classifier.errors import RecordsError, require
from classifier.serving.records import Record
from classifier.serving.wire import json_bytes


class SqlSink:
    """A table ``decisions``: the columns that one searches by, and the whole record as JSON. One transaction a group."""

    def __init__(self, url: str) -> None:
        self._sql = require("sqlalchemy", extra="serve")
        try:
            self._engine = self._sql.create_engine(url, pool_pre_ping=True)  # so that a database that was restarted is found again
            self._table = _table(self._sql)
            self._table.metadata.create_all(self._engine)
        except (self._sql.exc.SQLAlchemyError, ImportError) as error:
            raise RecordsError(f"Expected the URL of a database, but got: {error}; for instance sqlite:///decisions.db") from error

    def write(self, records: Sequence[Record]) -> None:
        """Insert and commit.

        :raises RecordsError: when the database refuses.
        """
        try:
            with self._engine.begin() as connection:
                connection.execute(self._table.insert(), [_row(record) for record in records])
        except self._sql.exc.SQLAlchemyError as error:
            # The message of a database error repeats the rows, and with them the texts: its kind must do.
            raise RecordsError(f"expected to insert records, but got {type(error).__name__}") from error

    def rows(self) -> Iterator[str]:
        """Every record as JSON, in the order of writing."""
        select = self._sql.select(self._table.c.record).order_by(self._table.c.number)
        with self._engine.connect() as connection:
            for (record,) in connection.execution_options(yield_per=512).execute(select):
                yield str(record)

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()


def _table(sql: Any) -> Any:
    text, column = sql.String, sql.Column
    # SQLite counts rows by itself only in a column of plain INTEGER.
    number = sql.BigInteger().with_variant(sql.Integer(), "sqlite")
    return sql.Table(
        "decisions",
        sql.MetaData(),
        column("number", number, primary_key=True, autoincrement=True),
        column("recorded_at", text(40), nullable=False, index=True),
        column("request_id", text(128), nullable=False, index=True),
        column("kind", text(16), nullable=False),
        column("text_sha256", text(64), index=True),
        column("level", text(64), nullable=False),
        column("review", sql.Boolean, nullable=False),
        column("model_fingerprint", text(16)),
        column("policy_fingerprint", text(16), nullable=False),
        column("ladder_fingerprint", text(16)),
        column("record", sql.Text, nullable=False),
    )


def _row(record: Record) -> dict[str, Any]:
    decision = record["decision"]
    row = {name: record[name] for name in ("recorded_at", "request_id", "kind")}
    row |= {name: decision[name] for name in ("level", "review", "policy_fingerprint")}
    row |= {name: decision.get(name) for name in ("text_sha256", "model_fingerprint", "ladder_fingerprint")}
    return row | {"record": json_bytes(record).decode("utf-8")}
