"""SQLite files as nobody should hand them out: damaged, half written, or built to do harm."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from conftest import WORLD_SCRIPT, write_database

SCRIPTS = {
    "world": WORLD_SCRIPT,
    "notes": """
        CREATE VIRTUAL TABLE note USING fts5(body);
        INSERT INTO note VALUES ('tea'), ('milk');
        CREATE VIRTUAL TABLE old USING fts4(body);
        INSERT INTO old VALUES ('tea');
    """,
    "views": WORLD_SCRIPT
    + """
        CREATE VIEW loader AS SELECT load_extension('evil');
        CREATE VIEW stolen AS SELECT writefile('stolen', 'x');
        CREATE VIEW pages AS SELECT * FROM dbstat;
        CREATE VIEW endless AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
            SELECT i FROM n;
        CREATE VIEW wide AS SELECT 1 FROM city a, city b, city c, city d, city e;
        CREATE VIEW orphan AS SELECT * FROM gone;
        CREATE VIEW ring AS SELECT * FROM circle;
        CREATE VIEW circle AS SELECT * FROM ring;
        CREATE VIEW loud AS SELECT 1 AS a;
        CREATE TRIGGER shout INSTEAD OF INSERT ON loud BEGIN DELETE FROM city; END;
        CREATE TRIGGER purge AFTER INSERT ON city BEGIN DELETE FROM city; END;
        CREATE VIEW twice0 AS SELECT 1 AS i;
        CREATE TABLE heavy (a INTEGER, b AS (length(hex(zeroblob(a)))));
        INSERT INTO heavy VALUES (3000000);
    """
    + "".join(
        f"CREATE VIEW twice{n} AS SELECT * FROM twice{n - 1} UNION ALL SELECT * FROM twice{n - 1};"
        for n in range(1, 18)
    )
    + f"CREATE VIEW bulky AS SELECT {', '.join([' + '.join(['id'] * 400)] * 500)} FROM city;",
    "latin": """
        CREATE TABLE person (name TEXT);
        INSERT INTO person VALUES (CAST(x'4dfc6c6c6572' AS TEXT));
    """,
    "blobs": """
        CREATE TABLE file (data BLOB, big BLOB);
        INSERT INTO file VALUES (x'6162', zeroblob(3000000));
    """,
}


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _truncated(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) - 4096 - 100])


def _noise(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\x55" * (len(content) - 4096))


def _future(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:44] + (9).to_bytes(4, "big") + content[48:])  # the schema format


def _with_schema(path: Path, change: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(change)
        connection.commit()


def _malformed(path: Path) -> None:
    _with_schema(path, "UPDATE sqlite_schema SET sql = 'CREATE TABLE city((' WHERE name = 'city'")


def _rootless(path: Path) -> None:
    _with_schema(path, "UPDATE sqlite_schema SET rootpage = 999 WHERE name = 'city'")


def _modules(path: Path) -> None:
    _with_schema(
        path,
        "INSERT INTO sqlite_schema VALUES ('table', 'zipped', 'zipped', 0, "
        "'CREATE VIRTUAL TABLE zipped USING zipfile(''/etc/passwd'')')",
    )


def _cyclic(path: Path) -> None:
    """Make the root page of `city` an interior page whose only child is itself."""
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT rootpage FROM sqlite_schema WHERE name = 'city'"
        [(page,)] = connection.execute(query).fetchall()
    content = bytearray(path.read_bytes())
    start = (page - 1) * 4096
    header = b"\x05" + bytes(2) + bytes(2) + (4096).to_bytes(2, "big") + bytes(1)
    content[start : start + 12] = header + page.to_bytes(4, "big")
    path.write_bytes(content)


def _walled(path: Path) -> None:
    """Leave a log behind as a writer does that was killed."""
    wal = path.with_name(path.name + "-wal")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("DELETE FROM city")
        connection.commit()
        left = {file: file.read_bytes() for file in (path, wal)}
    for file, content in left.items():
        file.write_bytes(content)


def _journalled(path: Path) -> None:
    path.with_name(path.name + "-journal").write_bytes(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" * 64)


def _unwalled(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")


DAMAGE: dict[str, Callable[[Path], None]] = {
    "empty": _empty,
    "truncated": _truncated,
    "noise": _noise,
    "future": _future,
    "malformed": _malformed,
    "rootless": _rootless,
    "modules": _modules,
    "cyclic": _cyclic,
    "walled": _walled,
    "journalled": _journalled,
    "unwalled": _unwalled,
}


@contextmanager
def hostile_files(folder: Path) -> Iterator[Path]:
    """The folder with all these files in it; one of them is locked until the end."""
    for name, script in SCRIPTS.items():
        write_database(folder / f"{name}.sqlite", script)
    for name, damage in DAMAGE.items():
        damage(write_database(folder / f"{name}.sqlite", WORLD_SCRIPT))
    locked = write_database(folder / "locked.sqlite", WORLD_SCRIPT)
    with closing(sqlite3.connect(locked, isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        yield folder
