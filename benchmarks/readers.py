"""Do the grammar's questions say what their SQL does? Asked of readers who see no SQL.

    python benchmarks/readers.py sample --databases DIR --out DIR --gold FILE.jsonl [--seed N] \
        [--plan default]
    python benchmarks/readers.py judge --gold FILE.jsonl --answers DIR --suite DIR [--out FILE.json]

`sample` writes `<level>.md` for each level of hardness: schemas with three sample rows per table,
and below each its numbered questions, half of them over databases of `--databases`, half over
invented ones; with --plan in the styles and with the SQL features of a coverage plan. Readers write
`<level>.sql.jsonl`, lines of {"n": 1, "sql": ..., "note": ...}.
`judge` makes the test suite of the golds, where it is missing, and says by level how many answers
have the denotation of gold on all its instances, with 95 % Wilson intervals; beside it how many do
when further columns, or another order of columns, are allowed; and lists the others.
"""

import argparse
import json
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, permutations
from pathlib import Path
from typing import Any

from sense.closeness import Rows
from sense.command import run_script
from sense.coverage.needs import Wish
from sense.coverage.plan import Plan, read_plan
from sense.coverage.steering import sample_wishes
from sense.database import build_database, database_paths, fill_database
from sense.denotation import order_matters, strict_comparison
from sense.domains.domain import invent_databases, read_domains
from sense.example import HARDNESS_LEVELS
from sense.execution import execute
from sense.gold import check_gold
from sense.grammar import sample_examples
from sense.metrics import wilson_interval
from sense.questions.profile import profile_database
from sense.questions.sentence import STYLES_SPOKEN
from sense.schema import read_schema, sample_rows, schema_text
from sense.strong_set.collection import ROWS_PER_TABLE
from sense.strong_set.misses import Misses
from sense.suite import read_suite
from sense.suites.distilling import DistilSettings, SuiteJob, make_database_suite
from sense.verdict import Unit, judge

KINDS = ("given", "invented")
NUM_DATABASES = 22  # of each kind
MAX_SCHEMA_CHARS = 6_500
MAX_DATABASE_BYTES = 20_000_000
PER_LEVEL = 5  # drawn of each database, of which the first ones are taken
MAX_VARIANTS = 60  # tried per database: a suite of minutes
MAX_COLUMNS = 6
Item = dict[str, Any]


def main() -> None:
    arguments = parse_arguments()
    arguments.run(arguments)


