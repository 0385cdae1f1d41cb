# /// script
# requires-python = ">=3.11"
# dependencies = ["sense-kit"]
# ///
"""Check every gold of a set: can its result judge an answer, and if not, what shows it?

Hub id:    sense/spider-gold
Sources:   Spider 1.0 as downloaded (`--spider`, CC BY-SA 4.0; Yu et al., EMNLP 2018), or the golds
           of any set (`--questions`): Spider's or BIRD's JSON, or lines of SQL, a tab and a db_id.
Rows:      every distinct question, whatever the status of its gold; for Spider `train` (8,659
           questions, 8 of them repeated) and `test` from dev.json (1,034).
Time:      about a minute on 2 cores for all of Spider.

    python builders/gold.py --spider DIR --out DIR [--push OWNER/NAME]
    python builders/gold.py --questions dev.json --databases DIR --license cc-by-sa-4.0 --out DIR
"""

import argparse
import itertools
import os
import time
from collections import Counter
from pathlib import Path

from sense.card import DatasetText
from sense.command import positive, run_script, with_progress
from sense.database import database_paths
from sense.facts import Facts, Funnel, Input, collect_facts, file_sha256, print_outcome, text_table
from sense.golds.gold_check import check_golds, gold_check_features
from sense.inputs.predictions import Gold, read_golds
from sense.inputs.reading import (
    PUBLISHED_SPLIT,
    SPIDER_FILES,
    SPIDER_LICENSE,
    SPIDER_URL,
    Split,
    read_spider,
)
from sense.publishing.license import check_license
from sense.release import check_output, check_push, push_folder, write_dataset


def main() -> None:
    arguments = parse_arguments()
    check_output(arguments.out)
    license = check_license(arguments.license)
    if arguments.push:
        check_push(arguments.push)
    started = time.monotonic()
    golds = golds_by_split(arguments)
    databases = database_paths(arguments.databases or Path(arguments.spider) / "database")
    funnels = {split: Funnel(split, unit="golds") for split in golds}
    counts: dict[str, Counter[str]] = {split: Counter() for split in golds}
    rows = {
        split: check_golds(
            with_progress(golds[split], split, unit="gold"),
            databases,
            source="spider" if arguments.spider else Path(arguments.questions).stem,
            license=license,
            funnel=funnels[split],
            counts=counts[split],
            num_workers=arguments.num_workers,
        )
        for split in golds
    }

    def facts() -> Facts:
        return collect_facts(
            "builders/gold.py",
            seed=0,  # nothing is drawn by chance
            settings={"split": arguments.split or "all", "limit": arguments.limit},
            inputs=inputs(arguments),
            funnels=funnels.values(),
            counts={f"golds_of_{split}": dict(c.most_common()) for split, c in counts.items()},
            seconds=time.monotonic() - started,
        )

    written = write_dataset(
        arguments.out,
        {"default": rows},
        {"default": gold_check_features()},
        facts,
        dataset_text(arguments),
    )
    commit = push_folder(arguments.out, arguments.push, "dataset") if arguments.push else ""
    print_outcome(arguments.out, written, commit)
    for split, found in counts.items():
        print()
        print(text_table([(f"{split}: status", "golds"), *found.most_common()]))


def golds_by_split(arguments: argparse.Namespace) -> dict[str, list[Gold]]:
    """The golds of each split that is published."""
    if arguments.questions:
        return {"test": read_golds(arguments.questions)[: arguments.limit]}
    splits: tuple[Split, ...] = (arguments.split,) if arguments.split else ("train", "dev")
    return {
        PUBLISHED_SPLIT[split]: [
            Gold(idx, **row)
            for idx, row in enumerate(
                itertools.islice(read_spider(arguments.spider, split), arguments.limit)
            )
        ]
        for split in splits
    }


def inputs(arguments: argparse.Namespace) -> list[Input]:
    """The files of golds that were read."""
    if arguments.questions:
        files = [Path(arguments.questions)]
    else:
        splits = [arguments.split] if arguments.split else SPIDER_FILES
        files = [Path(arguments.spider) / name for split in splits for name in SPIDER_FILES[split]]
    url = SPIDER_URL if arguments.spider else ""
    return [
        Input(path.name, "file", sha256=file_sha256(path), license=arguments.license, url=url)
        for path in files
        if path.is_file()
    ]


def dataset_text(arguments: argparse.Namespace) -> DatasetText:
    name = "Spider" if arguments.spider else Path(arguments.questions).name
    return DatasetText(
        pretty_name=f"The golds of {name}, checked",
        summary=(
            f"Each row is a question of {name} with its gold SQL, and says whether the result of "
            "the gold can judge an answer: whether it runs, is defined and says something. Where "
            "it cannot, `why` and `gold_witness` show the reason, such as two rows that tie at the "
            "cut of a LIMIT."
        ),
        license=arguments.license,
        steps=(
            f"Golds: those of {name}, their texts unchanged; of repeated questions the first is "
            "kept.",
            "Checks: every gold was executed on its database; ties at the cut of a LIMIT and "
            "columns outside GROUP BY were asked of the data by rewritten queries; what may depend "
            "on the order of rows was also run backwards and on a shuffled copy of the database.",
        ),
        faults=(
            "`ok` says that a gold is fit to judge on this database, not that it answers its "
            "question.",
            "A gold whose ties cannot be told (`cannot_be_told`) may be defined all the same.",
            "A result that stays the same in another order proves nothing, so that a gold whose "
            "only fault is one for which there is no probe may be missed.",
        ),
        repo_id=arguments.push or "",
        split_by="db_id" if arguments.spider and not arguments.split else "",
        is_synthetic=False,
    )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--spider", metavar="DIR", help="folder with dev.json and database/")
    source.add_argument("--questions", metavar="FILE", help="golds of any set; needs --databases")
    add = parser.add_argument
    add("--databases", metavar="DIR", help="SQLite files (default: database/ of --spider)")
    add("--split", choices=sorted(SPIDER_FILES), help="of --spider, only this one (default: both)")
    add("--license", help=f"licence of the questions (default of --spider: {SPIDER_LICENSE})")
    add("--limit", type=positive, metavar="N", help="read only the first N rows of each split")
    add("--num-workers", type=int, default=os.cpu_count() or 1, help="processes (default: cores)")
    add("--out", required=True, metavar="DIR", help="folder to write; must not exist")
    add("--push", metavar="OWNER/NAME", help="also publish it on the Hub, in one commit")
    arguments = parser.parse_args()
    if arguments.questions and not arguments.databases:
        parser.error("--questions needs --databases DIR, the SQLite files of their db_ids")
    if arguments.questions and arguments.split:
        parser.error("--split belongs to --spider; a file of --questions is one split")
    arguments.license = arguments.license or (SPIDER_LICENSE if arguments.spider else "unknown")
    return arguments


if __name__ == "__main__":
    run_script(main)
