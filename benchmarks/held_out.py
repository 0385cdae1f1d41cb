"""Queries that a suite was not distilled with, and independent databases that judge it.

Near misses come from edits that `sense.mutation` lacks, and from two or three of its edits with
another seed and other values. A query counts as non-equivalent to its gold if the suite separates
it or one of the random databases does: half of them variants with other seeds, half filled by
`sense.filling.rows`, which knows neither the original's rows nor its undeclared constraints.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

from sqlglot import exp

from sense.database import build_database, database_script, fill_database
from sense.filling.literals import query_literals
from sense.filling.plan import FillError
from sense.hardness import UnparsedSqlError, parse_sql, sql_text
from sense.mutation import Values, mutate
from sense.schema import Schema, read_schema
from sense.suite import DatabaseSuite
from sense.suites.distilling import DistilSettings
from sense.suites.material import Material, read_material
from sense.suites.near_misses import mutation_values, near_misses, separated
from sense.suites.variants import make_variant

NUM_CHAINS = 3
"""First edits per gold that are edited once and twice more; each gives `NUM_PER_CHAIN` queries."""
NUM_PER_CHAIN = 3
ROWS_PER_TABLE = 30


class HeldOutJob(NamedTuple):
    """One database."""

    db_path: str
    golds: tuple[str, ...]
    predictions: Mapping[str, tuple[str, ...]]
    """Gold -> distinct predictions of systems."""
    suite: DatabaseSuite
    num_random: int


class HeldOut(NamedTuple):
    """A query and what separates it from its gold first."""

    db_id: str
    kind: str
    """`new edit`, `two edits`, `three edits` or `prediction`."""
    gold_sql: str
    sql: str
    separated_by: str
    """`original`, `suite`: an instance that its gold uses; `unused`: another instance of the
    suite; `variant`, `filled`: a random database; "" where nothing does."""


def measure(job: HeldOutJob) -> list[HeldOut]:
    """What separates each held-out query of a database."""
    material = read_material(job.db_path, job.golds)
    schema = read_schema(job.db_path)
    queries = list(_queries(job, schema, mutation_values(material)))
    found = _by_suite(job, queries)
    left = {i for i in range(len(queries)) if i not in found}
    with tempfile.TemporaryDirectory() as folder:
        for n in range(job.num_random):
            kind = "filled" if n % 2 else "variant"
            path = Path(folder, f"{n}.sqlite")
            if n % 2:
                try:
                    _fill(job, schema, material, path, n)
                except FillError:  # keys that leave no room for so many rows
                    continue
            else:
                focus = material.focuses[n // 2 % len(material.focuses)] if n % 4 else None
                path.write_bytes(make_variant(material, f"held out {n}", focus))
            hits = separated(path, job.golds, _by_gold(queries, left))
            found.update(dict.fromkeys(hits, kind))
            left -= hits
            path.unlink()
    return [
        HeldOut(job.suite.db_id, kind, job.golds[gold], sql, found.get(i, ""))
        for i, (gold, kind, sql) in enumerate(queries)
    ]


def _queries(job: HeldOutJob, schema: Schema, values: Values) -> Iterator[tuple[int, str, str]]:
    """Place of the gold, kind and SQL; without those that the suite was distilled with."""
    settings = DistilSettings()
    for gold, gold_sql in enumerate(job.golds):
        used = near_misses(gold_sql, schema, values, settings.num_double_edits, settings.seed)
        seen = {gold_sql, *used}
        chains = _chains(gold_sql, schema, values)
        for kind, sqls in (
            ("new edit", new_edits(gold_sql)),
            *chains,
            ("prediction", job.predictions.get(gold_sql, ())),
        ):
            for sql in sqls:
                if sql not in seen:
                    seen.add(sql)
                    yield gold, kind, sql


def _chains(gold_sql: str, schema: Schema, values: Values) -> list[tuple[str, list[str]]]:
    """Queries two and three edits away; the values come in another order than for the suite."""
    rng = Random(f"held out {gold_sql}")
    shuffled = {place: rng.sample(list(held), len(held)) for place, held in values.items()}
    try:
        singles = [mutation.sql for mutation in mutate(gold_sql, schema, shuffled)]
    except UnparsedSqlError:
        return []
    found = []
    for first in rng.sample(singles, min(NUM_CHAINS, len(singles))):
        sql = first
        for kind in ("two edits", "three edits"):
            again = [mutation.sql for mutation in mutate(sql, schema, shuffled)]
            chosen = rng.sample(again, min(NUM_PER_CHAIN, len(again)))
            found.append((kind, chosen))
            if not chosen:
                break
            sql = chosen[0]
    return found


def new_edits(sql: str) -> list[str]:
    """Near misses by edits of other kinds than those of `sense.mutation`.

    >>> new_edits("SELECT name FROM t WHERE age BETWEEN 3 AND 5 LIMIT 2")
    ['SELECT name FROM t WHERE age BETWEEN 3 AND 5 LIMIT 2 OFFSET 1', \
'SELECT name FROM t WHERE age > 3 AND age < 5 LIMIT 2']
    """
    try:
        tree = parse_sql(sql)
    except UnparsedSqlError:
        return []
    found: dict[str, None] = {}
    for node in list(tree.walk()):
        for edit in NEW_EDITS:
            for new in edit(node):
                copy = tree.copy()
                place = list(copy.walk())[list(map(id, tree.walk())).index(id(node))]
                if place is copy:
                    copy = new
                else:
                    place.replace(new)
                found[sql_text(copy)] = None
    return list(found)


def _open_between(node: exp.Expr) -> Iterator[exp.Expr]:
    if isinstance(node, exp.Between):
        low = exp.GT(this=node.this.copy(), expression=node.args["low"].copy())
        high = exp.LT(this=node.this.copy(), expression=node.args["high"].copy())
        yield exp.and_(low, high)


def _offset(node: exp.Expr) -> Iterator[exp.Expr]:
    if isinstance(node, exp.Select) and node.args.get("limit") and not node.args.get("offset"):
        yield node.offset(1)


def _or_null(node: exp.Expr) -> Iterator[exp.Expr]:
    """A condition that NULL meets too."""
    is_compared = isinstance(node, exp.EQ | exp.GT | exp.LT | exp.NEQ)
    if is_compared and _is_column_and_literal(node) and node.find_ancestor(exp.Where):
        is_null = exp.Is(this=node.this.copy(), expression=exp.Null())
        yield exp.paren(exp.or_(node.copy(), is_null))


def _ignored_case(node: exp.Expr) -> Iterator[exp.Expr]:
    is_equal = isinstance(node, exp.EQ) and _is_column_and_literal(node)
    if is_equal and node.expression.is_string:
        text = exp.Literal.string(node.expression.name.lower())
        yield exp.EQ(this=exp.Lower(this=node.this.copy()), expression=text)


def _is_column_and_literal(node: exp.Expr) -> bool:
    return isinstance(node.this, exp.Column) and isinstance(node.expression, exp.Literal)


def _compared_as_text(node: exp.Expr) -> Iterator[exp.Expr]:
    """Sorting numbers as text."""
    if isinstance(node, exp.Ordered) and isinstance(node.this, exp.Column):
        text = exp.cast(node.this.copy(), exp.DataType.Type.TEXT)
        yield exp.Ordered(this=text, desc=node.args.get("desc"))


def _shorter_list(node: exp.Expr) -> Iterator[exp.Expr]:
    """All values of an IN but the last."""
    if isinstance(node, exp.In) and len(node.expressions) > 1:
        kept = [value.copy() for value in node.expressions[:-1]]
        yield exp.In(this=node.this.copy(), expressions=kept)


def _joined_to_all(node: exp.Expr) -> Iterator[exp.Expr]:
    if isinstance(node, exp.Join) and node.args.get("on") and not node.side:
        yield exp.Join(this=node.this.copy(), kind="CROSS")


def _counted_once(node: exp.Expr) -> Iterator[exp.Expr]:
    """COUNT(DISTINCT first column of the query) for COUNT(*)."""
    if isinstance(node, exp.Count) and isinstance(node.this, exp.Star) and node.parent_select:
        column = node.parent_select.find(exp.Column)
        if column is not None:
            yield exp.Count(this=exp.Distinct(expressions=[column.copy()]))


def _divided(node: exp.Expr) -> Iterator[exp.Expr]:
    """SUM / COUNT(*), which counts NULL and divides integers, for AVG; AVG * COUNT(*) for SUM."""
    if isinstance(node, exp.Avg):
        count = exp.Count(this=exp.Star())
        yield exp.Div(this=exp.Sum(this=node.this.copy()), expression=count)
    if isinstance(node, exp.Sum):
        yield exp.Mul(this=exp.Count(this=exp.Star()), expression=exp.Avg(this=node.this.copy()))


NEW_EDITS: tuple[Callable[[exp.Expr], Iterator[exp.Expr]], ...] = (
    _open_between,
    _offset,
    _or_null,
    _ignored_case,
    _compared_as_text,
    _shorter_list,
    _joined_to_all,
    _counted_once,
    _divided,
)


def _by_gold(queries: Sequence[tuple[int, str, str]], left: set[int]) -> dict[int, dict[int, str]]:
    grouped: dict[int, dict[int, str]] = {}
    for i in sorted(left):
        gold, _, sql = queries[i]
        grouped.setdefault(gold, {})[i] = sql
    return grouped


def _by_suite(job: HeldOutJob, queries: Sequence[tuple[int, str, str]]) -> dict[int, str]:
    """What the original, then the instances of each gold, then the others separate."""
    left = set(range(len(queries)))
    found = dict.fromkeys(separated(job.db_path, job.golds, _by_gold(queries, left)), "original")
    left -= found.keys()
    unused: set[int] = set()
    for path in job.suite.paths[1:]:
        for i in separated(path, job.golds, _by_gold(queries, left)):
            if path in job.suite.of(job.golds[queries[i][0]]):
                found[i] = "suite"
                left.discard(i)
            else:
                unused.add(i)
    return found | dict.fromkeys(unused - found.keys(), "unused")


def _fill(job: HeldOutJob, schema: Schema, material: Material, path: Path, number: int) -> None:
    """A database whose values are invented or those of the original, and the literals of golds."""
    build_database(database_script(job.db_path, rows=False), path)
    literals = [literal for sql in job.golds for literal in query_literals(sql, schema)]
    words = {
        (source.name, column.name): held.values
        for source in material.tables
        for column, held in zip(source.table.columns, source.columns, strict=True)
    }
    rng = Random(f"filled {number}")
    chosen = {place: held for place, held in words.items() if held and rng.random() < 0.5}
    few = rng.sample(literals, min(len(literals), 10))
    fill_database(path, rng.choice((5, 15, ROWS_PER_TABLE)), number, few, chosen)
