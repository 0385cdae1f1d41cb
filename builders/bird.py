# /// script
# requires-python = ">=3.11"
# dependencies = ["sense-kit"]
# ///
"""Bring BIRD, or another set of the same form, into the contract of the strong set.

Hub id:    sense/bird
Source:    BIRD (CC BY-SA 4.0; Li et al., NeurIPS 2023), train and dev as downloaded from
           https://bird-bench.github.io and unpacked into one folder: train.json beside
           train_databases/, dev.json beside dev_databases/.
Rows:      `train` from train.json (9,428 questions), `test` from dev.json (1,534), less what does
           not run or repeats an earlier row; or those that --ids lists, such as the rows that a
           cleaned version of the set keeps.
Time:      golds have 30 s each, and BIRD's train databases hold 33 GB: hours on 2 cores.

    python builders/bird.py --bird DIR --split train --without-databases --out DIR
    python builders/bird.py --bird DIR --ids kept.json --out DIR [--push OWNER/NAME]
    python builders/bird.py --questions FILE.json --databases DIR --name spider-dk --license mit \\
        --split dev --out DIR

A file whose rows call their SQL `query`, as Spider's do, is checked by Spider's execution match,
one that calls it `SQL` by BIRD's. BIRD's difficulty is counted and not mapped onto hardness, which
is Spider's and measured.
"""

import argparse
import json
import os
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from sense.card import DatasetText
from sense.command import positive, run_script
from sense.database import database_paths
from sense.facts import Input, file_sha256, print_outcome
from sense.inputs.human_set import (
    CHECKS_STEP,
    LABELS_STEP,
    QUOTES_STEP,
    HumanSet,
    question_inputs,
    write_human_set,
)
from sense.inputs.reading import (
    BIRD_FILES,
    Split,
    question_ids,
    read_questions,
    read_text,
    sql_key_of,
)
from sense.official import bird_score, spider_score
from sense.prompt import CONTRACTS
from sense.publishing.card_tables import numbered
from sense.publishing.license import check_license
from sense.release import check_output, check_push, push_folder
from sense.shown import counted, shortened

BIRD_LICENSE = "cc-by-sa-4.0"
BIRD_URL = "https://bird-bench.github.io"


class Source(NamedTuple):
    """One split as it lies on the disk."""

    questions: Path
    databases: Path


def main() -> None:
    arguments = parse_arguments()
    check_output(arguments.out)
    check_license(arguments.license)
    if arguments.push:
        check_push(arguments.push)
    sources = find_sources(arguments)
    human, left_out, difficulty = read_set(arguments, sources)
    written = write_human_set(
        human,
        dataset_text(arguments, human),
        out=arguments.out,
        script="builders/bird.py",
        settings={
            "splits": sorted(sources),
            "limit": arguments.limit,
            "contract": arguments.contract,
            "with_databases": not arguments.without_databases,
        },
        contract=CONTRACTS[arguments.contract],
        num_workers=arguments.num_workers,
        left_out=left_out,
        counts={"difficulty": dict(sorted(difficulty.items()))},
        has_databases=not arguments.without_databases,
    )
    commit = push_folder(arguments.out, arguments.push, "dataset") if arguments.push else ""
    print_outcome(arguments.out, written, commit)


def find_sources(arguments: argparse.Namespace) -> dict[Split, Source]:
    """The splits to read: the one asked for, else all whose questions the folder has."""
    if arguments.questions:
        return {arguments.split or "train": Source(arguments.questions, arguments.databases)}
    folder: Path = arguments.bird
    splits: list[Split] = [arguments.split] if arguments.split else ["train", "dev"]
    found = [s for s in splits if (folder / BIRD_FILES[s]).is_file()] or splits[-1:]
    return {s: Source(folder / BIRD_FILES[s], folder / f"{s}_databases") for s in found}


def read_set(
    arguments: argparse.Namespace, sources: dict[Split, Source]
) -> tuple[HumanSet, dict[Split, dict[str, int]], Counter[str]]:
    """The rows that are wanted; how many were left out, and the difficulty of those taken."""
    wanted = read_ids(arguments.ids) if arguments.ids else None
    names = {split: question_ids(source.questions) for split, source in sources.items()}
    if wanted is not None:
        check_ids(wanted, names, arguments.ids)
    rows, left_out, sql_keys = {}, {}, set()
    for split, (questions, _) in sources.items():
        sql_keys.add(sql_key := sql_key_of(questions))
        read = list(read_questions(questions, sql_key))[: arguments.limit]
        kept = [
            row
            for name, row in zip(names[split], read, strict=False)
            if wanted is None or name in wanted
        ]
        rows[split] = kept
        left_out[split] = {"not_in_ids": len(read) - len(kept)} if wanted is not None else {}
    human = HumanSet(
        name=arguments.name,
        license=arguments.license,
        rows=rows,
        databases={
            db_id: path
            for source in sources.values()
            for db_id, path in database_paths(source.databases).items()
        },
        inputs=set_inputs(arguments, sources),
        official_score=spider_score if sql_keys == {"query"} else bird_score,
    )
    difficulty = Counter(r["difficulty"] for kept in rows.values() for r in kept if r["difficulty"])
    return human, left_out, difficulty


