"""The database: one thread writes, a few read, and the event loop waits for neither.

What waits for the writer shares a transaction and its fsync; each call has a savepoint of its own,
so that one that fails leaves the others alone.
"""

from __future__ import annotations

import asyncio
import functools
import os
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy
from sqlalchemy import Connection, Dialect, Engine, Executable, Table, bindparam, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DatabaseError, IntegrityError

from engine import limits
from engine.errors import Overloaded, StoreRefused
from engine.migrations import migrate

T = TypeVar("T")
Insert = sqlite.Insert | postgresql.Insert


class _Job:
    """A call that waits for the writer."""

    __slots__ = ("call", "error", "future", "result")

    def __init__(self, call: Callable[[Connection], Any]) -> None:
        self.call = call
        self.future: Future[Any] = Future()
        self.result: Any = None
        self.error: BaseException | None = None


class Database:
    """The SQLite database at a path. The caller holds the data directory.

    Calls are given a connection within a transaction; they run off the event loop's thread and
    return values that hold no part of the connection.
    """

    def __init__(self, path: Path) -> None:
        """Open the database, making it or bringing its schema up to date.

        Raises DataTooNew, StoreRefused.
        """
        self._path = path
        try:
            # Hashes of credentials are in it; its companions take after its mode.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise StoreRefused(reason=str(error)) from error
        self._writing = _engine(path, "BEGIN IMMEDIATE", _WRITER_PRAGMAS)
        self._reading = _engine(path, "BEGIN", _READER_PRAGMAS)
        try:
            with self._writing.begin() as connection:
                migrate(connection, str(path))
        except DatabaseError as error:
            self._dispose()
            raise StoreRefused(reason=str(error.orig)) from error
        except BaseException:
            self._dispose()
            raise
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        # A daemon: a process that ends without closing must not hang; its transaction rolls back.
        self._writer = threading.Thread(
            target=self._write_all, name="balise-store-write", daemon=True
        )
        self._writer.start()
        self._readers = ThreadPoolExecutor(
            limits.STORE_READERS, thread_name_prefix="balise-store-read"
        )
        self._reads = 0
        self._closed = False

    @property
    def waiting(self) -> int:
        """Calls that wait for the writer."""
        return self._jobs.qsize()

    def submit(self, call: Callable[[Connection], T]) -> Future[T]:
        """Have `call` run by the writer; its result comes once it is on disk.

        The future raises StoreRefused where nothing of it could be written. Raises Overloaded.
        """
        assert not self._closed
        if self._jobs.qsize() >= limits.STORE_WAITING_MAX:
            raise Overloaded(queue="store", retry_after_s=limits.RETRY_AFTER_S)
        job = _Job(call)
        self._jobs.put(job)
        return job.future

    async def write(self, call: Callable[[Connection], T]) -> T:
        """`submit`, awaited."""
        return await asyncio.wrap_future(self.submit(call))

    async def read(self, call: Callable[[Connection], T]) -> T:
        """Run `call` on one of the readers; it sees one state of the database.

        Raises StoreRefused, Overloaded.
        """
        if self._reads >= limits.STORE_WAITING_MAX:
            raise Overloaded(queue="store reads", retry_after_s=limits.RETRY_AFTER_S)
        self._reads += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._readers, self.read_now, call)
        finally:
            self._reads -= 1

    def read_now(self, call: Callable[[Connection], T]) -> T:
        """Run `call` in this thread, which must not be the event loop's."""
        try:
            with self._reading.connect() as connection:
                return call(connection)
        except DatabaseError as error:
            raise StoreRefused(reason=str(error.orig)) from error

    def close(self) -> None:
        """Write what waits, then close."""
        if self._closed:
            return
        self._closed = True
        self._jobs.put(None)
        self._writer.join()
        self._readers.shutdown()
        self._dispose()

    def _dispose(self) -> None:
        self._writing.dispose()
        self._reading.dispose()

    def _write_all(self) -> None:
        stopping = False
        while not stopping:
            jobs = [self._jobs.get()]
            while len(jobs) < limits.STORE_TOGETHER_MAX:
                try:
                    jobs.append(self._jobs.get_nowait())
                except queue.Empty:
                    break
            stopping = None in jobs
            self._write([job for job in jobs if job and job.future.set_running_or_notify_cancel()])

    def _write(self, jobs: Sequence[_Job]) -> None:
        """Run `jobs` in one transaction."""
        if not jobs:
            return
        try:
            with self._writing.begin() as connection:
                for job in jobs:
                    _run(connection, job)
        except BaseException as error:  # noqa: BLE001 - whoever waits must hear of it
            failure = error
            if isinstance(error, DatabaseError):
                failure = StoreRefused(reason=str(error.orig))
                failure.__cause__ = error
            for job in jobs:
                job.future.set_exception(failure)
            return
        for job in jobs:
            if job.error is None:
                job.future.set_result(job.result)
            else:
                job.future.set_exception(job.error)


