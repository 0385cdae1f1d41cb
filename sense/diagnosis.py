"""The kind of error of a wrong answer: from SQLite's message, or from how its tree differs.

Both trees are first written alike: aliases become table names, names are in lower case, an alias of
a selected value stands for the value. Then clause is held against clause. Of several differences
the one that `ERROR_KINDS` lists first names the error. No schema is needed: an unqualified column
equals the qualified one of its name.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator

from sqlglot import exp

from sense.hardness import UnparsedSqlError, normalized, parse_sql, sql_text

EXECUTION_KINDS = (
    "syntax",
    "unknown_table",
    "unknown_column",
    "ambiguous_column",
    "unknown_function",
    "misused_aggregate",
    "not_a_query",
    "execution",
)
"""Kinds of queries that SQLite does not run; `execution` is any error without a kind of its own."""

DIFFERENCE_KINDS = (
    "set_operation",
    "nesting",
    "table",
    "missing_join",
    "extra_join",
    "join_condition",
    "join_type",
    "having",
    "missing_condition",
    "extra_condition",
    "connective",
    "negation",
    "comparison",
    "aggregate",
    "column",
    "value",
    "expression",
    "group_by",
    "order_by",
    "direction",
    "limit",
    "distinct",
    "missing_column",
    "extra_column",
    "column_order",
)
"""Kinds of queries that run, the gravest first."""

ERROR_KINDS = (*EXECUTION_KINDS, *DIFFERENCE_KINDS, "other")

EXECUTION_ERRORS = (
    ("not_a_query", r"only reading is allowed|not authorized"),
    ("unknown_table", r"no such table"),
    ("unknown_column", r"no such column|no column named|cannot join using column"),
    ("ambiguous_column", r"ambiguous column name"),
    ("unknown_function", r"no such function|wrong number of arguments to function"),
    ("misused_aggregate", r"misuse of (aliased )?(aggregate|window)|aggregate functions are not"),
    ("set_operation", r"do not have the same number of result columns"),
    ("nesting", r"sub-select returns|row value misused"),
    ("syntax", r"syntax error|incomplete input|unrecognized token|no SQL statement"),
)
"""Error kind -> what the message of SQLite or of `sense.execution` says."""


CONDITIONS = (exp.Predicate, exp.Connector, exp.Not)


def error_kind(gold_sql: str, predicted_sql: str, error: str = "") -> str:
    """What is wrong with the prediction, one of `ERROR_KINDS`; `error` is SQLite's message, if any.

    >>> error_kind("SELECT MIN(age) FROM person", "SELECT MAX(p.age) FROM person AS p")
    'aggregate'
    >>> error_kind("SELECT age FROM person", "SELECT years FROM person", "no such column: years")
    'unknown_column'
    """
    if error:
        found = (kind for kind, pattern in EXECUTION_ERRORS if re.search(pattern, error, re.I))
        return next(found, "execution")
    try:
        predicted = parse_sql(predicted_sql)
    except UnparsedSqlError:
        return "syntax"
    try:
        kinds = differences(parse_sql(gold_sql), predicted)
    except (UnparsedSqlError, RecursionError):  # no query, or one nested too deeply to be walked
        return "other"
    return kinds[0] if kinds else "other"


def judged_kind(gold_sql: str, predicted_sql: str, verdict: str, witness: str) -> str:
    """The error kind of an answer that was judged `incorrect`, "" for any other.

    witness: as `sense.verdict` gives it; the message of SQLite stands in it.

    >>> judged_kind("SELECT a FROM t", "SELECT b FROM t", "incorrect", '{"row": [1]}')
    'column'
    """
    if verdict != "incorrect":
        return ""
    error = json.loads(witness).get("error", "") if witness else ""
    return error_kind(gold_sql, predicted_sql, error)


def differences(gold: exp.Expr, predicted: exp.Expr) -> list[str]:
    """Every kind of difference between two trees, the gravest first; [] when none is found.

    >>> gold = parse_sql("SELECT name FROM city WHERE id > 3 ORDER BY name")
    >>> differences(gold, parse_sql("SELECT name FROM city WHERE id >= 3 ORDER BY id"))
    ['comparison', 'order_by']
    """
    first, second = _canonical(gold), _canonical(predicted)
    _drop_qualifiers(first, second)
    return sorted(set(_query(first, second)), key=DIFFERENCE_KINDS.index)


def _canonical(tree: exp.Expr) -> exp.Expr:
    """A copy without aliases of tables and selected values."""
    tree = normalized(tree)
    labels = {id(select): _labels(select) for select in tree.find_all(exp.Select)}
    for select in tree.find_all(exp.Select):
        _expand_aliases(select)
    for column in tree.find_all(exp.Column):
        label = _label(column, labels)
        if label:
            column.set("table", exp.to_identifier(label))
    for table in tree.find_all(exp.Table):
        table.set("alias", None)
    for select in tree.find_all(exp.Select):
        for projection in list(select.expressions):
            if isinstance(projection, exp.Alias):
                projection.replace(projection.this)
    return tree


def _labels(select: exp.Select) -> dict[str, str]:
    """Alias -> label of the sources of one SELECT."""
    aliases = [source.alias_or_name for source in _sources(select)]
    return dict(zip(aliases, _source_labels(select), strict=True))


def _source_labels(select: exp.Select) -> list[str]:
    """The name of each source; a table's second use gets a number."""
    names = [_name(source) for source in _sources(select)]
    uses = [names[: i + 1].count(name) for i, name in enumerate(names)]
    return [f"{name}#{n}" if n > 1 else name for name, n in zip(names, uses, strict=True)]


