"""A set that people wrote, such as Spider or BIRD, released in the contract of the strong set.

What every such builder does: golds executed and labelled, databases beside them, reasons counted.
"""

import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sense.card import DatasetText
from sense.command import with_progress
from sense.database import database_sha256
from sense.example import Example, database_features, example_features, to_row
from sense.facts import Facts, Funnel, Input, collect_facts, file_sha256
from sense.inputs.human import OfficialScore, human_examples
from sense.inputs.reading import PUBLISHED_SPLIT, Split
from sense.prompt import PromptContract
from sense.release import write_dataset
from sense.strong_set.collection import Database, database_files, database_rows, unpublished

QUOTES_STEP = (
    "Quotes: SQLite reads a name in double quotes as a string where no column has that name, other "
    "engines do not; such strings got single quotes where the query returns the same rows in the "
    "same order and wins against itself as before."
)
CHECKS_STEP = (
    "Checks: every query was executed; rows that do not run, lose to themselves by {rule}, lack "
    "their database or repeat an earlier row were dropped; a result that cannot judge an answer is "
    "named in `gold_status`."
)
LABELS_STEP = "Labels: hardness is Spider's, measured on the syntax tree of the query."


class HumanSet(NamedTuple):
    """Questions with golds as their files have them, and the databases that they are about."""

    name: str
    """In small letters; the `source` of a row is this and its split: `spider-train`."""
    license: str
    rows: Mapping[Split, Sequence[Mapping[str, str]]]
    """As the readers of `sense.inputs.reading` give them."""
    databases: Mapping[str, Path]
    inputs: Sequence[Input]
    official_score: OfficialScore

    @property
    def used_databases(self) -> list[Database]:
        """Those of the rows, sorted; rows whose database is missing are dropped later."""
        used = {row["db_id"] for rows in self.rows.values() for row in rows}
        return [
            Database(db_id, str(path), domain="", license=self.license, split="")
            for db_id, path in sorted(self.databases.items())
            if db_id in used
        ]


def write_human_set(
    human: HumanSet,
    text: DatasetText,
    *,
    out: str,
    script: str,
    settings: Mapping[str, Any],
    contract: PromptContract,
    num_workers: int,
    left_out: Mapping[Split, Mapping[str, int]] | None = None,
    counts: Mapping[str, Mapping[str, int]] | None = None,
    has_databases: bool = True,
) -> Facts:
    """Writes the folder of the set; returns its facts.

    left_out: rows that the builder did not take, by split and reason; counts: more tables for the
    card; has_databases: whether the databases are published too.
    """
    started = time.monotonic()
    funnels = {split: Funnel(f"{human.name}-{split}", unit="questions") for split in human.rows}
    for split, reasons in (left_out or {}).items():
        for reason, num in reasons.items():
            funnels[split].drop(reason, num)
    quotes: Counter[str] = Counter()

    def examples(split: Split) -> Iterator[Example]:
        return human_examples(
            with_progress(human.rows[split], f"{human.name}-{split}", unit="row"),
            human.databases,
            source=f"{human.name}-{split}",
            license=human.license,
            contract=contract,
            official_score=human.official_score,
            funnel=funnels[split],
            quotes=quotes,
            num_workers=num_workers,
        )

    def facts() -> Facts:
        return collect_facts(
            script,
            seed=0,  # nothing is drawn by chance
            settings={**settings, "prompt_hash": contract.hash},
            inputs=human.inputs,
            funnels=funnels.values(),
            counts={
                "strings_in_double_quotes": dict(sorted(quotes.items())),
                **({"databases_not_published": left} if (left := unpublished(databases)) else {}),
                **(counts or {}),
            },
            seconds=time.monotonic() - started,
        )

    databases = human.used_databases if has_databases else []
    tables: dict[str, dict[str, Any]] = {
        "default": {PUBLISHED_SPLIT[split]: map(to_row, examples(split)) for split in human.rows}
    }
    if has_databases:
        digests = {database.db_id: database_sha256(database.path) for database in databases}
        tables["databases"] = {"train": database_rows(databases, digests, human.name)}
    features = {"default": example_features(), "databases": database_features()}
    return write_dataset(
        out,
        tables,
        {config: features[config] for config in tables},
        facts,
        text,
        database_files(databases),
    )


def question_inputs(paths: Collection[Path], license: str, url: str) -> list[Input]:
    """The question files that were read, as facts name them."""
    return [
        Input(path.name, kind="file", sha256=file_sha256(path), license=license, url=url)
        for path in paths
        if path.is_file()
    ]
