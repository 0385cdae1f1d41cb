"""Train and test kept apart: by database, or by SQL template where there is one database only."""

import random
from collections import defaultdict
from collections.abc import Mapping
from typing import Literal, TypeAlias

from sense.example import content_id
from sense.hardness import sql_template

Split: TypeAlias = Literal["train", "test"]
SPLITS: tuple[Split, ...] = ("train", "test")


def held_out_databases(domains: Mapping[str, str], test_share: float, seed: int) -> set[str]:
    """A seeded share of the databases, at least one and never all; none for a share of 0.

    domains: `db_id` -> domain, "" where none is known. Whole domains are held out, at most the
    share unless even the smallest has more; none of databases that all have one domain.

    >>> held_out_databases({"a": "", "b": "zoo", "c": "zoo", "d": "zoo"}, test_share=0.5, seed=0)
    {'a'}
    """
    alike: dict[tuple[str, str], set[str]] = defaultdict(set)
    for db_id, domain in domains.items():
        alike[domain, "" if domain else db_id].add(db_id)
    num_test = num_held_out(len(domains), test_share)
    held_out: set[str] = set()
    for kind in random.Random(f"split {seed}").sample(sorted(alike), len(alike)):
        if len(held_out) + len(alike[kind]) <= num_test:
            held_out |= alike[kind]
    if num_test and not held_out and len(alike) > 1:
        return min(alike.values(), key=lambda db_ids: (len(db_ids), sorted(db_ids)))
    return held_out


def num_held_out(num: int, test_share: float) -> int:
    """How many of `num` databases are for testing: at least one and never all; 0 for a share of 0.

    >>> num_held_out(6, 0.05)
    1
    """
    return min(max(1, round(test_share * num)), num - 1) if test_share and num > 1 else 0


def split_by_template(sql: str, test_share: float) -> Split:
    """The split of a query over a single database: queries that differ in literals share it."""
    lot = int(content_id(sql_template(sql))[:8], 16) / 16**8
    return "test" if lot < test_share else "train"