def _label(column: exp.Column, labels: dict[int, dict[str, str]]) -> str:
    select = column.parent_select
    if not column.table:
        own = labels.get(id(select), {})
        return next(iter(own.values())) if len(own) == 1 else ""
    while select is not None:
        own = labels.get(id(select), {})
        if column.table in own:
            return own[column.table]
        select = select.parent_select
    return column.table


def _expand_aliases(select: exp.Select) -> None:
    """Put the selected value where ORDER BY, GROUP BY or HAVING say its alias or its position."""
    values = {node.alias: node.this for node in select.expressions if isinstance(node, exp.Alias)}
    for clause in filter(None, map(select.args.get, ("group", "having", "order"))):
        for node in list(clause.find_all(exp.Column, exp.Literal)):
            if isinstance(node, exp.Column) and not node.table and node.name in values:
                node.replace(values[node.name].copy())
            elif isinstance(node, exp.Literal) and isinstance(
                node.parent, (exp.Group, exp.Ordered)
            ):
                position = int(node.name) if node.name.isdigit() else 0
                if 0 < position <= len(select.expressions):
                    node.replace(select.expressions[position - 1].unalias().copy())


def _drop_qualifiers(first: exp.Expr, second: exp.Expr) -> None:
    columns = [*first.find_all(exp.Column), *second.find_all(exp.Column)]
    bare = {column.name for column in columns if not column.table}
    for column in columns:
        if column.name in bare:
            column.set("table", None)


def _query(gold: exp.Expr, predicted: exp.Expr) -> Iterator[str]:
    gold, predicted = _unwrapped(gold), _unwrapped(predicted)
    if isinstance(gold, exp.Select) and isinstance(predicted, exp.Select):
        yield from _select(gold, predicted)
    elif isinstance(gold, exp.SetOperation) and isinstance(predicted, exp.SetOperation):
        same_distinct = gold.args.get("distinct") == predicted.args.get("distinct")
        if type(gold) is not type(predicted) or not same_distinct:
            yield "set_operation"
        yield from _query(gold.this, predicted.this)
        yield from _query(gold.expression, predicted.expression)
        yield from _ordering(gold, predicted)
    else:
        yield "set_operation"