def _run(connection: Connection, job: _Job) -> None:
    """Run one call in a savepoint; raise only what ends the transaction for all."""
    savepoint = connection.begin_nested()
    try:
        job.result = job.call(connection)
    except Exception as error:
        if isinstance(error, DatabaseError) and not isinstance(error, IntegrityError):
            raise  # a full or failing disk: SQLite may have rolled all of it back already
        savepoint.rollback()
        job.error = error
    else:
        savepoint.commit()


_WRITER_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",  # a claim must be on disk before its push is sent
    f"PRAGMA wal_autocheckpoint={limits.STORE_CHECKPOINT_PAGES}",
    "PRAGMA secure_delete=ON",  # an erased visitor leaves no bytes behind in free pages
    "PRAGMA busy_timeout=5000",
)
_READER_PRAGMAS = ("PRAGMA query_only=ON", "PRAGMA busy_timeout=5000")


def _engine(path: Path, begin: str, pragmas: Sequence[str]) -> Engine:
    engine = sqlalchemy.create_engine(
        sqlalchemy.URL.create("sqlite", database=str(path)), pool_size=limits.STORE_READERS
    )

    # The driver's own habit is to begin late and to commit before some statements.
    @event.listens_for(engine, "connect")
    def connected(connection: Any, _: Any) -> None:
        connection.isolation_level = None
        for pragma in pragmas:
            connection.execute(pragma)

    @event.listens_for(engine, "begin")
    def began(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


Rows = Sequence[Mapping[str, Any]]


def upsert(connection: Connection, table: Table, rows: Rows, *, keep: tuple[str, ...] = ()) -> int:
    """Insert rows, or change those whose primary key is there, but for their columns in `keep`."""
    return write_rows(connection, _upsert(connection.dialect.name, table, keep), rows)


def insert_new(connection: Connection, table: Table, rows: Rows, *, key: str = "id") -> int:
    """Insert rows, passing over those whose `key` is there; returns how many were new."""
    return write_rows(connection, _insert_new(connection.dialect.name, table, key), rows)


def write_rows(connection: Connection, statement: Executable, rows: Rows) -> int:
    """Run a statement for each row; returns how many rows it changed.

    Half the time of a large batch would go into SQLAlchemy's handling of each row's parameters.
    Where the driver takes them by place, they are handed over as they stand instead: rows hold
    nothing but what drivers know (texts, numbers, None), and constants stand in the statement.
    """
    if not rows:
        return 0
    sql, places = _compiled(connection.dialect, statement)
    if places is None:
        return connection.execute(statement, list(rows)).rowcount
    values: list[tuple[Any, ...]] = [tuple(map(row.__getitem__, places)) for row in rows]
    return connection.exec_driver_sql(sql, values).rowcount


@functools.cache
def _compiled(dialect: Dialect, statement: Executable) -> tuple[str, Sequence[str] | None]:
    """A statement's SQL, and its parameters by place where the driver takes them so."""
    compiled = statement.compile(dialect=dialect)  # type: ignore[attr-defined]
    return str(compiled), compiled.positiontup


def _insert(dialect: str, table: Table) -> Insert:
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


@functools.cache
def _upsert(dialect: str, table: Table, keep: tuple[str, ...]) -> Insert:
    statement = _insert(dialect, table)
    keys = [column.name for column in table.primary_key]
    changed = {
        column.name: statement.excluded[column.name]
        for column in table.columns
        if column.name not in keys and column.name not in keep
    }
    return statement.on_conflict_do_update(index_elements=keys, set_=changed)


@functools.cache
def _insert_new(dialect: str, table: Table, key: str) -> Insert:
    given = [column.name for column in table.columns if column.autoincrement is not True]
    values: dict[str, Any] = {name: bindparam(name) for name in given}
    return _insert(dialect, table).values(values).on_conflict_do_nothing(index_elements=[key])
