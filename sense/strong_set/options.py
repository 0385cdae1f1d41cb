"""The options of builders/strong.py: what they are, what goes together, and what they mean."""

import argparse
import os
from dataclasses import replace
from typing import Any

from sense.command import positive
from sense.coverage.plan import Plan, read_plan
from sense.example import HARDNESS_LEVELS
from sense.prompt import CONTRACTS
from sense.servers.options import (
    SERVER_OPTIONS,
    VOTER_OPTIONS,
    add_server_options,
    add_voter_options,
    server_option_fault,
    voter_option_fault,
)
from sense.strong_set.agreement import MIN_FOR_OTHER, NUM_ANSWERS
from sense.strong_set.collection import INVENTED_LICENSE
from sense.strong_set.splits import Split
from sense.teaching.requests import NUMBER_WORDS
from sense.teaching.rounds import MAX_ASKED_PER_EXAMPLE
from sense.teaching.tasks import MODE_TEXT, MODES, Mode

PLACES = ("out", "push", "num_workers", "databases", "few_shot", "against", "preview")
"""Options that say where things are, not what the rows hold."""
NO_SETTINGS = (*PLACES, *SERVER_OPTIONS, *VOTER_OPTIONS, "plan", "levels")
"""Options that do not decide the rows, and those whose meaning is noted instead."""
UNKNOWN = "unknown"
"""The Hub's word for a licence that nobody named."""
NOT_BOTH = "--databases and --invent cannot go together: give one of them, not both"
NUM_QUESTIONS = 3
"""Asked for in one request: the schema, most of its tokens, is paid for once."""


