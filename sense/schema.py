"""Tables, columns, types and keys of a SQLite file, and their text for a prompt."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """One column of a table or view."""

    name: str
    type: str
    """The declared type as written, "" when none is declared."""
    not_null: bool = False
    primary_key: int = 0
    """Position in the primary key counted from 1; 0 = not part of it."""


@dataclass(frozen=True)
class ForeignKey:
    """Columns of the table that holds it and, in the same order, the columns they refer to."""

    columns: tuple[str, ...]
    ref_table: str
    ref_columns: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table or view."""

    name: str
    columns: tuple[Column, ...]
    foreign_keys: tuple[ForeignKey, ...] = ()
    unique: tuple[tuple[str, ...], ...] = ()
    """Column groups declared UNIQUE, the primary key left out."""
    is_view: bool = False


@dataclass(frozen=True)
class Schema:
    """All tables and views of a database, in the order of its file."""

    tables: tuple[Table, ...]
