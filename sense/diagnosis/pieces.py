"""The parts of a query that are held against those of another: conditions, ties, keys."""

from collections import Counter

from sqlglot import exp

from sense.diagnosis.canonical import source_labels
from sense.hardness import sql_text


def join_conditions(select: exp.Select) -> list[str]:
    """The conditions of all joins and the ties of WHERE, the sides of `=` in a fixed order."""
    joins = select.args.get("joins") or ()
    found = [leaf for join in joins for leaf in leaves(join.args.get("on"))] + _ties(select)
    texts = [sorted(map(sql_text, (leaf.this, leaf.expression))) for leaf in found if _is_tie(leaf)]
    using = [[node.name] for join in joins for node in join.args.get("using") or ()]
    rest = [[sql_text(leaf)] for leaf in found if not _is_tie(leaf)]
    return [" = ".join(sides) for sides in (*texts, *using, *rest)]


def join_types(select: exp.Select) -> list[str]:
    return [join.side or "" for join in select.args.get("joins") or ()]


def where(select: exp.Select) -> exp.Expr | None:
    """The WHERE condition without its ties."""
    node, ties = _where_node(select), _ties(select)
    if not ties:
        return node
    kept = [leaf for leaf in leaves(node) if leaf not in ties]
    return exp.and_(*kept, copy=True) if kept else None


def _ties(select: exp.Select) -> list[exp.Expr]:
    """Conditions of WHERE that tie two of its tables, as in `FROM a, b WHERE a.x = b.x`."""
    node = _where_node(select)
    if node is None or num_ors(node):
        return []
    own = set(source_labels(select))
    return [leaf for leaf in leaves(node) if _is_tie(leaf) and own >= _tables(leaf) != set()]


def _where_node(select: exp.Select) -> exp.Expr | None:
    where = select.args.get("where")
    return where.this if where else None


def _tables(tie: exp.Expr) -> set[str]:
    """The two tables of a tie; empty when its sides have the same one."""
    tables = {tie.this.table, tie.expression.table}
    return tables if len(tables) == 2 else set()


def _is_tie(leaf: exp.Expr) -> bool:
    return (
        isinstance(leaf, exp.EQ)
        and isinstance(leaf.this, exp.Column)
        and isinstance(leaf.expression, exp.Column)
    )


def keys(query: exp.Query, name: str) -> list[exp.Expr]:
    clause = query.args.get(name)
    return clause.expressions if clause else []


def leaves(root: exp.Expr | None) -> list[exp.Expr]:
    """The conditions that AND and OR connect."""
    if isinstance(root, exp.Paren):
        return leaves(root.this)
    if isinstance(root, exp.Connector):
        return [*leaves(root.this), *leaves(root.expression)]
    return [] if root is None else [root]


def num_ors(root: exp.Expr | None) -> int:
    if isinstance(root, exp.Paren):
        return num_ors(root.this)
    if isinstance(root, exp.Connector):
        return isinstance(root, exp.Or) + num_ors(root.this) + num_ors(root.expression)
    return 0


def shape(root: exp.Expr) -> str:
    """The condition with the operands of AND and OR in a fixed order."""
    if isinstance(root, exp.Paren):
        return shape(root.this)
    if isinstance(root, exp.Connector):
        operands = sorted(map(shape, root.flatten()))
        return f"({f' {root.key} '.join(operands)})"
    return sql_text(root)


def positive(leaf: exp.Expr) -> exp.Expr:
    while isinstance(leaf, (exp.Not, exp.Paren)):
        leaf = leaf.this
    return leaf


def is_negated(leaf: exp.Expr) -> bool:
    return isinstance(leaf, exp.Not) or bool(leaf.args.get("negate"))


def unwrapped(query: exp.Expr) -> exp.Expr:
    while isinstance(query, (exp.Subquery, exp.Paren)):
        query = query.this
    return query


def stripped(term: exp.Expr) -> exp.Expr:
    return unwrapped(term) if isinstance(term, (exp.Subquery, exp.Paren)) else term


def unshared(first: list[str], second: list[str]) -> tuple[list[str], list[str]]:
    """What each side has more often than the other, in its order."""
    counts = Counter(first), Counter(second)
    only_first, only_second = counts[0] - counts[1], counts[1] - counts[0]
    return list(only_first.elements()), list(only_second.elements())


def unshared_nodes(
    first: list[exp.Expr], second: list[exp.Expr]
) -> tuple[list[exp.Expr], list[exp.Expr]]:
    """The same for trees, which are equal when their texts are."""
    texts = [sql_text(node) for node in first], [sql_text(node) for node in second]
    nodes = dict(zip(texts[0] + texts[1], [*first, *second], strict=True))
    missing, extra = unshared(*texts)
    return [nodes[text] for text in missing], [nodes[text] for text in extra]
