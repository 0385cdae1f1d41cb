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
from pathlib import Path

from sense.card import DatasetText
from sense.command import positive, run_script
from sense.database import database_paths
from sense.facts import print_outcome
from sense.inputs.human_set import (
    CHECKS_STEP,
    LABELS_STEP,
    QUOTES_STEP,
    HumanSet,
    question_inputs,
    write_human_set,
)
from sense.inputs.reading import SPIDER_FILES, SPIDER_LICENSE, SPIDER_URL, Split, read_spider
from sense.official import spider_score
from sense.prompt import CONTRACTS
from sense.publishing.card_tables import numbered
from sense.release import check_output, check_push, push_folder


def main() -> None:
    arguments = parse_arguments()
    check_output(arguments.out)
    if arguments.push:
        check_push(arguments.push)
    folder = Path(arguments.spider)
    splits: tuple[Split, ...] = (arguments.split,) if arguments.split else ("train", "dev")
    files = [folder / name for split in splits for name in SPIDER_FILES[split]]
    spider = HumanSet(
        name="spider",
        license=SPIDER_LICENSE,
        rows={s: list(itertools.islice(read_spider(folder, s), arguments.limit)) for s in splits},
        databases=database_paths(folder / "database"),
        inputs=question_inputs(files, SPIDER_LICENSE, SPIDER_URL),
        official_score=spider_score,
    )
    written = write_human_set(
        spider,
        dataset_text(arguments, len(spider.used_databases)),
        out=arguments.out,
        script="builders/spider.py",
        settings={
            "split": arguments.split or "all",
            "limit": arguments.limit,
            "contract": arguments.contract,
        },
        contract=CONTRACTS[arguments.contract],
        num_workers=arguments.num_workers,
    )
    commit = push_folder(arguments.out, arguments.push, "dataset") if arguments.push else ""
    print_outcome(arguments.out, written, commit)


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
            f"Questions, SQL and {numbered(num_databases, 'database')}: Spider 1.0 by Yu et "
            f"al. (EMNLP 2018), {SPIDER_URL}; texts are unchanged but for white space "
            "around them, a closing semicolon and the quotes of strings.",
            QUOTES_STEP,
            CHECKS_STEP.format(rule="Spider's execution match"),
            LABELS_STEP,
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
