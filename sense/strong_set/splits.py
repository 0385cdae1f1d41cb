"""Train and test kept apart: by database, or by SQL template where there is one database only."""

import random
from collections import defaultdict
from collections.abc import Hashable, Mapping
from typing import Literal, TypeAlias, TypeVar

from sense.example import content_id
from sense.hardness import sql_template

Split: TypeAlias = Literal["train", "test"]
SPLITS: tuple[Split, ...] = ("train", "test")
Group = TypeVar("Group", bound=Hashable)


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
    order = random.Random(f"split {seed}").sample(sorted(alike), len(alike))
    sizes = {kind: len(alike[kind]) for kind in order}
    kinds = held_out_groups(sizes, num_held_out(len(domains), test_share))
    return set().union(*(alike[kind] for kind in kinds))


def held_out_groups(sizes: Mapping[Group, int], num_test: int) -> set[Group]:
    """Groups held out as a whole, `num_test` members at most, as they come; never all groups.

    The first smallest of several where none has so few; none for `num_test` 0.

    >>> held_out_groups({"a": 9, "b": 3, "c": 4}, num_test=5)
    {'b'}
    >>> held_out_groups({"a": 9, "b": 3, "c": 4}, num_test=2)
    {'b'}
    """
    if not num_test or len(sizes) < 2:
        return set()
    held_out: set[Group] = set()
    num = 0
    for group, size in sizes.items():
        if num + size <= num_test and len(held_out) < len(sizes) - 1:
            held_out.add(group)
            num += size
    return held_out or {min(sizes, key=lambda group: sizes[group])}


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
