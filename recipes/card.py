# /// script
# requires-python = ">=3.11"
# dependencies = ["sense-kit"]
# ///
"""Put evaluations into a model's card, and publish the finished model in one commit.

    python recipes/card.py MODEL_DIR --benchmark sense/strong dpo=DIR sft=DIR nearest=DIR
    python recipes/card.py MODEL_DIR --benchmark sense/strong dpo=DIR --push OWNER/NAME

Each DIR was written by recipes/evaluate.py; the first one is the model's own, the others stand
beside it.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

from sense.card import Evaluation, to_evaluation
from sense.command import run_script
from sense.facts import read_facts
from sense.release import check_push, model_text_of, push_folder, write_model


def main() -> None:
    arguments = parse_arguments()
    if arguments.push:
        check_push(arguments.push)
    facts = read_facts(arguments.model)
    text = model_text_of(facts)
    if arguments.push:
        text = replace(text, name=arguments.push.rsplit("/", 1)[-1], repo_id=arguments.push)
    evaluations = [
        read_evaluation(name, folder, arguments.benchmark, is_ours=not number)
        for number, (name, folder) in enumerate(arguments.evaluations)
    ]
    write_model(arguments.model, text, facts, evaluations)
    print(f"{len(evaluations)} evaluations are in {arguments.model / 'README.md'}")
    if arguments.push:
        print(f"{arguments.push} at {push_folder(arguments.model, arguments.push, 'model')}")


def read_evaluation(name: str, folder: Path, benchmark: str, is_ours: bool) -> Evaluation:
    """A line of the card's table from a folder that recipes/evaluate.py wrote."""
    path = folder / "scores.json"
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; expected a folder of recipes/evaluate.py")
    split = read_facts(folder).settings["split"]
    scores = json.loads(path.read_text(encoding="utf-8"))
    return to_evaluation(scores, name, benchmark, split, is_ours=is_ours)


def named_folder(text: str) -> tuple[str, Path]:
    name, _, folder = text.partition("=")
    if not folder:
        raise argparse.ArgumentTypeError(f"{text!r}; expected NAME=DIR such as sft=runs/scores/sft")
    return name, Path(folder)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("model", type=Path, metavar="MODEL_DIR", help="folder that sft.py or dpo.py wrote")
    add("evaluations", nargs="+", type=named_folder, metavar="NAME=DIR")
    add("--benchmark", required=True, help="name of the questions, such as sense/strong")
    add("--push", metavar="OWNER/NAME", help="also publish the model on the Hub, in one commit")
    return parser.parse_args()


if __name__ == "__main__":
    run_script(main)
