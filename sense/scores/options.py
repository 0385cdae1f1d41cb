"""The options of recipes/evaluate.py, and which of them go together."""

import argparse
import math
import os
from pathlib import Path
from typing import get_args

from sense.scores.scoring import Rule
from sense.servers.options import SERVER_OPTIONS, add_server_options, server_option_fault
from sense.sqlite.engine import Engine

SAMPLING_TEMPERATURE = 0.8  # best for pass@100 in Chen et al. 2021, section 3.3
OWNERS = {
    "gold": "predictions",
    "base_url": "model",
    "num_samples": "model",
    "temperature": "num_samples",
    "limit": "data",
    "split": "data",
}
"""Option -> the one without which it would do nothing."""
JUDGING = (
    *("prove", "suite", "rule", "bird_scores", "scores_only", "extract_sql", "data", "databases"),
    *("engine", "split"),
)
"""Options that do nothing with --compare, whose folders were judged before."""
LEAST = {"limit": 1, "num_workers": 0, "bird_scores": 0, "num_samples": 2}
PLACES = (
    *("out", "compare", "num_workers", "databases", "model", "data", "predictions"),
    *("gold", "suite", "engine", *SERVER_OPTIONS),
)


def evaluation_arguments(description: str | None) -> argparse.Namespace:
    """The options of the command line; a wrong one ends the process with what to do."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    _add_sources(parser)
    add = parser.add_argument
    add("--gold", metavar="FILE", help="SQL<tab>db_id lines, or Spider's or BIRD's dev.json")
    add_server_options(parser)
    add(
        "--num-samples",
        type=int,
        metavar="K",
        help="answers of the model to each question, for pass@k and maj@k (default one)",
    )
    add(
        "--temperature",
        type=float,
        metavar="T",
        help=f"at which they are drawn (default {SAMPLING_TEMPERATURE})",
    )
    add("--data", metavar="SOURCE", help="folder or Hub id of the questions that are asked")
    add("--split", help="split of --data (default test)")
    add("--databases", metavar="DIR", help="SQLite files; default: those that --data publishes")
    add("--suite", metavar="DIR", help="a test suite: also score on its database variants")
    add("--rule", nargs="+", choices=get_args(Rule), help="the first one ranks (default strict)")
    add(
        "--bird-scores",
        type=int,
        metavar="N",
        help="also soft F1, VES and R-VES, timed N times (BIRD: 100); 0 = soft F1 only",
    )
    add("--extract-sql", action="store_true", help="take SQL out of prose and code fences first")
    add("--prove", action="store_true", help="count what equals gold on every database apart")
    add(
        "--scores-only",
        action="store_true",
        help="official rules alone: no gold is checked, no verdict given, no error kind told; with "
        "the rule strict there are verdicts, but neither error kinds nor examples",
    )
    add("--engine", choices=get_args(Engine), help="local (default), or ray: on a Ray cluster")
    add("--limit", type=int, metavar="N", help="a seeded choice of N questions of --data")
    add("--num-workers", type=int, default=os.cpu_count() or 1, help="0 = this process")
    add("--out", metavar="DIR", help="folder to write; must not exist")
    arguments = parser.parse_args()
    _check_needs(parser, arguments)
    _check_company(parser, arguments)
    _check_values(parser, arguments)
    return _with_defaults(arguments)


def evaluation_settings(arguments: argparse.Namespace) -> dict[str, object]:
    """What decides the scores beside the inputs; a split only where questions were read from it."""
    if arguments.compare:  # the columns and all else were decided when the folders were written
        return {}
    places = PLACES if arguments.data else (*PLACES, "split", "limit")
    places = places if arguments.num_samples else (*places, "num_samples", "temperature")
    return {name: value for name, value in vars(arguments).items() if name not in places}


def _add_sources(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--predictions", nargs="+", metavar="FILE", help="one per system, or several systems in one"
    )
    source.add_argument(
        "--model", help="folder or Hub id; with --base-url the server's name for it"
    )
    source.add_argument("--baseline", choices=["constant", "nearest"])
    source.add_argument("--compare", nargs="+", metavar="NAME=DIR", type=_named_folder)


def _check_needs(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    if not arguments.compare and not arguments.out:
        parser.error("--out is required: the folder that the scores are written to")
    if arguments.predictions and not (arguments.databases or arguments.data):
        parser.error("--predictions needs --databases DIR, the SQLite files of their db_ids")
    if (arguments.model or arguments.baseline) and not arguments.data:
        parser.error("--model and --baseline need --data, the questions to answer")
    if fault := server_option_fault(arguments):
        parser.error(fault)


def _check_company(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """Ends with an error for an option that would do nothing beside the others."""
    for name in JUDGING:
        if arguments.compare and _is_given(arguments, name):
            parser.error(
                f"{_option(name)} says nothing with --compare, which takes the scores "
                "that stand in the folders; give it when they are evaluated"
            )
    for name, owner in OWNERS.items():
        if _is_given(arguments, name) and not _is_given(arguments, owner):
            owner = _option(owner)
            parser.error(f"{_option(name)} says nothing without {owner}; add that, or leave it out")
    if arguments.prove and arguments.scores_only and "strict" not in (arguments.rule or ["strict"]):
        parser.error(
            "--prove says nothing with --scores-only, which gives no verdict; leave out one of "
            "them, or add the rule strict"
        )


def _check_values(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    for name, least in LEAST.items():
        value = getattr(arguments, name)
        if value is not None and value < least:
            parser.error(f"{_option(name)} is {value}; expected {least} or more")
    if arguments.temperature is not None and not 0 < arguments.temperature < math.inf:
        parser.error(
            f"--temperature is {arguments.temperature:g}; expected a number above 0, at which all "
            "samples would be the same"
        )
    for option, values in (
        ("--compare", [name for name, _ in arguments.compare or ()]),
        ("--rule", arguments.rule or ()),
    ):
        if len(set(values)) < len(values):
            parser.error(f"{option} names {', '.join(values)}; expected each name once")


def _with_defaults(arguments: argparse.Namespace) -> argparse.Namespace:
    """The options with the values of those that were not given."""
    arguments.rule = arguments.rule or ["strict"]
    arguments.split = arguments.split or "test"
    arguments.engine = arguments.engine or "local"
    if arguments.temperature is None:
        arguments.temperature = SAMPLING_TEMPERATURE
    return arguments


def _is_given(arguments: argparse.Namespace, name: str) -> bool:
    value = getattr(arguments, name)
    return value is not None and value is not False and value not in ("", [])


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _named_folder(text: str) -> tuple[str, Path]:
    name, _, folder = text.partition("=")
    if not folder:
        raise argparse.ArgumentTypeError(f"{text!r}; expected NAME=DIR such as sft=runs/scores/sft")
    return name, Path(folder)
