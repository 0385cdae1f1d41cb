"""Queries written alike, so that only what they ask can differ between their trees.

Aliases become table names, names are in lower case, an alias or a position of a selected value
stands for the value. No schema is needed: an unqualified column equals the qualified one.
"""

from sqlglot import exp

from sense.hardness import normalized


def canonical(tree: exp.Expr) -> exp.Expr:
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


def drop_qualifiers(first: exp.Expr, second: exp.Expr) -> None:
    columns = [*first.find_all(exp.Column), *second.find_all(exp.Column)]
    bare = {column.name for column in columns if not column.table}
    for column in columns:
        if column.name in bare:
            column.set("table", None)


def sources(select: exp.Select) -> list[exp.Expr]:
    from_ = select.args.get("from_")
    joined = [join.this for join in select.args.get("joins") or ()]
    return [from_.this, *joined] if from_ else joined


def source_labels(select: exp.Select) -> list[str]:
    """The name of each source; a table's second use gets a number."""
    names = [source_name(source) for source in sources(select)]
    uses = [names[: i + 1].count(name) for i, name in enumerate(names)]
    return [f"{name}#{n}" if n > 1 else name for name, n in zip(names, uses, strict=True)]


def source_name(source: exp.Expr) -> str:
    return source.name if isinstance(source, exp.Table) else "subquery"


def _labels(select: exp.Select) -> dict[str, str]:
    """Alias -> label of the sources of one SELECT."""
    aliases = [source.alias_or_name for source in sources(select)]
    return dict(zip(aliases, source_labels(select), strict=True))


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
