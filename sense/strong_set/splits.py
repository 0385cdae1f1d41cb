"""Train and test kept apart: by database, or by SQL template where there is one database only."""

import random
from collections.abc import Collection
from typing import Literal, TypeAlias

from sense.example import content_id
from sense.hardness import sql_template

Split: TypeAlias = Literal["train", "test"]
SPLITS: tuple[Split, ...] = ("train", "test")


def held_out_databases(db_ids: Collection[str], test_share: float, seed: int) -> set[str]:
    """A seeded share of the databases, at least one and never all; none for a share of 0.

    >>> held_out_databases(["a", "b", "c", "d"], test_share=0.5, seed=0) < {"a", "b", "c", "d"}
    True
    """
    num_test = num_held_out(len(db_ids), test_share)
    return set(random.Random(f"split {seed}").sample(sorted(db_ids), num_test))


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
