"""The meaning of one query as frozen records.

SQL (`sense.questions.sql`) and question (`sense.questions.phrasing`) are written from the same
records, so the two cannot disagree.
"""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from sense.questions.profile import ColumnProfile, Link, TableProfile, Value

Function: TypeAlias = Literal["count", "sum", "avg", "min", "max"]
Comparison: TypeAlias = Literal["=", "<>", ">", ">=", "<", "<="]
Operator: TypeAlias = Literal[
    Comparison, "between", "in", "starts", "contains", "ends", "null", "not null", "in year"
]
SetOperator: TypeAlias = Literal["INTERSECT", "UNION", "EXCEPT"]


PEER = "T2"
"""Where a row refers to one of its own table, that one's columns have this as their table."""


@dataclass(frozen=True)
class Measure:
    """An aggregate over the rows, or over the distinct values of `column`."""

    function: Function
    column: ColumnProfile | None = None
    """None = the rows themselves, for `count`."""
    distinct: bool = False


@dataclass(frozen=True)
class Everything:
    """All columns of the rows."""


@dataclass(frozen=True)
class Difference:
    """One numeric column minus or plus another of the same row."""

    left: ColumnProfile
    right: ColumnProfile
    sign: Literal["-", "+"] = "-"


@dataclass(frozen=True)
class Case:
    """A label for each row: the first when the condition holds, else the second."""

    condition: "Condition"
    labels: tuple[str, str]


@dataclass(frozen=True)
class Rank:
    """The place of each row by a column in which no value occurs twice; 1 is the first."""

    column: ColumnProfile
    descending: bool


@dataclass(frozen=True)
class OfGroup:
    """An aggregate, beside each row, over all rows that have the same value in another column."""

    function: Literal["avg", "min", "max"]
    column: ColumnProfile
    group: ColumnProfile


@dataclass(frozen=True)
class Condition:
    """A column against values of the data."""

    column: ColumnProfile
    operator: Operator
    values: tuple[Value, ...] = ()


@dataclass(frozen=True)
class Compared:
    """A numeric column against another of the same row."""

    left: ColumnProfile
    operator: Literal[">", "<"]
    right: ColumnProfile


@dataclass(frozen=True)
class Beyond:
    """A column against an aggregate of itself over its table, or over the rows of its own group."""

    column: ColumnProfile
    operator: Literal[">", "<", "="]
    function: Literal["avg", "min", "max"]
    scope: Condition | None = None
    """Only rows that fulfil it enter the aggregate."""
    group: ColumnProfile | None = None
    """Only rows with the same value here enter the aggregate."""


@dataclass(frozen=True)
class Has:
    """Whether rows of another table refer to this row, directly or through a link table.

    By IN when the row "has" them; by EXISTS, `correlated`, when "there is" one for it.
    """

    relation: "Relation"
    scope: Condition | None = None
    """Only such rows of the other table count."""
    negated: bool = False
    correlated: bool = False
    """Needs a relation of one link."""


@dataclass(frozen=True)
class Shared:
    """Whether another row of the table has the same value."""

    column: ColumnProfile
    key: ColumnProfile
    negated: bool = False


Filter: TypeAlias = Condition | Compared | Beyond | Has | Shared
Wanted: TypeAlias = ColumnProfile | Measure | Difference | Case | Rank | OfGroup | Everything


@dataclass(frozen=True)
class Relation:
    """One row of `owner` has many rows of `member`."""

    owner: TableProfile
    member: TableProfile
    links: tuple[Link, ...]
    """From member to owner; with a link table, from it to the owner, then to the member."""

    @property
    def base(self) -> str:
        """The table that holds the reference to the owner."""
        return self.links[0].table

    @property
    def is_kind(self) -> bool:
        """Each member is an owner of a special kind, as a gymnast is a person."""
        key = self.member.key
        return len(self.links) == 1 and key is not None and key.name == self.links[0].column


@dataclass(frozen=True)
class Having:
    """A condition on the measure of each group."""

    measure: Measure
    operator: Comparison
    value: Value | None
    """None = the average of all groups."""


@dataclass(frozen=True)
class Order:
    """The sort key of the rows."""

    key: Wanted
    descending: bool = False


@dataclass(frozen=True)
class Intent:
    """What is asked, one record for all patterns."""

    base: TableProfile
    """The result counts its rows; joined tables only add what each row refers to."""
    wanted: tuple[Wanted, ...]
    joins: tuple[Link, ...] = ()
    filters: tuple[Filter, ...] = ()
    either: bool = False
    """One of the filters suffices."""
    distinct: bool = False
    group: ColumnProfile | None = None
    second: ColumnProfile | None = None
    """Another column that the rows are grouped by."""
    owner: Relation | None = None
    """Set when a group is one row of another table, `group` being its key."""
    having: Having | None = None
    order: Order | None = None
    then: Order | None = None
    """Orders the rows that `order` leaves together."""
    limit: int = 0
    """0 = all rows."""
    operator: SetOperator | None = None
    other: "Intent | None" = None
    """The second side of the set operation."""
    over: Function | None = None
    """What is asked of the groups' measures together; the measure is then all that is wanted."""

    def but(self, **changes: Any) -> "Intent":
        """`dataclasses.replace`, in a tenth of its time: each query is varied several times."""
        other = object.__new__(Intent)
        other.__dict__.update(self.__dict__, **changes)
        other.__dict__.pop("_sql", None)
        return other


def is_inner(link: Link) -> bool:
    """Whether the link leads to another row of its own table."""
    return link.table == link.ref_table
