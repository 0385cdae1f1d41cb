"""Equal spellings are the same query for SQLite; what only looks alike is kept apart."""

import sqlite3

import pytest

from sense.sqlite.spelling import one_spelling


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("SELECT  Name FROM City", "select name\n\tfrom CITY ;"),
        ("SELECT count (*) FROM t WHERE a>=1", "select COUNT( * ) from t where a >= 1;;"),
        ("SELECT a FROM t WHERE b IN ('x','Y')", "select a from t where b in ( 'x' , 'Y' )"),
        ("SELECT T1.a FROM t AS T1", "select t1 . a from t as t1"),
        ("SELECT 1.5e3, x'AB'", "select 1.5E3 , x'AB'"),
    ],
)
def test_case_and_space_between_tokens_do_not_count(first: str, second: str) -> None:
    assert one_spelling(first) == one_spelling(second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("SELECT 'USA'", "SELECT 'usa'"),
        ("SELECT 'a  b'", "SELECT 'a b'"),
        ('SELECT "a  b"', 'SELECT "a b"'),
        ("SELECT `a  b`", "SELECT `a b`"),
        ("SELECT [a  b]", "SELECT [a b]"),
        ("SELECT 1 > = 0", "SELECT 1 >= 0"),
        ("SELECT 1 < > 0", "SELECT 1 <> 0"),
        ("SELECT 1 < < 0", "SELECT 1 << 0"),
        ("SELECT 1 = = 0", "SELECT 1 == 0"),
        ("SELECT 'a' | | 'b'", "SELECT 'a' || 'b'"),
        ("SELECT 1.5", "SELECT 1 . 5"),
        ("SELECT .5", "SELECT . 5"),
        ("SELECT 1e5", "SELECT 1 e5"),
        ("SELECT 1.5e-3", "SELECT 1.5e - 3"),
        ("SELECT x'ab'", "SELECT x 'ab'"),
        ("SELECT 1 --1", "SELECT 1 - -1"),
        ("SELECT /* a */ 1", "SELECT / * a * / 1"),
        ("SELECT 'it''s'", "SELECT 'it' 's'"),
        ("SELECT a\u00a0FROM t", "SELECT a FROM t"),
        ("SELECT a\x0bFROM t", "SELECT a FROM t"),
        ("SELECT \u212a", "SELECT k"),
        ("SELECT :a", "SELECT : a"),
        ("SELECT 0x1F", "SELECT 0 x1F"),
        ("SELECT '{}' -> '$'", "SELECT '{}' - > '$'"),
    ],
)
def test_what_sqlite_reads_in_another_way_is_kept_apart(first: str, second: str) -> None:
    assert one_spelling(first) != one_spelling(second)


def test_spelling_gives_the_same_rows_and_is_its_own_spelling() -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t AS SELECT 'Ab' AS a, 1.50 AS b")
    for sql in (
        "SELECT A||'X',b*-1.5E+2 FROM T WHERE b<>2 AND a LIKE'a%' ;",
        "Select b>>1,b<<1,b==1.5,b!=1,x'ab',\"A\",[b],`a`,a.b From t As A",
        "SELECT CASE WHEN b>=.5 THEN'it''s'ELSE-1 END FROM t;",
    ):
        spelling = one_spelling(sql)
        assert connection.execute(spelling).fetchall() == connection.execute(sql).fetchall()
        assert one_spelling(spelling) == spelling
