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
    python builders/strong.py --teacher openai --base-url URL --model NAME --few-shot SPIDER_DIR \\
        --num-examples 1000 --price-in 2.5 --price-out 10 --max-cost 20 --out DIR

The key of a server is read from OPENAI_API_KEY, for servers of Hugging Face from HF_TOKEN.
"""

import argparse
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sense.card import DatasetText
from sense.collection import (
    Database,
    database_files,
    database_funnel,
    database_rows,
    given_databases,
    invented_databases,
    unusable_databases,
)
from sense.command import run_script
from sense.coverage.asking import grammar_coverages
from sense.coverage.outcome import coverage_report, missed_shares
from sense.coverage.plan import read_plan
from sense.database import database_paths
from sense.example import HARDNESS_LEVELS, content_id, database_features, example_features
from sense.facts import (
    Facts,
    Input,
    collect_facts,
    file_sha256,
    print_outcome,
    text_table,
    versions,
)
from sense.journal import Journal
from sense.license import check_license
from sense.prompt import CONTRACTS
from sense.proposal import (
    ProposalSet,
    Teaching,
    answered,
    make_proposals,
    plan_round,
    previewed,
)
from sense.release import check_output, check_push, push_folder, work_folder, write_dataset
from sense.server_options import (
    SERVER_OPTIONS,
    add_server_options,
    open_chat,
    server_option_fault,
)
from sense.splits import SPLITS, Split
from sense.strong import StrongSet, make_examples
from sense.teacher import LEVELS, read_shots

FEATURES = {"default": example_features, "databases": database_features}
PLACES = ("out", "push", "num_workers", "databases", "few_shot", "preview")
RATIONALE_STEP = (
    "Rationales: the model explained each query; a row was dropped where the query at the end of "
    "the explanation returned something else.",
)
RATIONALE_FAULT = ("Of a rationale only the query at its end was checked, not its words.",)


def main() -> None:
    arguments = parse_arguments()
    check_output(arguments.out)
    if arguments.license:
        check_license(arguments.license)
    if arguments.push:
        check_push(arguments.push)
    build = build_with_grammar if arguments.teacher == "grammar" else build_with_model
    facts = build(arguments)
    if facts is None:
        return
    commit = push_folder(arguments.out, arguments.push, "dataset") if arguments.push else ""
    print_outcome(arguments.out, facts, commit)
    if plan := facts.results.get("plan"):
        print_plan(plan)
    missing = [
        (f"{table.removeprefix('missing_')}/{level}", num)
        for table, counts in facts.counts.items()
        for level, num in counts.items()
        if table.startswith("missing_")
    ]
    if missing:
        print("\nFewer examples were found than were asked for:")
        print(text_table([("missing", "examples"), *missing]))


def print_plan(plan: dict[str, Any]) -> None:
    """What of the plan was not met, and why."""
    cells, off = plan["cells"], missed_shares(plan)
    print(f"\nPlan '{plan['name']}': {cells['within']:,} of {cells['planned']:,} cells as planned.")
    named = [(item["cell"], item["reason"]) for item in plan["infeasible"]]
    for title, lines in (("share off by more than 3 points", off), ("infeasible", named)):
        if lines:
            print(text_table([(title, ""), *lines]))


def build_with_grammar(arguments: argparse.Namespace) -> Facts:
    """Examples over given or invented databases, sampled and worded by the grammar."""
    started = time.monotonic()
    paths = database_paths(arguments.databases) if arguments.databases else {}
    faults = unusable_databases(paths) if paths else {}
    for db_id, fault in faults.items():
        print(f"left out: {paths.pop(db_id)} ({fault})", flush=True)
    digests = [text for db_id, path in paths.items() for text in (db_id, file_sha256(path))]
    settings = run_settings(arguments) | {"databases_digest": content_id(*digests)}
    work = work_folder(arguments.out)
    with Journal(work / "journal.jsonl", settings | used_versions()) as journal:
        databases = find_or_invent(arguments, paths, work / "databases")
        totals = example_totals(arguments)
        plan = read_plan(arguments.plan) if arguments.plan else None
        coverages = grammar_coverages(plan, totals, databases) if plan else {}
        strong = StrongSet(totals, level_shares(arguments), journal, coverages)
        contract = CONTRACTS[arguments.contract]
        make_examples(strong, databases, contract, arguments.seed, arguments.num_workers)
        faults |= strong.faults
        used = [database for database in databases if database.db_id in strong.digests]
        if not used:
            raise RuntimeError(
                f"the {len(databases):,} databases gave no example: "
                f"{strong.funnel.reasons()}; give databases with more tables and rows"
            )
        left_out = {f"{db_id} {fault}": 1 for db_id, fault in faults.items()}
        missing: dict[str, dict[str, int]] = {
            f"missing_{split}": {
                str(level): num for level, num in strong.missing[split].items() if num
            }
            for split in SPLITS
        }
        facts = collect_facts(
            "builders/strong.py",
            seed=arguments.seed,
            settings=settings,
            inputs=[Input(source_name(arguments), kind="databases", license=used[0].license)],
            funnels=[database_funnel(databases, used, faults), strong.funnel],
            counts={**missing, "databases_left_out": left_out},
            results={"plan": coverage_report([*coverages.values()])} if coverages else {},
            seconds=time.monotonic() - started,
        )
        return write_dataset(
            arguments.out,
            {
                "default": {split: strong.rows(split) for split in SPLITS},
                "databases": {"train": database_rows(used, strong.digests, "grammar")},
            },
            {config: features() for config, features in FEATURES.items()},
            facts,
            grammar_text(arguments, used),
            database_files(used),
        )


def build_with_model(arguments: argparse.Namespace) -> Facts | None:
    """Examples proposed by a strong model, each over its own database; None for a preview."""
    started = time.monotonic()
    teaching = Teaching(
        shots=read_shots(arguments.few_shot, arguments.seed),
        temperature=arguments.temperature,
        max_tokens=arguments.max_tokens,
        contract=CONTRACTS[arguments.contract],
        license=arguments.license,
        seed=arguments.seed,
        rationale=arguments.rationale,
    )
    settings = run_settings(arguments) | {"shots_digest": content_id(*map(repr, teaching.shots))}
    with (
        open_chat(arguments) as chat,
        Journal(
            work_folder(arguments.out) / "journal.jsonl", settings | used_versions()
        ) as journal,
    ):
        found = ProposalSet(arguments.num_examples, level_shares(arguments), journal)
        if arguments.preview:
            tasks = plan_round(0, found, teaching)[: arguments.preview]
            for job in answered(tasks, chat, teaching, journal, arguments.num_workers):
                print(previewed(job, journal[job.task.key]))
            print(text_table([("use of the model", "amount"), *chat.shown_usage()]))
            return None
        make_proposals(found, chat, teaching, arguments.num_workers)
        if not found.num_kept:
            raise RuntimeError(
                f"{arguments.model} gave no example: {found.funnel.reasons()}; look at its answers "
                "with --preview 5, raise --max-cost or choose a stronger model"
            )
        found.divide(arguments.num_test, arguments.seed)
        facts = collect_facts(
            "builders/strong.py",
            seed=arguments.seed,
            settings=settings,
            inputs=[
                Input(arguments.model, kind="model"),
                Input(Path(arguments.few_shot).name, kind="few-shot examples"),
            ],
            funnels=[found.funnel],
            counts={
                "missing_all": {"levels": found.num_missing} if found.num_missing else {},
                "domains": dict(found.domains.most_common()),
            },
            usage=chat.usage(),
            seconds=time.monotonic() - started,
        )
        facts = write_dataset(
            arguments.out,
            {
                "default": {split: found.rows(split) for split in SPLITS},
                "databases": {"train": found.database_rows()},
            },
            {config: features() for config, features in FEATURES.items()},
            facts,
            model_text(arguments),
        )
    print(text_table([("use of the model", "amount"), *chat.shown_usage()]))
    if chat.is_spent:
        print(f"stopped: {chat.budget.reached} was reached, what was done is kept")
    return facts


def find_or_invent(
    arguments: argparse.Namespace, paths: dict[str, Path], folder: Path
) -> list[Database]:
    """The databases of the run; invented ones are built in `folder`."""
    test_share = arguments.num_test / arguments.num_examples
    if paths:
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
    return Path(arguments.databases).name if arguments.databases else "sense/domains/domains.yaml"


def example_totals(arguments: argparse.Namespace) -> dict[Split, int]:
    num_train = arguments.num_examples - arguments.num_test
    return {"train": num_train, "test": arguments.num_test}


def level_shares(arguments: argparse.Namespace) -> dict[Any, float]:
    return dict(zip(level_names(arguments.teacher), arguments.levels, strict=True))


def level_names(teacher: str) -> tuple[str, ...]:
    return HARDNESS_LEVELS if teacher == "grammar" else LEVELS


def run_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """The arguments that decide the rows."""
    settings = {
        name: value
        for name, value in vars(arguments).items()
        if name not in (*PLACES, *SERVER_OPTIONS) and value is not None
    }
    if arguments.plan:
        settings["plan"] = asdict(read_plan(arguments.plan))
    return {**settings, "prompt_hash": CONTRACTS[arguments.contract].hash}


def used_versions() -> dict[str, Any]:
    """The versions that decide the rows beside the arguments: those of others are not continued."""
    found = versions()
    return {"versions": {name: found[name] for name in ("sense-kit", "sqlite", "sqlglot")}}


def grammar_text(arguments: argparse.Namespace, databases: list[Database]) -> DatasetText:
    is_single = len(databases) == 1
    made = "invented and filled with rows" if arguments.invent else "given, used as they are"
    return DatasetText(
        pretty_name="SENSE strong data",
        summary=(
            "Questions with SQL over SQLite databases, for supervised fine-tuning of text-to-SQL "
            "models. Every query was executed on its database and returned a result that says "
            "something."
        ),
        license=databases[0].license,
        steps=(
            f"Databases: {len(databases):,}, {made}.",
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
        split_by="sql_template" if is_single and not databases[0].split else "db_id",
    )


def model_text(arguments: argparse.Namespace) -> DatasetText:
    return DatasetText(
        pretty_name="SENSE strong data",
        summary=(
            "Databases, questions and SQL proposed by a strong language model, for supervised "
            "fine-tuning of text-to-SQL models. Every query was executed on its database and "
            "returned a result that says something."
        ),
        license=arguments.license,
        steps=(
            f"Requests: {arguments.model} was shown two examples drawn at random and asked for one "
            "domain, schema, question and query at a level, away from domains that are common.",
            "Databases: each proposed schema was built and filled with generated rows, among them "
            "the values that its query looks for.",
            "Checks: each query runs, gives a result that is neither empty nor all zeros, and is "
            "defined: no tie at a cut, no bare column in a group. Its hardness was measured.",
            "Repetitions of a question, of a query in its domain, and of the examples that were "
            "shown were dropped.",
            *(RATIONALE_STEP if arguments.rationale else ()),
        ),
        faults=(
            f"The terms of use of {arguments.model} apply to these rows as well: make sure that "
            "they allow what you train.",
            "No person checked that the queries answer their questions.",
            "The rows of the databases are generated and mean nothing.",
            *(RATIONALE_FAULT if arguments.rationale else ()),
        ),
        repo_id=arguments.push or "",
        split_by="db_id",
    )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "--teacher",
        choices=["grammar", "openai"],
        default="grammar",
        help="who writes questions and SQL: the grammar, or a model behind a server",
    )
    add("--num-examples", type=int, required=True, help="examples in all, the test split included")
    add("--num-test", type=int, help="examples of the test split (default: 5 %%)")
    add(
        "--levels",
        type=share_list,
        metavar="E,M,H,X",
        help="shares of easy, medium, hard and extra, the last for the grammar only "
        "(default: equal)",
    )
    add(
        "--plan",
        metavar="FILE",
        help="YAML file with target shares of hardness, style, feature and domain, or default",
    )
    add(
        "--contract",
        choices=sorted(CONTRACTS),
        help="prompt contract (default: rationale with --rationale, else default)",
    )
    add("--license", default="unknown", help="licence of the databases or the teacher's answers")
    add("--seed", type=int, default=0, help="of every random choice (default 0)")
    add("--num-workers", type=int, default=os.cpu_count() or 1, help="processes (default: cores)")
    add("--out", required=True, metavar="DIR", help="folder to write; must not exist")
    add("--push", metavar="OWNER/NAME", help="also publish it on the Hub, in one commit")
    grammar = parser.add_argument_group("teacher grammar").add_argument
    grammar("--databases", metavar="DIR", help="folder of SQLite files")
    grammar("--invent", metavar="N", type=int, help="number of databases to invent instead")
    grammar(
        "--invented-names",
        type=float,
        metavar="SHARE",
        help="share of the training schemas' words that become made-up words (default 0)",
    )
    group = parser.add_argument_group("teacher openai")
    add_server_options(group)
    model = group.add_argument
    model("--model", help="the server's name for the model")
    model("--few-shot", metavar="SOURCE", help="Spider folder, or folder or Hub id of examples")
    model("--temperature", type=float, help="of the answers (default 1)")
    model("--max-tokens", type=int, help="of one answer (default 2048)")
    model(
        "--rationale",
        action="store_true",
        help="the teacher also explains each query; kept where the query at the end of its words "
        "returns the same",
    )
    model("--preview", type=int, metavar="N", help="show N answers and write no dataset")
    arguments = parser.parse_args()
    fault = check_arguments(arguments)
    if fault:
        parser.error(fault)
    return arguments


def check_arguments(arguments: argparse.Namespace) -> str:
    """Fills in defaults that depend on others; what is wrong, or ""."""
    is_grammar = arguments.teacher == "grammar"
    names = level_names(arguments.teacher)
    arguments.contract = arguments.contract or ("rationale" if arguments.rationale else "default")
    arguments.levels = arguments.levels or [1.0] * len(names)
    if arguments.num_test is None:
        arguments.num_test = arguments.num_examples // 20
    if is_grammar:
        arguments.invented_names = arguments.invented_names or 0.0
        given = ["base_url", "model", "few_shot", "preview", "rationale"]
    else:
        arguments.temperature = 1.0 if arguments.temperature is None else arguments.temperature
        arguments.max_tokens = arguments.max_tokens or 2_048
        given = ["databases", "invent", "invented_names"]
    foreign = [f"--{name.replace('_', '-')}" for name in given if getattr(arguments, name)]
    if foreign:
        return f"{', '.join(foreign)} cannot go with --teacher {arguments.teacher}"
    if CONTRACTS[arguments.contract].rationale and not arguments.rationale:
        return (
            f"--contract {arguments.contract} asks for a rationale before the SQL: add "
            "--rationale, with --teacher openai, or choose another contract"
        )
    if is_grammar and bool(arguments.databases) == bool(arguments.invent):
        return "--teacher grammar needs either --databases DIR or --invent N"
    if not is_grammar and not (arguments.base_url and arguments.model and arguments.few_shot):
        return "--teacher openai needs --base-url, --model and --few-shot"
    if not 0 <= arguments.num_test < arguments.num_examples:
        return (
            f"--num-test {arguments.num_test} must be below --num-examples {arguments.num_examples}"
        )
    if len(arguments.levels) != len(names):
        return f"--levels has {len(arguments.levels)} shares; expected one for each of {names}"
    return server_option_fault(arguments)


def share_list(text: str) -> list[float]:
    try:
        shares = [float(part) for part in text.split(",")]
    except ValueError:
        shares = []
    if not shares or min(shares) < 0 or not sum(shares):
        raise argparse.ArgumentTypeError(f"{text!r}; expected shares such as 1,1,1,1")
    return shares


if __name__ == "__main__":
    run_script(main)