def _select(gold: exp.Select, predicted: exp.Select) -> Iterator[str]:
    if len(gold.ctes) != len(predicted.ctes):
        yield "nesting"
    yield from _from(gold, predicted)
    yield from _conditions(_where(gold), _where(predicted))
    yield from _group(gold, predicted)
    yield from _having(gold, predicted)
    yield from _ordering(gold, predicted)
    if bool(gold.args.get("distinct")) != bool(predicted.args.get("distinct")):
        yield "distinct"
    yield from _projections(gold.expressions, predicted.expressions)


def _from(gold: exp.Select, predicted: exp.Select) -> Iterator[str]:
    mine, theirs = _sources(gold), _sources(predicted)
    missing, extra = _unshared(list(map(_name, mine)), list(map(_name, theirs)))
    if "subquery" in missing + extra:
        yield "nesting"
    elif missing and extra:
        yield "table"
    elif missing or extra:
        yield "missing_join" if missing else "extra_join"
    else:
        if any(map(bool, _unshared(_join_conditions(gold), _join_conditions(predicted)))):
            yield "join_condition"
        if any(map(bool, _unshared(_join_types(gold), _join_types(predicted)))):
            yield "join_type"
    nested = [source for source in mine if isinstance(source, exp.Subquery)]
    others = [source for source in theirs if isinstance(source, exp.Subquery)]
    for first, second in zip(nested, others, strict=False):
        yield from _query(first, second)


def _conditions(gold: exp.Expr | None, predicted: exp.Expr | None) -> Iterator[str]:
    missing, extra = _unshared_nodes(_leaves(gold), _leaves(predicted))
    if not missing and not extra:
        if gold and predicted and _shape(gold) != _shape(predicted):
            yield "connective"
        return
    if len(missing) == len(extra) and _num_ors(gold) != _num_ors(predicted):
        yield "connective"
    while missing and extra:
        first = missing.pop(0)
        second = min(extra, key=lambda leaf: len(set(_leaf(first, leaf))))
        extra.remove(second)
        yield from _leaf(first, second)
    yield from ["missing_condition"] * len(missing)
    yield from ["extra_condition"] * len(extra)


def _leaf(gold: exp.Expr, predicted: exp.Expr) -> list[str]:
    """Kinds of difference between two conditions."""
    kinds = []
    if _is_negated(gold) != _is_negated(predicted):
        kinds.append("negation")
    gold, predicted = _positive(gold), _positive(predicted)
    if bool(gold.find(exp.Query)) != bool(predicted.find(exp.Query)):
        return [*kinds, "nesting"]
    if type(gold) is not type(predicted):
        pair = {type(gold), type(predicted)}
        over_query = gold.find(exp.Query) is not None
        if exp.In in pair and over_query:
            return [*kinds, "nesting", *_term(gold.this, predicted.this)]
        kinds.append("comparison")
    mine, theirs = list(gold.iter_expressions()), list(predicted.iter_expressions())
    if isinstance(gold, exp.In) and isinstance(predicted, exp.In) and len(mine) != len(theirs):
        return [*kinds, *_term(gold.this, predicted.this), "value"]
    for first, second in zip(mine, theirs, strict=False):
        kinds += _term(first, second)
    return kinds


def _term(gold: exp.Expr, predicted: exp.Expr) -> Iterator[str]:
    """Kinds of difference between two values."""
    if gold == predicted:
        return
    gold, predicted = _stripped(gold), _stripped(predicted)
    queries = isinstance(gold, exp.Query), isinstance(predicted, exp.Query)
    if all(queries):
        yield from _query(gold, predicted)
    elif any(queries):
        yield "nesting"
    elif isinstance(gold, exp.AggFunc) or isinstance(predicted, exp.AggFunc):
        yield from _aggregates(gold, predicted)
    elif isinstance(gold, (exp.Column, exp.Star)) and isinstance(predicted, (exp.Column, exp.Star)):
        if sql_text(gold) != sql_text(predicted):
            yield "column"
    elif isinstance(gold, CONDITIONS) and isinstance(predicted, CONDITIONS):
        yield from _conditions(gold, predicted)
    elif isinstance(gold, exp.Order) and isinstance(predicted, exp.Order):
        yield from _sort_keys(gold.expressions, predicted.expressions)
    elif isinstance(gold, exp.Literal) or isinstance(predicted, exp.Literal):
        yield "value"
    elif type(gold) is type(predicted):
        mine, theirs = list(gold.iter_expressions()), list(predicted.iter_expressions())
        kinds = [k for pair in zip(mine, theirs, strict=False) for k in _term(*pair)]
        yield from kinds or ["expression"] * (sql_text(gold) != sql_text(predicted))
    else:
        yield "expression"


