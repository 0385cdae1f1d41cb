"""The one SQL text of an intent.

It keeps to a single form: full table names, columns qualified only when several tables are in
scope, joins from the referring table to the one it refers to, T1 and T2 only where a table occurs
twice or a subquery speaks of the row outside of it.
"""

from sense.questions.intent import (
    PEER,
    Beyond,
    Case,
    Compared,
    Condition,
    Difference,
    Everything,
    Filter,
    Has,
    Intent,
    OfGroup,
    Rank,
    Shared,
    Wanted,
    is_inner,
)
from sense.questions.profile import ColumnProfile, Link, Value
from sense.schema import quote_identifier

GROUP_VALUE, GROUP_VALUES = "group_value", "group_values"
"""What the measure of each group is called where another query reads it, and all of them."""


def to_sql(intent: Intent) -> str:
    """The SQL text of the intent, written once: it lies beside the fields."""
    text: str | None = intent.__dict__.get("_sql")
    if text is None:
        text = intent.__dict__["_sql"] = _written(intent)
    return text


def _written(intent: Intent) -> str:
    names = _Names(intent)
    parts = [f"SELECT {'DISTINCT ' * intent.distinct}{names.listed(intent.wanted)}"]
    if intent.over:
        parts[0] += f" AS {GROUP_VALUE}"
    parts.append(f"FROM {names.source()}")
    if intent.filters:
        word = " OR " if intent.either else " AND "
        parts.append("WHERE " + word.join(_filter_sql(f, names) for f in intent.filters))
    if intent.group:
        second = f", {names.column(intent.second)}" if intent.second else ""
        parts.append(f"GROUP BY {names.column(intent.group)}{second}")
    having = intent.having
    if having and having.value is None:
        parts[0] += f", {names.wanted(having.measure)} AS {GROUP_VALUE}"
    elif having and having.value is not None:
        value = literal(having.value)
        parts.append(f"HAVING {names.wanted(having.measure)} {having.operator} {value}")
    if intent.order:
        orders = [order for order in (intent.order, intent.then) if order]
        keys = [names.wanted(order.key) + " DESC" * order.descending for order in orders]
        parts.append(f"ORDER BY {', '.join(keys)}")
    if intent.limit:
        parts.append(f"LIMIT {intent.limit}")
    if intent.other:
        parts.append(f"{intent.operator} {to_sql(intent.other)}")
    text = " ".join(parts)
    if intent.over:
        return f"SELECT {intent.over.upper()}({GROUP_VALUE}) FROM ({text})"
    if having and having.value is None:
        columns = [wanted for wanted in intent.wanted if isinstance(wanted, ColumnProfile)]
        shown = ", ".join(quote_identifier(column.name) for column in columns)
        average = f"SELECT AVG({GROUP_VALUE}) FROM {GROUP_VALUES}"
        return (
            f"WITH {GROUP_VALUES} AS ({text}) SELECT {shown} FROM {GROUP_VALUES}"
            f" WHERE {GROUP_VALUE} {having.operator} ({average})"
        )
    return text


def literal(value: Value) -> str:
    """The value as SQL.

    >>> literal("O'Hara"), literal(5), literal(2.5)
    ("'O''Hara'", '5', '2.5')
    """
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


class _Names:
    """How columns are written in the scope of one SELECT."""

    def __init__(self, intent: Intent) -> None:
        self.base = intent.base.name
        self.joins = intent.joins
        twice = any(map(is_inner, intent.joins)) or any(
            isinstance(f, Shared)
            or (isinstance(f, Beyond) and f.group)
            or (isinstance(f, Has) and f.correlated)
            for f in intent.filters
        )
        self.alias = "T1" if twice else ""

    def column(self, column: ColumnProfile) -> str:
        name = quote_identifier(column.name)
        if self.alias and column.table == self.base:
            return f"{self.alias}.{name}"
        return f"{quote_identifier(column.table)}.{name}" if self.joins else name

    def listed(self, wanted: tuple[Wanted, ...]) -> str:
        return ", ".join(map(self.wanted, wanted))

    def wanted(self, wanted: Wanted) -> str:
        if isinstance(wanted, ColumnProfile):
            return self.column(wanted)
        if isinstance(wanted, Everything):
            return "*"
        if isinstance(wanted, Difference):
            return f"{self.column(wanted.left)} {wanted.sign} {self.column(wanted.right)}"
        if isinstance(wanted, Case):
            test = _filter_sql(wanted.condition, self)
            yes, no = map(literal, wanted.labels)
            return f"CASE WHEN {test} THEN {yes} ELSE {no} END"
        if isinstance(wanted, Rank):
            key = self.column(wanted.column) + " DESC" * wanted.descending
            return f"RANK() OVER (ORDER BY {key})"
        if isinstance(wanted, OfGroup):
            measure = f"{wanted.function.upper()}({self.column(wanted.column)})"
            return f"{measure} OVER (PARTITION BY {self.column(wanted.group)})"
        inner = self.column(wanted.column) if wanted.column else "*"
        return f"{wanted.function.upper()}({'DISTINCT ' * wanted.distinct}{inner})"

    def source(self) -> str:
        text = quote_identifier(self.base) + (f" AS {self.alias}" if self.alias else "")
        return text + _joins_sql(self.joins, {self.base: self.alias} if self.alias else {})


