"""Train and test share no database, or no SQL template."""

import pytest

from sense.strong_set.splits import held_out_databases, split_by_template

DB_IDS = [f"db{i}" for i in range(20)]


@pytest.mark.parametrize(
    ("num", "share", "held_out"),
    [(20, 0.1, 2), (20, 0.001, 1), (20, 0.999, 19), (20, 0.0, 0), (1, 0.5, 0), (0, 0.5, 0)],
)
def test_at_least_one_database_is_held_out_and_never_all(
    num: int, share: float, held_out: int
) -> None:
    assert len(held_out_databases(DB_IDS[:num], share, seed=0)) == held_out


def test_choice_depends_on_the_seed_and_not_on_the_order() -> None:
    first = held_out_databases(DB_IDS, 0.3, seed=1)
    assert first == held_out_databases(DB_IDS[::-1], 0.3, seed=1)
    assert first != held_out_databases(DB_IDS, 0.3, seed=2)


def test_queries_that_differ_in_literals_share_their_split() -> None:
    for column in ("a", "b", "c", "d", "e", "f"):
        queries = [f"SELECT {column} FROM t WHERE x = {value}" for value in ("1", "'two'", "3.5")]
        assert len({split_by_template(sql, 0.5) for sql in queries}) == 1


def test_templates_fall_on_both_sides_about_as_asked() -> None:
    splits = [split_by_template(f"SELECT c{i} FROM t", 0.25) for i in range(400)]
    assert 70 <= splits.count("test") <= 130
    assert {split_by_template(f"SELECT c{i} FROM t", 0.0) for i in range(20)} == {"train"}