def _aggregates(gold: exp.Expr, predicted: exp.Expr) -> Iterator[str]:
    if type(gold) is not type(predicted):
        yield "aggregate"
    mine = gold.this if isinstance(gold, exp.AggFunc) else gold
    theirs = predicted.this if isinstance(predicted, exp.AggFunc) else predicted
    if isinstance(mine, exp.Distinct) != isinstance(theirs, exp.Distinct):
        yield "distinct"
    mine, theirs = (
        node.expressions[0] if isinstance(node, exp.Distinct) else node for node in (mine, theirs)
    )
    yield from _term(mine, theirs)


def _group(gold: exp.Select, predicted: exp.Select) -> Iterator[str]:
    if any(map(bool, _unshared_nodes(_keys(gold, "group"), _keys(predicted, "group")))):
        yield "group_by"


def _having(gold: exp.Select, predicted: exp.Select) -> Iterator[str]:
    mine, theirs = gold.args.get("having"), predicted.args.get("having")
    if bool(mine) != bool(theirs):
        yield "having"
    elif mine and theirs:
        same_length = len(_leaves(mine.this)) == len(_leaves(theirs.this))
        for kind in _conditions(mine.this, theirs.this):
            is_own = kind in ("missing_condition", "extra_condition") and not same_length
            yield "having" if is_own else kind


def _ordering(gold: exp.Query, predicted: exp.Query) -> Iterator[str]:
    yield from _sort_keys(_keys(gold, "order"), _keys(predicted, "order"))
    for name in ("limit", "offset"):
        if gold.args.get(name) != predicted.args.get(name):
            yield "limit"


def _sort_keys(gold: list[exp.Expr], predicted: list[exp.Expr]) -> Iterator[str]:
    if len(gold) != len(predicted):
        yield "order_by"
        return
    for first, second in zip(gold, predicted, strict=True):
        if bool(first.args.get("desc")) != bool(second.args.get("desc")):
            yield "direction"
        for kind in _term(first.this, second.this):
            yield "order_by" if kind in ("column", "expression") else kind


def _projections(gold: list[exp.Expr], predicted: list[exp.Expr]) -> Iterator[str]:
    missing, extra = _unshared_nodes(gold, predicted)
    if not missing and not extra:
        if list(map(sql_text, gold)) != list(map(sql_text, predicted)):
            yield "column_order"
        return
    for first, second in zip(missing, extra, strict=False):
        yield from _term(first, second)
    if len(missing) != len(extra):
        yield "missing_column" if len(missing) > len(extra) else "extra_column"


def _sources(select: exp.Select) -> list[exp.Expr]:
    from_ = select.args.get("from_")
    joined = [join.this for join in select.args.get("joins") or ()]
    return [from_.this, *joined] if from_ else joined


def _name(source: exp.Expr) -> str:
    return source.name if isinstance(source, exp.Table) else "subquery"


def _join_conditions(select: exp.Select) -> list[str]:
    """The conditions of all joins and the ties of WHERE, the sides of `=` in a fixed order."""
    joins = select.args.get("joins") or ()
    found = [leaf for join in joins for leaf in _leaves(join.args.get("on"))] + _ties(select)
    texts = [sorted(map(sql_text, (leaf.this, leaf.expression))) for leaf in found if _is_tie(leaf)]
    using = [[node.name] for join in joins for node in join.args.get("using") or ()]
    rest = [[sql_text(leaf)] for leaf in found if not _is_tie(leaf)]
    return [" = ".join(sides) for sides in (*texts, *using, *rest)]


