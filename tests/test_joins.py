"""Columns that queries compare with each other."""

import pytest

from sense.schema import Column, Schema, Table
from sense.suites.joins import End, joined_columns

SCHEMA = Schema(
    (
        Table("City", (Column("id", "INTEGER"), Column("Nation", "TEXT"))),
        Table("nation", (Column("code", "TEXT"), Column("capital", "INTEGER"))),
    )
)
CITY_NATION = (("city", "nation"), ("nation", "code"))
CAPITAL = (("nation", "capital"), ("city", "id"))


@pytest.mark.parametrize(
    ("sql", "pairs"),
    [
        ("SELECT 1 FROM City AS a JOIN nation AS b ON a.Nation = b.code", [CITY_NATION]),
        ("SELECT 1 FROM city, nation WHERE nation.capital = city.id", [CAPITAL]),
        (
            "SELECT 1 FROM city JOIN nation ON nation = code AND capital = id",
            [CITY_NATION, CAPITAL],
        ),
        ("SELECT 1 FROM nation WHERE capital IN (SELECT id FROM city)", []),
        ("SELECT 1 FROM city JOIN (SELECT code AS c FROM nation) AS n ON nation = n.c", []),
        ("SELECT 1 FROM city WHERE nation = 'x' AND id = 3", []),
        ("SELECT 1 FROM city JOIN mayor ON city.id = mayor.city", []),
        ("no query", []),
    ],
)
def test_pairs_of_one_query(sql: str, pairs: list[tuple[End, End]]) -> None:
    assert joined_columns(SCHEMA, [sql]) == pairs


def test_a_pair_of_several_queries_comes_once_whichever_side_is_named_first() -> None:
    sqls = [
        "SELECT 1 FROM city JOIN nation ON city.nation = nation.code",
        "SELECT 1 FROM nation JOIN city ON nation.code = city.nation",
    ]
    assert joined_columns(SCHEMA, sqls) == [CITY_NATION]
