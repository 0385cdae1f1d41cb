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

from sense.command import run_script
from sense.facts import Facts, read_facts
from sense.publishing.eval_results import Evaluation, to_evaluation
from sense.publishing.source import model_source
from sense.release import check_push, model_text_of, push_folder, write_model


def main() -> None:
    arguments = parse_arguments()
    if arguments.push:
        check_push(arguments.push)
    facts = read_facts(arguments.model)
    text = model_text_of(facts)
    if arguments.push:
        text = replace(text, name=arguments.push.rsplit("/", 1)[-1], repo_id=arguments.push)
    check_model(arguments.model, arguments.evaluations[0][1])
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
    facts = evaluation_facts(folder)
    scores = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    return to_evaluation(scores, facts, name, benchmark, is_ours)


def evaluation_facts(folder: Path) -> Facts:
    """The facts of an evaluation whose questions are known by their split."""
    path = folder / "scores.json"
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; expected a folder of recipes/evaluate.py")
    facts = read_facts(folder)
    if "split" not in facts.settings:
        raise ValueError(
            f"{folder} does not say which split was asked, so a card cannot either; evaluate again "
            "with --data, the set that the questions come from"
        )
    return facts


def check_model(model: Path, folder: Path) -> None:
    """Raises ValueError unless the model's own weights gave the answers that were scored."""
    wanted = model_source(str(model)).sha256
    inputs = evaluation_facts(folder).inputs
    if any(source.kind == "model" and source.sha256 == wanted for source in inputs):
        return
    found = ", ".join(f"{s.name} ({(s.sha256 or s.revision)[:12] or 'no hash'})" for s in inputs)
    raise ValueError(
        f"the scores in {folder} are not those of {model}, whose weights have the hash "
        f"{wanted[:12]}: they were made from {found}. Name this model's evaluation first; "
        f"`recipes/evaluate.py --model {model}` makes it"
    )


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
    add(
        "evaluations",
        nargs="+",
        type=named_folder,
        metavar="NAME=DIR",
        help="folders of recipes/evaluate.py, by the name that the card gives them",
    )
    add("--benchmark", required=True, help="name of the questions, such as sense/strong")
    add("--push", metavar="OWNER/NAME", help="also publish the model on the Hub, in one commit")
    return parser.parse_args()


if __name__ == "__main__":
    run_script(main)
