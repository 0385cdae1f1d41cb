# /// script
# requires-python = ">=3.11"
# dependencies = ["sense-kit"]
# ///
"""Build the strong set: questions with SQL over many databases, every query executed.

Hub id:    sense/strong
Sources:   your SQLite files (`--databases`), or databases invented from the kit's own catalogue
           (`--invent`, Apache-2.0), with the grammar as teacher; or databases, questions and SQL
           from a strong model behind any OpenAI-compatible server (`--teacher openai`).
Time:      about 200 examples a second on 2 cores with the grammar.

    python builders/strong.py --teacher grammar --databases DIR --num-examples 20000 --out DIR
    python builders/strong.py --teacher grammar --invent 300 --num-examples 30000 --out DIR
"""

import argparse
import os
import time
from pathlib import Path
from typing import Any

from sense.card import DatasetText
from sense.command import run_script
from sense.database import database_paths
from sense.example import HARDNESS_LEVELS, database_features, example_features
from sense.facts import Input, collect_facts, print_outcome
from sense.journal import Journal
from sense.prompt import CONTRACTS
from sense.release import check_output, check_push, push_folder, work_folder, write_dataset
from sense.splits import SPLITS, Split
from sense.strong import (
    Database,
    StrongSet,
    database_files,
    database_rows,
    given_databases,
    invented_databases,
    make_examples,
)


def main() -> None:
    arguments = parse_arguments()
    check_output(arguments.out)
    if arguments.push:
        check_push(arguments.push)
    build_with_grammar(arguments)


def build_with_grammar(arguments: argparse.Namespace) -> None:
    """Examples over given or invented databases, sampled and worded by the grammar."""
    started = time.monotonic()
    settings = run_settings(arguments)
    totals: dict[Split, int] = {
        "train": arguments.num_examples - arguments.num_test,
        "test": arguments.num_test,
    }
    levels = dict(zip(HARDNESS_LEVELS, arguments.levels, strict=True))
    work = work_folder(arguments.out)
    with Journal(work / "journal.jsonl", settings) as journal:
        databases = find_or_invent(arguments, work / "databases")
        strong = StrongSet(totals, levels, journal)
        contract = CONTRACTS[arguments.contract]
        make_examples(strong, databases, contract, arguments.seed, arguments.num_workers)
        seconds = time.monotonic() - started
        facts = collect_facts(
            "builders/strong.py",
            seed=arguments.seed,
            settings=settings,
            inputs=[Input(source_name(arguments), kind="databases", license=databases[0].license)],
            funnels=[strong.funnel],
            counts={
                f"missing_{split}": {
                    level: num for level, num in strong.missing[split].items() if num
                }
                for split in SPLITS
            },
            seconds=seconds,
        )
        facts = write_dataset(
            arguments.out,
            {
                "default": {split: strong.rows(split) for split in SPLITS},
                "databases": {"train": database_rows(databases, "grammar")},
            },
            {"default": example_features(), "databases": database_features()},
            facts,
            dataset_text(arguments, databases),
            database_files(databases),
        )
    commit = push_folder(arguments.out, arguments.push, "dataset") if arguments.push else ""
    print_outcome(arguments.out, facts, commit)
    num_kept = sum(len(kept) for kept in strong.kept.values())
    print(f"{num_kept / seconds:,.0f} examples per second over {len(databases):,} databases")


def find_or_invent(arguments: argparse.Namespace, folder: Path) -> list[Database]:
    """The databases of the run; invented ones are built in `folder`."""
    test_share = arguments.num_test / arguments.num_examples
    if arguments.databases:
        paths = database_paths(arguments.databases)
        return given_databases(paths, arguments.license, test_share, arguments.seed)
    folder.mkdir(exist_ok=True)
    return invented_databases(
        arguments.invent,
        test_share,
        arguments.seed,
        arguments.invented_names,
        folder,
        arguments.num_workers,
    )


def source_name(arguments: argparse.Namespace) -> str:
    return Path(arguments.databases).name if arguments.databases else "sense/domains.yaml"


def run_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """The arguments that decide the rows."""
    left_out = ("out", "push", "num_workers", "databases")
    settings = {name: value for name, value in vars(arguments).items() if name not in left_out}
    return {**settings, "prompt_hash": CONTRACTS[arguments.contract].hash}


def dataset_text(arguments: argparse.Namespace, databases: list[Database]) -> DatasetText:
    license = databases[0].license
    where = "invented databases" if arguments.invent else "given databases"
    return DatasetText(
        pretty_name="SENSE strong data",
        summary=(
            "Questions with SQL over SQLite databases, for supervised fine-tuning of text-to-SQL "
            "models. Every query was executed on its database and returned a result that says "
            "something."
        ),
        license=license,
        steps=(
            f"Databases: {len(databases):,} {where}; tables without rows were filled with rows "
            "that obey the declared constraints.",
            "SQL: sampled from the schema and the data at a requested hardness, which was then "
            "measured on the query.",
            "Questions: worded from the same meaning as the SQL, in several styles.",
            "Checks: each query runs, gives a result that is neither empty nor trivial, and is "
            "defined: no tie at a cut, no bare column in a group.",
        ),
        faults=(
            "The questions are regular: a person asks with more variety.",
            "The SQL stays within the grammar's patterns.",
        ),
        repo_id=arguments.push or "",
        split_by="sql_template" if len(databases) == 1 else "db_id",
    )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--teacher", choices=["grammar"], default="grammar")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--databases", metavar="DIR", help="folder of SQLite files")
    source.add_argument("--invent", metavar="N", type=int, help="number of databases to invent")
    add(
        "--invented-names",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="share of the training schemas' words that become made-up words (default 0)",
    )
    add("--num-examples", type=int, required=True, help="examples in all, the test split included")
    add("--num-test", type=int, help="examples of the test split (default: 5 %%)")
    add(
        "--levels",
        type=share_list,
        default="1,1,1,1",
        metavar="E,M,H,X",
        help="shares of easy, medium, hard and extra (default: equal)",
    )
    add("--contract", choices=sorted(CONTRACTS), default="default", help="prompt contract")
    add("--license", default="unknown", help="licence of the given databases, as the Hub spells it")
    add("--seed", type=int, default=0)
    add("--num-workers", type=int, default=os.cpu_count() or 1, help="processes (default: cores)")
    add("--out", required=True, metavar="DIR", help="folder to write; must not exist")
    add("--push", metavar="OWNER/NAME", help="also publish it on the Hub, in one commit")
    arguments = parser.parse_args()
    if arguments.num_test is None:
        arguments.num_test = arguments.num_examples // 20
    if not 0 <= arguments.num_test < arguments.num_examples:
        parser.error(
            f"--num-test {arguments.num_test} must be below --num-examples {arguments.num_examples}"
        )
    return arguments


def share_list(text: str) -> list[float]:
    shares = [float(part) for part in text.split(",")]
    if len(shares) != len(HARDNESS_LEVELS) or min(shares) < 0 or not sum(shares):
        raise argparse.ArgumentTypeError(f"{text!r}; expected four shares such as 1,1,1,1")
    return shares


if __name__ == "__main__":
    run_script(main)
