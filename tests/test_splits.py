"""Train and test share no database, or no SQL template."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sense.strong_set.splits import held_out_databases, split_by_template

DB_IDS = [f"db{i}" for i in range(20)]
ALONE = dict.fromkeys(DB_IDS, "")


@pytest.mark.parametrize(
    ("num", "share", "held_out"),
    [(20, 0.1, 2), (20, 0.001, 1), (20, 0.999, 19), (20, 0.0, 0), (1, 0.5, 0), (0, 0.5, 0)],
)
def test_at_least_one_database_is_held_out_and_never_all(
    num: int, share: float, held_out: int
) -> None:
    alone = dict.fromkeys(DB_IDS[:num], "")
    assert len(held_out_databases(alone, share, seed=0)) == held_out


def test_choice_depends_on_the_seed_and_not_on_the_order() -> None:
    first = held_out_databases(ALONE, 0.3, seed=1)
    assert first == held_out_databases(dict.fromkeys(DB_IDS[::-1], ""), 0.3, seed=1)
    assert first != held_out_databases(ALONE, 0.3, seed=2)


@given(st.lists(st.sampled_from(["", "zoo", "bank", "db1"]), max_size=20), st.floats(0, 1))
@settings(deadline=None)
def test_a_domain_is_held_out_as_a_whole(named: list[str], share: float) -> None:
    domains = dict(zip(DB_IDS, named, strict=False))
    held_out = held_out_databases(domains, share, seed=0)
    left = domains.keys() - held_out
    assert {domains[db_id] for db_id in held_out} & {domains[db_id] for db_id in left} <= {""}
    assert left or not domains
    alike = {(domain, "" if domain else db_id) for db_id, domain in domains.items()}
    assert bool(held_out) == (share > 0 and len(alike) > 1)


def test_no_more_is_held_out_than_the_share_unless_the_smallest_domain_is_larger() -> None:
    domains = {db_id: f"domain {i % 4}" for i, db_id in enumerate(DB_IDS)}
    sizes = [len(held_out_databases(domains, share, seed=0)) for share in (0.1, 0.3, 0.6, 0.99)]
    assert sizes == [5, 5, 10, 15]


def test_queries_that_differ_in_literals_share_their_split() -> None:
    for column in ("a", "b", "c", "d", "e", "f"):
        queries = [f"SELECT {column} FROM t WHERE x = {value}" for value in ("1", "'two'", "3.5")]
        assert len({split_by_template(sql, 0.5) for sql in queries}) == 1


def test_templates_fall_on_both_sides_about_as_asked() -> None:
    splits = [split_by_template(f"SELECT c{i} FROM t", 0.25) for i in range(400)]
    assert 70 <= splits.count("test") <= 130
    assert {split_by_template(f"SELECT c{i} FROM t", 0.0) for i in range(20)} == {"train"}