def read_arguments(description: str) -> argparse.Namespace:
    """The arguments of the command line; ends the program with a message where they do not fit."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_set_options(parser)
    add_database_options(parser.add_argument_group("databases"))
    add_teacher_options(parser.add_argument_group("teacher openai"))
    arguments = parser.parse_args()
    if fault := check_arguments(arguments):
        parser.error(fault)
    return arguments


def add_set_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--teacher",
        choices=["grammar", "openai"],
        default="grammar",
        help="who writes questions and SQL: the grammar, or a model behind a server",
    )
    add(
        "--num-examples",
        type=int,
        required=True,
        metavar="N",
        help="examples in all, the test split included; a teacher behind a server is asked for "
        f"{MAX_ASKED_PER_EXAMPLE} questions per example at most",
    )
    add(
        "--num-test",
        type=int,
        metavar="N",
        help="examples of the test split (default: 5 %%); from a teacher behind a server whole "
        "domains of at most so many, or the smallest where all have more",
    )
    add(
        "--levels",
        type=share_list,
        metavar="E,M,H,X",
        help="shares of easy, medium, hard and extra (default: those of the plan, else equal)",
    )
    add(
        "--plan",
        metavar="FILE",
        help="YAML file with target shares of hardness, style, feature and domain, or default; "
        "a teacher behind a server always has one",
    )
    add(
        "--contract",
        choices=sorted(CONTRACTS),
        help="prompt contract (default: rationale with --rationale, else default)",
    )
    add(
        "--against",
        metavar="SOURCE",
        nargs="+",
        default=[],
        help="benchmarks that no row may be like: folders as Spider's or BIRD's, JSON files, or "
        "datasets of this kit",
    )
    add("--license", default=UNKNOWN, help="licence of the databases or the teacher's answers")
    add("--seed", type=int, default=0, help="of every random choice (default 0)")
    add("--num-workers", type=int, default=os.cpu_count() or 1, help="processes (default: cores)")
    add("--out", required=True, metavar="DIR", help="folder to write; must not exist")
    add("--push", metavar="OWNER/NAME", help="also publish it on the Hub, in one commit")


def add_database_options(group: Any) -> None:
    add = group.add_argument
    add("--databases", metavar="DIR", help="folder of SQLite files")
    add("--invent", metavar="N", type=positive, help="number of databases to invent instead")
    add(
        "--invented-names",
        type=float,
        metavar="SHARE",
        help="share of the training schemas' words that become made-up words (default 0)",
    )


def add_teacher_options(group: Any) -> None:
    add = group.add_argument
    add_server_options(group)
    add("--model", help="the server's name for the model")
    add(
        "--modes",
        type=mode_shares,
        metavar="MODE=SHARE,...",
        help="shares of "
        + "; ".join(f"{mode}: {text}" for mode, text in MODE_TEXT.items())
        + " (default: invent=1; databases=0.6,sql=0.4 with --databases; invent=0.7,sql=0.3 with "
        "--invent)",
    )
    add(
        "--questions-per-request",
        type=positive,
        metavar="N",
        help=f"asked for in one request, over one database (default {NUM_QUESTIONS})",
    )
    add(
        "--few-shot",
        metavar="SOURCE",
        help="Spider folder, or folder or Hub id of examples, which show the teacher the form; "
        "mode invent needs it",
    )
    add("--temperature", type=float, help="of the answers (default 1)")
    add("--max-tokens", type=positive, help="of one answer (default 4096)")
    add(
        "--rationale",
        action="store_true",
        help="the teacher also explains each query; kept where the query at the end of its words "
        "returns the same",
    )
    add(
        "--agreement",
        type=positive,
        metavar="K",
        help=f"also ask for K answers to each question without its SQL ({NUM_ANSWERS} is a good "
        "number), and keep it where more of them agree with the SQL than on anything else, mend it "
        f"where {MIN_FOR_OTHER} agree on other SQL",
    )
    add_voter_options(group)
    add("--preview", type=positive, metavar="N", help="show N answers and write no dataset")


def check_arguments(arguments: argparse.Namespace) -> str:
    """Fills in defaults that depend on others; what is wrong, or ""."""
    arguments.contract = arguments.contract or ("rationale" if arguments.rationale else "default")
    if arguments.num_examples < 1:
        return f"--num-examples {arguments.num_examples}; expected at least 1"
    if arguments.num_workers < 0:
        return f"--num-workers {arguments.num_workers}; expected 0 (this process) or more"
    if arguments.num_test is None:
        arguments.num_test = arguments.num_examples // 20
    is_grammar = arguments.teacher == "grammar"
    fault = _grammar_fault(arguments) if is_grammar else _teacher_fault(arguments)
    if fault:
        return fault
    if CONTRACTS[arguments.contract].rationale and not arguments.rationale:
        return (
            f"--contract {arguments.contract} asks for a rationale before the SQL: add "
            "--rationale, with --teacher openai, or choose another contract"
        )
    if not 0 <= arguments.num_test < arguments.num_examples:
        return (
            f"--num-test {arguments.num_test} must be below --num-examples {arguments.num_examples}"
        )
    if arguments.levels and len(arguments.levels) != len(HARDNESS_LEVELS):
        return (
            f"--levels has {len(arguments.levels)} shares; expected one for each of "
            f"{HARDNESS_LEVELS}"
        )
    if arguments.invent:
        arguments.invented_names = arguments.invented_names or 0.0
    elif arguments.invented_names:
        return "--invented-names says nothing without --invent; add that, or leave it out"
    if not 0 <= (arguments.invented_names or 0.0) <= 1:
        return f"--invented-names {arguments.invented_names:g}; expected a share from 0 to 1"
    return server_option_fault(arguments) or voter_option_fault(arguments)


def _grammar_fault(arguments: argparse.Namespace) -> str:
    names = (
        "model",
        "modes",
        "questions_per_request",
        "few_shot",
        "preview",
        "agreement",
        "voter",
        "temperature",
        "max_tokens",
        "rationale",
        *SERVER_OPTIONS,
        *VOTER_OPTIONS,
    )
    values = {name: getattr(arguments, name) for name in names}
    given = [
        name for name, value in values.items() if value not in (None, []) and value is not False
    ]
    if given:
        listed = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        return (
            f"{listed} cannot go with --teacher grammar, the default; add --teacher openai for a "
            f"model behind a server, or leave {'it' if len(given) == 1 else 'them'} out"
        )
    if arguments.databases and arguments.invent:
        return NOT_BOTH
    if not (arguments.databases or arguments.invent):
        return "--teacher grammar needs either --databases DIR or --invent N"
    if arguments.invent and arguments.license != UNKNOWN:
        return (
            f"--license {arguments.license} says nothing of databases that the grammar invents, "
            f"which are under {INVENTED_LICENSE}; leave it out"
        )
    if arguments.invent:
        arguments.license = INVENTED_LICENSE
    return ""


def _teacher_fault(arguments: argparse.Namespace) -> str:
    arguments.temperature = 1.0 if arguments.temperature is None else arguments.temperature
    arguments.max_tokens = arguments.max_tokens or 4_096
    arguments.questions_per_request = arguments.questions_per_request or NUM_QUESTIONS
    arguments.modes = arguments.modes or default_modes(arguments)
    if not 0 <= arguments.temperature < float("inf"):
        return f"--temperature {arguments.temperature:g}; expected a number of 0 or more"
    if not arguments.questions_per_request < len(NUMBER_WORDS):
        return (
            f"--questions-per-request {arguments.questions_per_request}; expected 1 to "
            f"{len(NUMBER_WORDS) - 1}"
        )
    arguments.agreement = arguments.agreement or 0
    if arguments.voter and not arguments.agreement:
        return "--voter says nothing without --agreement; add that, or leave it out"
    if arguments.agreement and CONTRACTS[arguments.contract].handles:
        return (
            f"--agreement asks with the prompts of the rows, and those of --contract "
            f"{arguments.contract} are for models trained on them: choose another contract"
        )
    if not (arguments.base_url and arguments.model):
        return "--teacher openai needs --base-url and --model"
    if arguments.databases and arguments.invent:
        return NOT_BOTH
    given = bool(arguments.databases or arguments.invent)
    needing = [mode for mode in ("databases", "sql") if arguments.modes.get(mode)]
    if needing and not given:
        return f"mode {needing[0]} needs --databases DIR or --invent N"
    if given and not needing:
        return "--databases and --invent need a share of mode databases or sql in --modes"
    if arguments.modes.get("invent") and not arguments.few_shot:
        return "mode invent needs --few-shot: examples that show the teacher the form"
    if arguments.few_shot and not arguments.modes.get("invent"):
        return "--few-shot says nothing without mode invent; leave it out, or add the mode"
    return ""


def default_modes(arguments: argparse.Namespace) -> dict[Mode, float]:
    if arguments.databases:
        return {"databases": 0.6, "sql": 0.4}
    return {"invent": 0.7, "sql": 0.3} if arguments.invent else {"invent": 1.0}


def mode_shares(text: str) -> dict[Mode, float]:
    """
    >>> mode_shares("invent=3,sql=1")
    {'invent': 0.75, 'sql': 0.25}
    """
    found: dict[Mode, float] = {}
    for part in text.split(","):
        name, _, share = part.partition("=")
        mode = next((mode for mode in MODES if mode == name.strip()), None)
        try:
            value = float(share)
        except ValueError:
            value = -1.0
        if mode is None or mode in found or not 0 <= value < float("inf"):
            raise argparse.ArgumentTypeError(
                f"{part!r} in {text!r}; expected each of {', '.join(MODES)} once at most, as in "
                "invent=0.5,sql=0.5"
            )
        found[mode] = value
    whole = sum(found.values())
    if not whole:
        raise argparse.ArgumentTypeError(f"{text!r} asks for nothing; expected a share above 0")
    return {mode: value / whole for mode, value in found.items() if value}


def share_list(text: str) -> list[float]:
    try:
        shares = [float(part) for part in text.split(",")]
    except ValueError:
        shares = []
    if not all(0 <= share < float("inf") for share in shares) or not sum(shares):
        raise argparse.ArgumentTypeError(f"{text!r}; expected shares such as 1,1,1,1")
    return shares


def plan_of(arguments: argparse.Namespace) -> Plan | None:
    """The plan of the run; None where the grammar shall speak as it comes."""
    if not arguments.plan and arguments.teacher == "grammar":
        return None
    plan = read_plan(arguments.plan or "default")
    if not arguments.levels:
        return plan
    whole = sum(arguments.levels)
    levels = zip(HARDNESS_LEVELS, arguments.levels, strict=True)
    return replace(plan, hardness={level: share / whole for level, share in levels})


def level_shares(arguments: argparse.Namespace) -> dict[Any, float]:
    """Shares of the levels where there is no plan."""
    levels = arguments.levels or [1.0] * len(HARDNESS_LEVELS)
    return dict(zip(HARDNESS_LEVELS, levels, strict=True))


def example_totals(arguments: argparse.Namespace) -> dict[Split, int]:
    num_train = arguments.num_examples - arguments.num_test
    return {"train": num_train, "test": arguments.num_test}


def run_settings(arguments: argparse.Namespace, plan: Plan | None) -> dict[str, Any]:
    """The arguments that decide the rows."""
    settings = {
        name: value
        for name, value in vars(arguments).items()
        if name not in NO_SETTINGS and value is not None
    }
    if plan:
        shares = ("hardness", "style", "feature", "domain")
        settings["plan"] = {"name": plan.name, **{key: getattr(plan, key) for key in shares}}
    else:
        settings["levels"] = list(level_shares(arguments).values())
    return {**settings, "prompt_hash": CONTRACTS[arguments.contract].hash}
