"""The options of builders/weak.py, and what is wrong with them together."""

import argparse
import math
import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, get_args

from sense.pairs.pairing import GoldUse, Pairing
from sense.pairs.policies import POLICIES
from sense.prompt import CONTRACTS
from sense.scores.scoring import OFFICIAL_SCORES
from sense.servers.options import SERVER_OPTIONS, add_server_options, server_option_fault
from sense.sqlite.engine import Engine
from sense.weak_set.read_pairs import parse_share, read_errors

Value = TypeVar("Value")

PLACES = (
    *("out", "push", "num_workers", "databases", "model", "data", "samples"),
    *("contract", "engine", "suite", "from_samples", "previous"),
    *("separated", "flip_rate", "read_errors"),
    *SERVER_OPTIONS,
)
"""No settings of a run; the contract stands among them as `prompt_hash`, and what is known of the
labels among the results."""
LEAST = {"num_questions": 1, "num_samples": 0, "round": 1, "max_pairs": 0, "num_workers": 0}
LEAST |= {"max_pairs_per_database": 0, "max_pairs_per_kind": 0, "max_length_gap": 0}
"""The least value of each numeric argument."""
OWNERS = {
    "num_samples": "model",
    "temperatures": "model",
    "license": "samples",
    "split": "data",
    "num_questions": "data",
}
"""Option -> the one without which it would do nothing."""
NOT_WITH_FROM_SAMPLES = (
    *("data", "split", "num_questions", "num_samples", "temperatures", "round", "test_share"),
    *("contract", "rule", "license", "engine", "base_url", "previous"),
)


def weak_arguments(description: str, argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The options of the command line; ends with a sentence for those that do not fit."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--samples", metavar="FILE", help="JSON lines: db_id, question, gold, pred")
    source.add_argument(
        "--model", help="folder or Hub id; with --base-url the server's name for it"
    )
    source.add_argument(
        "--from-samples", metavar="SOURCE", help="folder or Hub id of a weak set, to pair anew"
    )
    _add_asking(parser.add_argument_group("asking"))
    add_server_options(parser.add_argument_group("servers"))
    _add_judging(parser.add_argument_group("judging"))
    _add_pairing(parser.add_argument_group("pairing"))
    _add_running(parser)
    arguments = parser.parse_args(argv)
    if fault := _fault(parser, arguments):
        parser.error(fault)
    return arguments


def run_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """The arguments that decide the rows."""
    idle = [name for name, owner in OWNERS.items() if not getattr(arguments, owner)]
    unused = (*PLACES, *idle, *(NOT_WITH_FROM_SAMPLES if arguments.from_samples else ()))
    return {name: value for name, value in vars(arguments).items() if name not in unused}


def temperature_list(text: str) -> tuple[float, ...]:
    """The numbers of a list such as `0.7,1.0`."""
    found = tuple(map(float, text.split(",")))
    if not all(0 < temperature < math.inf for temperature in found):
        raise argparse.ArgumentTypeError(
            f"'{text}' holds a temperature that samples nothing; expected numbers above 0, such as "
            "0.7,1.0: the greedy answer comes by itself"
        )
    return found


