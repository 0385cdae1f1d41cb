"""Small random databases that keep the declared constraints and little else.

Unlike `sense.filling`, which makes rows that look real, this looks for trouble: empty tables, few
distinct values, ties, values of another type, NULL wherever SQLite takes it.
"""

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import apsw
from sqlglot.dialects.sqlite import SQLite
from sqlglot.errors import SqlglotError
from sqlglot.tokens import TokenType

from sense.filling.constraints import FillTable, quoted, read_tables
from sense.filling.keys import fill_order

MAX_ROWS = 7


def write_random(
    script: str, values: Sequence[Any], seed: int, path: Path, *, keeps_keys: bool
) -> Path:
    """A database of the script's tables with rows drawn from the values; the same for a seed.

    keeps_keys: whether foreign keys refer to rows that exist.
    """
    rng = Random(seed)
    connection = apsw.Connection(":memory:")
    connection.execute(script)
    tables = read_tables(connection)
    for table in fill_order(tables):
        for _ in range(rng.randint(0, MAX_ROWS)):
            _insert(connection, table, values, rng, keeps_keys)
    path.write_bytes(connection.serialize("main"))
    connection.close()
    return path


def literal_values(*sqls: str) -> list[Any]:
    """What the queries compare with, its neighbours, and a few values of every type."""
    found: list[Any] = [None, 0, 1, 2, 3, "1", "a", "A", "b", 1.5]
    for sql in sqls:
        try:
            tokens = SQLite().tokenize(sql)
        except SqlglotError:
            continue
        for token in tokens:
            if token.token_type == TokenType.NUMBER:
                number = float(token.text)
                whole = int(number) if number.is_integer() else number
                found += [whole, whole + 1, whole - 1, whole + 0.5, str(whole)]
            elif token.token_type in (TokenType.STRING, TokenType.IDENTIFIER):
                found += [token.text.strip("%"), token.text.lower()]
    return list(dict.fromkeys(found))


def _insert(
    connection: apsw.Connection,
    table: FillTable,
    values: Sequence[Any],
    rng: Random,
    keeps_keys: bool,
) -> None:
    row = [_value(column.affinity, values, rng) for column in table.columns]
    for key in table.keys if keeps_keys else ():
        names = ", ".join(quoted(_names(connection, key.parent)[i]) for i in key.parent_columns)
        parents = list(connection.execute(f"SELECT {names} FROM {quoted(key.parent)}"))
        chosen = rng.choice(parents) if parents else (None,) * len(key.columns)
        for column, value in zip(key.columns, chosen, strict=True):
            row[column] = value
    marks = ", ".join("?" * len(row))
    names = ", ".join(quoted(column.name) for column in table.columns)
    try:
        connection.execute(
            f"INSERT OR IGNORE INTO {quoted(table.name)} ({names}) VALUES ({marks})", row
        )
    except apsw.MismatchError:
        return  # an INTEGER PRIMARY KEY takes integers only


def _names(connection: apsw.Connection, table: str) -> list[str]:
    rows = connection.execute(f"PRAGMA table_xinfo({quoted(table)})")
    return [name for _, name, *_, hidden in rows if hidden == 0]


def _value(affinity: str, values: Sequence[Any], rng: Random) -> Any:
    """A value of the pool; NULL too, where SQLite will judge whether the column takes it."""
    if rng.random() < 0.06:
        return None
    is_number = affinity in ("INTEGER", "REAL", "NUMERIC")
    kinds = (int, float) if is_number and rng.random() < 0.9 else (str, int, float)
    return rng.choice([value for value in values if isinstance(value, kinds)])