def read_ids(path: Path) -> set[str]:
    """The ids of a JSON array, or of a text with one on each line."""
    text = read_text(path)
    if not text.lstrip().startswith("["):
        return {line.strip() for line in text.splitlines() if line.strip()}
    try:
        return {str(name) for name in json.loads(text)}
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{path} starts like a JSON array and is none: {error}; expected one, such as [3, 17], "
            "or one id on each line"
        ) from error


def check_ids(wanted: set[str], names: dict[Split, list[str]], path: Path) -> None:
    """Every id must name a row, and in one split only."""
    known = Counter(name for split in names.values() for name in split)
    if unknown := sorted(wanted - known.keys()):
        raise ValueError(
            f"{path} lists {counted(len(unknown), 'id')} that no question has, such as "
            f"'{shortened(unknown[0])}'; expected `question_id` where the file has it, else the "
            "number of the row from 0"
        )
    if len(names) > 1 and (several := sorted(name for name in wanted if known[name] > 1)):
        raise ValueError(
            f"{path} lists '{shortened(several[0])}', which train and dev both have; choose one "
            "of them with --split"
        )


def set_inputs(arguments: argparse.Namespace, sources: dict[Split, Source]) -> list[Input]:
    files = [source.questions for source in sources.values()]
    inputs = question_inputs(files, arguments.license, arguments.url)
    if arguments.ids:
        digest = file_sha256(arguments.ids)
        inputs.append(Input(arguments.ids.name, kind="list of ids", sha256=digest))
    return inputs


def dataset_text(arguments: argparse.Namespace, human: HumanSet) -> DatasetText:
    title = "BIRD" if arguments.name == "bird" else arguments.name
    origin = f", {arguments.url}" if arguments.url else ""
    is_bird = human.official_score is bird_score
    rule = "BIRD's execution accuracy" if is_bird else "Spider's execution match"
    return DatasetText(
        pretty_name=f"{title} in the SENSE contract",
        summary=(
            f"{title}'s questions and SQL, written by people, with a prompt, a completion, the "
            "hardness of each query and whether its result can judge an answer. Evidence is kept "
            "as the set gives it."
        ),
        license=arguments.license,
        steps=(
            f"Questions, evidence, SQL and {numbered(len(human.used_databases), 'database')}: "
            f"{title}{origin}; texts are unchanged but for white space around them, a closing "
            "semicolon and the quotes of strings.",
            *(("Rows: only those that the given list of ids names.",) if arguments.ids else ()),
            QUOTES_STEP,
            CHECKS_STEP.format(rule=rule),
            f"{LABELS_STEP} The set's own difficulty is another scale and was not mapped onto it.",
        ),
        faults=(
            "The set's own faults are kept: SQL that does not answer its question, and evidence "
            "that misleads.",
            *(
                ("The databases are not part of this set; download them from its source.",)
                if arguments.without_databases
                else ()
            ),
        ),
        repo_id=arguments.push or "",
        split_by="db_id" if len(human.rows) > 1 else "",
        is_synthetic=False,
    )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--bird", type=Path, metavar="DIR", help="folder with train.json and dev.json, or one")
    add("--questions", type=Path, metavar="FILE", help="any file in the form of BIRD or Spider")
    add("--databases", type=Path, metavar="DIR", help="the databases of --questions")
    add("--name", help="of the set, in small letters; part of `source` (default bird with --bird)")
    add("--license", help=f"of the set (default {BIRD_LICENSE} with --bird)")
    add("--url", default="", help=f"where the set comes from (default {BIRD_URL} with --bird)")
    add(
        "--split",
        choices=sorted(BIRD_FILES),
        help="only this one (default: both); dev is published as test; of --questions: train",
    )
    add("--ids", type=Path, metavar="FILE", help="keep only these rows: ids as JSON or on lines")
    add("--limit", type=positive, metavar="N", help="read only the first N rows of each split")
    add("--without-databases", action="store_true", help="leave out the config `databases`")
    add("--contract", choices=sorted(CONTRACTS), default="default", help="prompt contract")
    add("--num-workers", type=int, default=os.cpu_count() or 1, help="processes (default: cores)")
    add("--out", required=True, metavar="DIR", help="folder to write; must not exist")
    add("--push", metavar="OWNER/NAME", help="also publish it on the Hub, in one commit")
    arguments = parser.parse_args()
    if bool(arguments.bird) == bool(arguments.questions):
        parser.error("give --bird DIR, or --questions FILE with --databases DIR")
    if bool(arguments.questions) != bool(arguments.databases):
        parser.error("--questions and --databases go together; --bird finds its own databases")
    if arguments.questions and not (arguments.name and arguments.license):
        parser.error("--questions needs --name and --license: only those of BIRD are known")
    if arguments.bird:
        arguments.name = arguments.name or "bird"
        arguments.license = arguments.license or BIRD_LICENSE
        arguments.url = arguments.url or BIRD_URL
    return arguments


if __name__ == "__main__":
    run_script(main)