def _fault(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> str:
    """What is wrong with the options together; "" where nothing is."""
    if arguments.from_samples and (fault := _fault_of_pairing_anew(parser, arguments)):
        return fault
    if arguments.samples and not (arguments.databases or arguments.data):
        return "--samples needs --databases DIR, the SQLite files of their db_ids, or --data"
    if arguments.contract and arguments.data:
        return "--contract goes with --samples alone: --data comes with its prompts"
    if arguments.model and not arguments.data:
        return "--model needs --data, the questions to answer"
    if arguments.base_url and not arguments.model:
        return "--base-url needs --model, the name that the server has for it"
    if arguments.flip_rate and (arguments.suite or arguments.separated):
        return "--flip-rate is that of labels without --suite or --separated; leave one out"
    if arguments.previous and arguments.round < 2:
        return "--previous holds earlier rounds; give this one its number, --round 2 or more"
    for name, owner in OWNERS.items():
        if not getattr(arguments, owner) and getattr(arguments, name) != parser.get_default(name):
            return f"--{_spelt(name)} says nothing without --{owner}; add that, or leave it out"
    for name in ("test_share", "synthetic_share"):
        if not 0 <= (share := getattr(arguments, name)) < 1:
            return f"--{_spelt(name)} is {share}; expected a share from 0 to below 1"
    for name, least in LEAST.items():
        value = getattr(arguments, name)
        if value is not None and value < least:
            return f"--{_spelt(name)} is {value}; expected {least} or more"
    return server_option_fault(arguments)


def _fault_of_pairing_anew(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> str:
    """What would be ignored, or cannot be done without databases."""
    for name in NOT_WITH_FROM_SAMPLES:
        if getattr(arguments, name) != parser.get_default(name):
            return (
                f"--{_spelt(name)} does not go with --from-samples, whose answers and verdicts "
                "stay as they are"
            )
    for name, value in (("policy", "plan_differs"), ("witness", "database")):
        if getattr(arguments, name) == value and not arguments.databases:
            return f"--{name} {value} needs --databases DIR, the SQLite files of the set"
    if arguments.suite and arguments.witness != "database":
        return (
            "--suite does not go with --from-samples, whose answers and verdicts stay as they are, "
            "except beside --witness database, which looks for the rows on its variants"
        )
    return ""


def _spelt(name: str) -> str:
    return name.replace("_", "-")


def _of_type(parse: Callable[[str], Value]) -> Callable[[str], Value]:
    """The parser with its errors as `argparse` shows them."""

    def parsed(text: str) -> Value:
        try:
            return parse(text)
        except (ValueError, OSError) as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return parsed


def _add_asking(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--data", metavar="SOURCE", help="folder or Hub id of the examples that are answered")
    add("--split", default="train", help="split of --data (default train)")
    add("--databases", metavar="DIR", help="SQLite files; default: those that --data publishes")
    add("--num-questions", type=int, metavar="N", help="a seeded choice of N (default: all)")
    add(
        "--num-samples",
        type=int,
        default=8,
        metavar="K",
        help="answers per question and temperature, beside the greedy one (default 8)",
    )
    add(
        "--temperatures",
        type=temperature_list,
        default=(1.0,),
        metavar="T,...",
        help="of sampling, each above 0 (default 1.0)",
    )
    add("--round", type=int, default=1, help="number of the sampling round (default 1)")
    add(
        "--previous",
        metavar="SOURCE",
        help="folder or Hub id of a weak set: its rounds stand in this set too",
    )
    add(
        "--contract",
        choices=sorted(CONTRACTS),
        help="prompts of --samples without --data (default: default)",
    )


def _add_judging(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--suite", metavar="DIR", help="a test suite: judge on the variants of each database too")
    add("--rule", choices=tuple(OFFICIAL_SCORES), default="spider", help="beside the verdicts")
    add(
        "--separated",
        type=_of_type(parse_share),
        metavar="HITS/NUM",
        help="of NUM queries that are not equivalent to gold, those that the judging databases "
        "tell from it: gives the noise of the labels (default with --suite: see LOG.md)",
    )
    add(
        "--flip-rate",
        type=_of_type(parse_share),
        metavar="HITS/NUM",
        help="without --suite: of NUM pairs by one database, those whose chosen answer a suite "
        "refutes, as noise.alone in the facts of a like set with --suite says",
    )
    add(
        "--read-errors",
        type=_of_type(read_errors),
        metavar="WRONG/READ,RIGHT/READ",
        help="of pairs that people read, chosen that are wrong and rejected that are right; or a "
        "file of JSON lines with db_id, chosen and rejected: right, wrong or unsure",
    )
    add(
        "--witness",
        choices=("difference", "database"),
        default="difference",
        help="of a pair: the first row that differs, or a smallest database, about 0.05 s each",
    )


def _add_pairing(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add(
        "--policy",
        choices=sorted(POLICIES),
        default="any",
        help="which right answer meets which wrong one: any, at random; nearest or farthest, the "
        "two queries that differ least or most; plan_differs, right answers that are executed in "
        "another way than gold; stratified, the rarest kind of error; hardest, the most probable "
        "wrong answer (default any)",
    )
    add("--max-pairs", type=int, default=1, help="most per question (default 1; 0 = all)")
    for name, what in (("database", "of a database"), ("kind", "with the same kind of error")):
        add(
            f"--max-pairs-per-{name}",
            type=int,
            default=0,
            metavar="N",
            help=f"most in a split {what} (0 = all)",
        )
    add(
        "--synthetic-share",
        type=float,
        default=Pairing.synthetic_share,
        metavar="SHARE",
        help="most pairs whose wrong answer is a near miss of a right one (default 0.2)",
    )
    add(
        "--max-length-gap",
        type=int,
        default=Pairing.max_length_gap,
        metavar="CHARACTERS",
        help="most by which the two texts of a pair differ in length (default 500; 0 = any)",
    )
    add(
        "--keep-disputed",
        action="store_true",
        help="pair also where as many models agree against gold as with it, two or more",
    )
    add(
        "--keep-open",
        action="store_true",
        help="pair also where the question may be meant otherwise than gold has it, with another "
        "result: groups without a partner, rows that a JOIN repeats, ties, texts for numbers",
    )
    add(
        "--keep-subtle",
        action="store_true",
        help="reject also answers that differ from gold only in repeated rows, in further columns, "
        "or on the test suite alone: a person takes most of them for right",
    )
    add(
        "--gold-as-chosen",
        choices=get_args(GoldUse),
        default="never",
        help="pair gold, instead of a right answer, with wrong ones (default never)",
    )


def _add_running(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--test-share",
        type=float,
        default=0.1,
        metavar="SHARE",
        help="share of databases for the test split (default 0.1)",
    )
    add("--license", default="unknown", help="licence of --samples, as the Hub spells it")
    add("--seed", type=int, default=0, help="of every random choice (default 0)")
    add(
        "--num-workers",
        type=int,
        default=os.cpu_count() or 1,
        help="0 = this process (default: cores)",
    )
    add("--engine", choices=get_args(Engine), default="local", help="ray: judge on a Ray cluster")
    add("--out", required=True, metavar="DIR", help="folder to write; must not exist")
    add("--push", metavar="OWNER/NAME", help="also publish it on the Hub, in one commit")