def _join_types(select: exp.Select) -> list[str]:
    return [join.side or "" for join in select.args.get("joins") or ()]


def _where_node(select: exp.Select) -> exp.Expr | None:
    where = select.args.get("where")
    return where.this if where else None


def _ties(select: exp.Select) -> list[exp.Expr]:
    """Conditions of WHERE that tie two of its tables, as in `FROM a, b WHERE a.x = b.x`."""
    node = _where_node(select)
    if node is None or _num_ors(node):
        return []
    own = set(_source_labels(select))
    return [leaf for leaf in _leaves(node) if _is_tie(leaf) and own >= _tables(leaf) != set()]


def _tables(tie: exp.Expr) -> set[str]:
    """The two tables of a tie; empty when its sides have the same one."""
    tables = {tie.this.table, tie.expression.table}
    return tables if len(tables) == 2 else set()


def _where(select: exp.Select) -> exp.Expr | None:
    """The WHERE condition without its ties."""
    node, ties = _where_node(select), _ties(select)
    if not ties:
        return node
    kept = [leaf for leaf in _leaves(node) if leaf not in ties]
    return exp.and_(*kept, copy=True) if kept else None


def _is_tie(leaf: exp.Expr) -> bool:
    return (
        isinstance(leaf, exp.EQ)
        and isinstance(leaf.this, exp.Column)
        and isinstance(leaf.expression, exp.Column)
    )


def _keys(query: exp.Query, name: str) -> list[exp.Expr]:
    clause = query.args.get(name)
    return clause.expressions if clause else []


def _leaves(root: exp.Expr | None) -> list[exp.Expr]:
    """The conditions that AND and OR connect."""
    if isinstance(root, exp.Paren):
        return _leaves(root.this)
    if isinstance(root, exp.Connector):
        return [*_leaves(root.this), *_leaves(root.expression)]
    return [] if root is None else [root]


def _num_ors(root: exp.Expr | None) -> int:
    if isinstance(root, exp.Paren):
        return _num_ors(root.this)
    if isinstance(root, exp.Connector):
        return isinstance(root, exp.Or) + _num_ors(root.this) + _num_ors(root.expression)
    return 0


def _shape(root: exp.Expr) -> str:
    """The condition with the operands of AND and OR in a fixed order."""
    if isinstance(root, exp.Paren):
        return _shape(root.this)
    if isinstance(root, exp.Connector):
        operands = sorted(map(_shape, root.flatten()))
        return f"({f' {root.key} '.join(operands)})"
    return sql_text(root)


def _positive(leaf: exp.Expr) -> exp.Expr:
    while isinstance(leaf, (exp.Not, exp.Paren)):
        leaf = leaf.this
    return leaf


def _is_negated(leaf: exp.Expr) -> bool:
    return isinstance(leaf, exp.Not) or bool(leaf.args.get("negate"))


def _unwrapped(query: exp.Expr) -> exp.Expr:
    while isinstance(query, (exp.Subquery, exp.Paren)):
        query = query.this
    return query


def _stripped(term: exp.Expr) -> exp.Expr:
    return _unwrapped(term) if isinstance(term, (exp.Subquery, exp.Paren)) else term


def _unshared(first: list[str], second: list[str]) -> tuple[list[str], list[str]]:
    """What each side has more often than the other, in its order."""
    counts = Counter(first), Counter(second)
    only_first, only_second = counts[0] - counts[1], counts[1] - counts[0]
    return list(only_first.elements()), list(only_second.elements())


def _unshared_nodes(
    first: list[exp.Expr], second: list[exp.Expr]
) -> tuple[list[exp.Expr], list[exp.Expr]]:
    """The same for trees, which are equal when their texts are."""
    texts = [sql_text(node) for node in first], [sql_text(node) for node in second]
    nodes = dict(zip(texts[0] + texts[1], [*first, *second], strict=True))
    missing, extra = _unshared(*texts)
    return [nodes[text] for text in missing], [nodes[text] for text in extra]