def write_sample(arguments: argparse.Namespace) -> None:
    """The files for the readers, and the golds elsewhere."""
    out = Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    rng = random.Random(arguments.seed)
    folder = Path(arguments.gold).absolute().with_suffix("")
    databases = {
        "given": given(arguments.databases, rng, set(arguments.without)),
        "invented": invented(folder, arguments.seed, rng),
    }
    plan = read_plan(arguments.plan) if arguments.plan else None
    pools: dict[tuple[str, str], list[Item]] = defaultdict(list)
    for kind, paths in databases.items():
        for path in paths:
            for item in drawn(path, arguments.seed, plan):
                pools[kind, item["level"]].append({"kind": kind, **item})
    golds: list[Item] = []
    for level in HARDNESS_LEVELS:
        items: list[Item] = []
        for kind in KINDS:
            pool = sorted(pools[kind, level], key=lambda item: (item["rank"], rng.random()))
            items += pool[: arguments.num // 2]
        items.sort(key=lambda item: (KINDS.index(item["kind"]), item["db_id"], item["rank"]))
        golds += [{"n": n, **item} for n, item in enumerate(items, 1)]
        (out / f"{level}.md").write_text(sheet(level, items), "utf-8")
    lines = [json.dumps(item, ensure_ascii=False) + "\n" for item in golds]
    Path(arguments.gold).write_text("".join(lines), "utf-8")
    print(f"{len(golds):,} questions in {out}, their SQL in {arguments.gold}")


def given(folder: str, rng: random.Random, without: set[str]) -> list[Path]:
    """Databases of the folder with several tables, all with rows, and a schema that can be read."""
    paths = [path for db_id, path in database_paths(folder).items() if db_id not in without]
    rng.shuffle(paths)
    found: list[Path] = []
    for path in paths:
        if len(found) == NUM_DATABASES:
            break
        if path.stat().st_size > MAX_DATABASE_BYTES or len(shown(path)) > MAX_SCHEMA_CHARS:
            continue
        profile = profile_database(path)
        if 2 <= len(profile.tables) == len(profile.schema.tables):
            found.append(path)
    return found


def invented(folder: Path, seed: int, rng: random.Random) -> list[Path]:
    """Databases of domains of the catalogue, under its own names, built in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    domains = rng.sample(list(read_domains().values()), NUM_DATABASES)
    paths = []
    for invention in invent_databases(NUM_DATABASES, seed, domains):
        path = folder / f"{invention.db_id}.sqlite"
        build_database(invention.script, path)
        fill_database(path, ROWS_PER_TABLE, seed, vocabularies=invention.vocabularies)
        paths.append(path)
    return paths


def drawn(path: Path, seed: int, plan: Plan | None) -> Iterator[Item]:
    """A few questions of each level over the database."""
    ranks = dict.fromkeys(HARDNESS_LEVELS, 0)
    source = f"readers {seed} {path.stem}"
    if plan:
        candidates = sample_wishes(profile_database(path), wishes(plan, source), source, Misses())
    else:
        candidates = sample_examples(path, dict.fromkeys(HARDNESS_LEVELS, PER_LEVEL), source)
    for found in candidates:
        ranks[found.hardness] += 1
        yield {
            "level": found.hardness,
            "db_id": path.stem,
            "db_path": str(path),
            "style": found.style,
            "question": found.question,
            "evidence": found.evidence,
            "sql": found.sql,
            "rank": ranks[found.hardness],
        }


def wishes(plan: Plan, source: str) -> list[Wish]:
    """A few rows of each level, their styles by lot, with the features that the plan wants."""
    rng = random.Random(source)
    found = []
    for level in HARDNESS_LEVELS:
        rates = {feature: shares[level] for feature, shares in plan.feature.items()}
        styles = rng.choices(STYLES_SPOKEN, [plan.style[s] for s in STYLES_SPOKEN], k=PER_LEVEL)
        found += [Wish(level, style, 1, rates, rates) for style in styles]
    return found


def sheet(level: str, items: Sequence[Item]) -> str:
    """What a reader sees."""
    lines = [
        f"# Questions, level {level}",
        "",
        "For each numbered question write one SQLite SELECT over its database; the schema with "
        "three sample rows per table stands above the questions.",
        "",
    ]
    number = 0
    for db_id, group in groupby(items, key=lambda item: item["db_id"]):
        found = list(group)
        lines += [f"## Database {db_id}", "", "```sql", shown(Path(found[0]["db_path"])), "```", ""]
        for item in found:
            number += 1
            known = f" (Known: {item['evidence']})" if item["evidence"] else ""
            lines.append(f"{number}. {item['question']}{known}")
        lines.append("")
    return "\n".join(lines)


def shown(path: Path) -> str:
    schema = read_schema(path)
    return schema_text(schema, "ddl", sample_rows(path, schema, 3, 40))


def judge_answers(arguments: argparse.Namespace) -> None:
    """The table by level, and every answer that differs."""
    golds = [json.loads(line) for line in Path(arguments.gold).read_text("utf-8").splitlines()]
    make_suite(golds, arguments.suite)
    suite = read_suite(arguments.suite)
    results: list[Item] = []
    for item in golds:
        answer = answers(Path(arguments.answers), item["level"]).get(item["n"])
        if answer is None:
            continue
        paths = tuple(map(str, suite.paths(item["db_id"], item["sql"])))
        _, [judgement] = judge(Unit(paths, item["sql"], (answer["sql"],)))
        is_loose = judgement.verdict == "correct" or holds_gold(paths, item["sql"], answer["sql"])
        results.append(
            {
                **item,
                "answer": answer["sql"],
                "note": answer.get("note", ""),
                "verdict": judgement.verdict,
                "reason": judgement.reason,
                "witness": judgement.witness,
                "loose": is_loose,
            }
        )
    for item in results:
        if item["verdict"] != "correct":
            print(f"{item['level']} {item['n']} [{item['db_id']}] {item['question']}")
            print(f"  gold    {item['sql']}\n  answer  {item['answer']}")
            print(f"  {item['verdict']}: {item['reason']}{' (loosely equal)' * item['loose']}")
            print(f"  {item['witness'][:200]} {item['note']}")
    if arguments.out:
        Path(arguments.out).write_text(json.dumps(results, indent=1, ensure_ascii=False), "utf-8")
    print(report(results))


def make_suite(golds: Sequence[Item], folder: str) -> None:
    """Makes what the folder lacks of the suite of these golds."""
    sqls: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for item in golds:
        sqls[item["db_id"], item["db_path"]][item["sql"]] = None
    settings = DistilSettings(max_variants=MAX_VARIANTS)
    for (db_id, path), found in sqls.items():
        make_database_suite(SuiteJob(db_id, path, tuple(found), folder, settings))


def answers(folder: Path, level: str) -> Mapping[int, Item]:
    """The readers' answers at a level by number; none where there is no file."""
    path = folder / f"{level}.sql.jsonl"
    lines = path.read_text("utf-8").splitlines() if path.is_file() else []
    rows = [json.loads(line) for line in lines if line.strip()]
    return {row["n"]: row for row in rows}


def holds_gold(paths: Sequence[str], gold_sql: str, answer_sql: str) -> bool:
    """Whether some columns of the answer, in some order, are gold's result on every instance."""
    is_ordered, is_compared = order_matters(gold_sql), False
    for path in paths:
        gold = check_gold(path, gold_sql)
        if gold.status not in ("ok", "empty"):
            continue
        found = execute(path, answer_sql)
        if found.status != "ok" or len(found.columns) > MAX_COLUMNS:
            return False
        is_compared |= gold.status == "ok"
        places = permutations(range(len(found.columns)), len(gold.execution.columns))
        rows = gold.execution.rows
        if not any(
            strict_comparison(rows, projected(found.rows, order), is_ordered, gold.tie_sizes)
            == "equal"
            for order in places
        ):
            return False
    return is_compared


def projected(rows: Sequence[tuple[Any, ...]], order: Sequence[int]) -> Rows:
    return tuple(tuple(row[place] for place in order) for row in rows)


def report(results: Sequence[Item]) -> str:
    """Shares with intervals as a Markdown table."""
    lines = [
        "| level | answers | equal | 95 % | equal but for columns | 95 % |",
        "|---|" + "---|" * 5,
    ]
    for level in (*HARDNESS_LEVELS, "all"):
        found = [item for item in results if level in (item["level"], "all")]
        if not found:
            continue
        cells = []
        for num in (
            sum(item["verdict"] == "correct" for item in found),
            sum(item["loose"] for item in found),
        ):
            low, high = wilson_interval(num, len(found))
            cells += [f"{num / len(found):.1%}", f"{low:.1%} to {high:.1%}"]
        lines.append(f"| {level} | {len(found)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    steps = parser.add_subparsers(required=True)
    sample = steps.add_parser("sample", help="write questions for readers")
    sample.set_defaults(run=write_sample)
    sample.add_argument("--databases", required=True, metavar="DIR", help="folder of SQLite files")
    sample.add_argument("--out", required=True, metavar="DIR", help="what the readers see")
    sample.add_argument("--plan", metavar="FILE", help="a coverage plan, or default (default none)")
    sample.add_argument("--without", nargs="*", default=[], metavar="DB_ID", help="left out")
    sample.add_argument("--num", type=int, default=100, help="questions per level (default 100)")
    sample.add_argument("--seed", type=int, default=0, help="of every random choice (default 0)")
    verdicts = steps.add_parser("judge", help="compare the readers' SQL with gold")
    verdicts.set_defaults(run=judge_answers)
    verdicts.add_argument("--answers", required=True, metavar="DIR", help="<level>.sql.jsonl")
    verdicts.add_argument("--suite", required=True, metavar="DIR", help="made where it is missing")
    verdicts.add_argument("--out", metavar="FILE.json", help="every answer with its verdict")
    for step in (sample, verdicts):
        step.add_argument(
            "--gold", required=True, metavar="FILE.jsonl", help="the golds, kept apart"
        )
    return parser.parse_args()


if __name__ == "__main__":
    run_script(main)
