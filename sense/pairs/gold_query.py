"""A gold query with its database at hand, to be asked what other queries return there."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from sqlglot import exp

from sense.execution import Row, execute
from sense.hardness import sql_text
from sense.mutations.place import Context
from sense.pairs.plainness import LIMITS


class GoldQuery(NamedTuple):
    """A gold query on its database."""

    db_path: str | Path
    root: exp.Expr
    """Its tree, which nobody changes."""
    context: Context
    rows: Sequence[Row]

    def run(self, query: exp.Expr | str) -> Sequence[Row]:
        """What another query returns; no rows where it fails or hits a limit."""
        sql = query if isinstance(query, str) else sql_text(query)
        return execute(self.db_path, sql, LIMITS).rows

    def asked_for(self, columns: Sequence[exp.Expr], select: exp.Select) -> exp.Select:
        """The select with other columns, and without groups, order and limit."""
        other = select.copy()
        for clause in ("distinct", "group", "having", "order", "limit", "offset"):
            other.set(clause, None)
        other.set("expressions", [column.copy() for column in columns])
        return other


def outermost(gold: GoldQuery) -> exp.Select | None:
    """The outermost SELECT; None where it is a set operation."""
    return gold.root if isinstance(gold.root, exp.Select) else None
