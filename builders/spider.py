# /// script
# requires-python = ">=3.11"
# dependencies = ["sense-kit"]
# ///
"""Bring Spider into the contract of the strong set: every gold executed, every row labelled.

Hub id:    sense/spider
Source:    Spider 1.0, release of 2020-08-03 (CC BY-SA 4.0; Yu et al., EMNLP 2018), as downloaded
           from https://yale-lily.github.io/spider and unpacked.
Rows:      `train` from train_spider.json and train_others.json (8,659 questions), `test` from
           dev.json (1,034), less what does not run or repeats an earlier row.
Time:      about a minute on 2 cores.

    python builders/spider.py --spider DIR --out DIR [--push OWNER/NAME]
"""

import argparse
import itertools
import os
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from sense.card import DatasetText
from sense.collection import Database, database_files, database_rows
from sense.command import positive, run_script, with_progress
from sense.database import database_paths, database_sha256
from sense.example import database_features, example_features, to_row
from sense.facts import Facts, Funnel, Input, collect_facts, file_sha256, print_outcome
from sense.human import human_examples
from sense.official import spider_score
from sense.prompt import CONTRACTS
from sense.reading import (
    PUBLISHED_SPLIT,
    SPIDER_FILES,
    SPIDER_LICENSE,
    SPIDER_URL,
    Split,
    read_spider,
)
from sense.release import check_output, check_push, push_folder, write_dataset


def main() -> None:
    arguments = parse_arguments()
    check_output(arguments.out)
    if arguments.push:
        check_push(arguments.push)
    started = time.monotonic()
    contract = CONTRACTS[arguments.contract]
    splits: tuple[Split, ...] = (arguments.split,) if arguments.split else ("train", "dev")
    rows = {
        split: list(itertools.islice(read_spider(arguments.spider, split), arguments.limit))
        for split in splits
    }
    paths = database_paths(Path(arguments.spider) / "database")
    funnels = {split: Funnel(f"spider-{split}", unit="questions") for split in splits}
    quotes: Counter[str] = Counter()
    examples = {
        split: human_examples(
            with_progress(rows[split], f"spider-{split}", unit="row"),
            paths,
            source=f"spider-{split}",
            license=SPIDER_LICENSE,
            contract=contract,
            official_score=spider_score,
            funnel=funnels[split],
            quotes=quotes,
            num_workers=arguments.num_workers,
        )
        for split in splits
    }
    used = {row["db_id"] for split in splits for row in rows[split]}
    databases = [
        Database(db_id, str(path), domain="", license=SPIDER_LICENSE, split="")
        for db_id, path in paths.items()
        if db_id in used
    ]
    digests = {database.db_id: database_sha256(database.path) for database in databases}

    def facts() -> Facts:
        return collect_facts(
            "builders/spider.py",
            seed=0,  # nothing is drawn by chance
            settings={
                "split": arguments.split or "all",
                "limit": arguments.limit,
                "contract": arguments.contract,
                "prompt_hash": contract.hash,
            },
            inputs=spider_inputs(arguments.spider, splits),
            funnels=funnels.values(),
            counts={"strings_in_double_quotes": dict(sorted(quotes.items()))},
            seconds=time.monotonic() - started,
        )

    written = write_dataset(
        arguments.out,
        {
            "default": {PUBLISHED_SPLIT[s]: map(to_row, examples[s]) for s in splits},
            "databases": {"train": database_rows(databases, digests, "spider")},
        },
        {"default": example_features(), "databases": database_features()},
        facts,
        dataset_text(arguments, len(databases)),
        database_files(databases),
    )
    commit = push_folder(arguments.out, arguments.push, "dataset") if arguments.push else ""
    print_outcome(arguments.out, written, commit)


def spider_inputs(folder: str, splits: Sequence[Split]) -> list[Input]:
    """The question files that were read."""
    paths = [Path(folder) / name for split in splits for name in SPIDER_FILES[split]]
    return [
        Input(
            path.name, kind="file", sha256=file_sha256(path), license=SPIDER_LICENSE, url=SPIDER_URL
        )
        for path in paths
        if path.is_file()
    ]


def dataset_text(arguments: argparse.Namespace, num_databases: int) -> DatasetText:
    return DatasetText(
        pretty_name="Spider in the SENSE contract",
        summary=(
            "Spider's questions and SQL, written by people, with a prompt, a completion, the "
            "hardness of each query and whether its result can judge an answer. The databases come "
            "with it, so that every row can be executed."
        ),
        license=SPIDER_LICENSE,
        steps=(
            f"Questions, SQL and {num_databases:,} databases: Spider 1.0 by Yu et al. (EMNLP "
            f"2018), {SPIDER_URL}; texts are unchanged but for white space around them, a closing "
            "semicolon and the quotes of strings.",
            "Quotes: SQLite reads a name in double quotes as a string where no column has that "
            "name, other engines do not; such strings got single quotes where the query returns "
            "the same rows in the same order and wins against itself as before.",
            "Checks: every query was executed; rows that do not run, lose to themselves by "
            "Spider's execution match, lack their database or repeat an earlier row were dropped; "
            "a result that cannot judge an answer is named in "
            "`gold_status`.",
            "Labels: hardness is Spider's, measured on the syntax tree of the query.",
        ),
        faults=(
            "Spider's own faults are kept: SQL that does not answer its question, and databases "
            "without rows, over which most results are empty.",
            "The questions stay close to the words of the schema.",
        ),
        repo_id=arguments.push or "",
        split_by="" if arguments.split else "db_id",
        is_synthetic=False,
    )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--spider", required=True, metavar="DIR", help="folder with dev.json and database/")
    add("--split", choices=sorted(SPIDER_FILES), help="only this one (default: both)")
    add("--limit", type=positive, metavar="N", help="read only the first N rows of each split")
    add("--contract", choices=sorted(CONTRACTS), default="default", help="prompt contract")
    add("--num-workers", type=int, default=os.cpu_count() or 1, help="processes (default: cores)")
    add("--out", required=True, metavar="DIR", help="folder to write; must not exist")
    add("--push", metavar="OWNER/NAME", help="also publish it on the Hub, in one commit")
    return parser.parse_args()


if __name__ == "__main__":
    run_script(main)