def _joins_sql(links: tuple[Link, ...], aliases: dict[str, str] | None = None) -> str:
    text = ""
    for link in links:
        left = (aliases or {}).get(link.table) or quote_identifier(link.table)
        table = quote_identifier(link.ref_table)
        joined, right = (f"{table} AS {PEER}", PEER) if is_inner(link) else (table, table)
        text += f" JOIN {joined} ON {left}.{quote_identifier(link.column)}"
        text += f" = {right}.{quote_identifier(link.ref_column)}"
    return text


def _filter_sql(item: Filter, names: _Names) -> str:
    if isinstance(item, Condition):
        return condition_sql(names.column(item.column), item)
    if isinstance(item, Compared):
        return f"{names.column(item.left)} {item.operator} {names.column(item.right)}"
    if isinstance(item, Beyond):
        return f"{names.column(item.column)} {item.operator} ({_aggregate_sql(item, names)})"
    if isinstance(item, Shared):
        column, key = quote_identifier(item.column.name), quote_identifier(item.key.name)
        others = f"SELECT 1 FROM {quote_identifier(item.column.table)} AS T2"
        test = f"T2.{column} = T1.{column} AND T2.{key} <> T1.{key}"
        return f"{'NOT ' * item.negated}EXISTS ({others} WHERE {test})"
    first = item.relation.links[0]
    key = names.column(item.relation.owner.column(first.ref_column))
    if item.correlated:
        return f"{'NOT ' * item.negated}EXISTS ({_member_sql(item, key)})"
    return f"{key} {'NOT ' * item.negated}IN ({_members_sql(item)})"


def _aggregate_sql(item: Beyond, names: _Names) -> str:
    table, column = quote_identifier(item.column.table), quote_identifier(item.column.name)
    if item.group:
        group = quote_identifier(item.group.name)
        return (
            f"SELECT {item.function.upper()}(T2.{column}) FROM {table} AS T2"
            f" WHERE T2.{group} = {names.column(item.group)}"
        )
    text = f"SELECT {item.function.upper()}({column}) FROM {table}"
    if item.scope:
        text += f" WHERE {condition_sql(quote_identifier(item.scope.column.name), item.scope)}"
    return text


def _members_sql(item: Has) -> str:
    """The keys of owners that have a member."""
    first, *rest = item.relation.links
    joined = tuple(rest) if item.scope else ()
    prefix = f"{quote_identifier(first.table)}." if joined else ""
    text = f"SELECT {prefix}{quote_identifier(first.column)} FROM {quote_identifier(first.table)}"
    text += _joins_sql(joined)
    if item.scope:
        name = quote_identifier(item.scope.column.name)
        if joined:
            name = f"{quote_identifier(item.scope.column.table)}.{name}"
        text += f" WHERE {condition_sql(name, item.scope)}"
    return text


def _member_sql(item: Has, key: str) -> str:
    """The members of the row at hand."""
    (link,) = item.relation.links
    text = f"SELECT 1 FROM {quote_identifier(link.table)} AS T2"
    text += f" WHERE T2.{quote_identifier(link.column)} = {key}"
    if item.scope:
        name = f"T2.{quote_identifier(item.scope.column.name)}"
        text += f" AND {condition_sql(name, item.scope)}"
    return text


def condition_sql(name: str, condition: Condition) -> str:
    """The condition on the column written as `name`."""
    operator, values = condition.operator, condition.values
    if operator == "between":
        return f"{name} BETWEEN {literal(values[0])} AND {literal(values[1])}"
    if operator == "in":
        return f"{name} IN ({', '.join(map(literal, values))})"
    if operator in ("starts", "contains", "ends"):
        head, tail = "%" * (operator != "starts"), "%" * (operator != "ends")
        return f"{name} LIKE {literal(f'{head}{values[0]}{tail}')}"
    if operator in ("null", "not null"):
        return f"{name} IS {operator.upper()}"
    if operator == "in year":
        return f"STRFTIME('%Y', {name}) = {literal(str(values[0]))}"
    return f"{name} {operator} {literal(values[0])}"
