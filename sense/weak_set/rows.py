"""The weak set's questions and answers as rows, and the way back to pair them anew.

Config `questions` holds what was asked, with counts of its answers; config `samples` holds every
judged answer. Together they are all that pairing needs: no database is executed again.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sense.database import find_database
from sense.example import to_example, to_row
from sense.facts import FACTS_FILE, Facts, read_facts
from sense.inputs.question import Outline
from sense.pairs.pairing import Answered, Paired
from sense.preference import to_sample
from sense.publishing.source import is_path
from sense.spool import Spool


def question_row(paired: Paired) -> dict[str, Any]:
    """The row of config `questions`: the example, and what its answers gave."""
    own = [sample for sample in paired.answered.samples if sample.source == "sample"]
    verdicts = Counter(sample.verdict for sample in own)
    reasons = Counter(sample.reason for sample in own)
    return {
        **to_row(paired.answered.example),
        "gold_status": own[0].gold_status if own else paired.answered.example.gold_status,
        "num_samples": len(own),
        "num_correct": verdicts["correct"],
        "num_incorrect": verdicts["incorrect"],
        "num_unknown": verdicts["unknown"],
        "reasons": json.dumps(dict(sorted(reasons.items()))),
        "num_pairs": len(paired.pairs),
        "why_no_pair": paired.why_none,
    }


@dataclass(frozen=True)
class PublishedAnswers:
    """The questions and answers of a weak set, by split."""

    answered: Mapping[str, Spool]
    """Values of `Answered.as_json` under the ids of the examples."""
    outline: Outline
    facts: Facts
    """Of the run that judged."""


def read_answered(
    source: str, databases: str | None, spool: Callable[[], Spool]
) -> PublishedAnswers:
    """The answers that a folder, or a dataset on the Hub, holds beside their questions.

    databases: a folder of SQLite files, None where no database is needed; spool: opens an empty
    one. Raises FileNotFoundError where there is no set, ValueError for one without the two configs,
    LookupError for a `db_id` without a database.
    """
    _check_place(source)
    questions, samples = _load(source, "questions"), _load(source, "samples")
    paths: dict[str, str] = {}
    domains: dict[str, str] = {}
    licenses, prompt_hashes = set(), set()
    answered = {split: spool() for split in questions}
    for split, rows in questions.items():
        answers = spool()
        for row in samples.get(split, ()):
            answers.add(row["example_id"], row)
        for row in rows:
            example = to_example(dict(row))
            if databases and example.db_id not in paths:
                paths[example.db_id] = str(find_database(Path(databases), example.db_id))
            own = [to_sample(answer) for answer in answers.of(example.id)]
            question = Answered(example, paths.get(example.db_id, ""), own)
            answered[split].add(example.id, question.as_json())
            domains[example.db_id] = example.domain
            licenses.add(example.license)
            prompt_hashes.add(example.prompt_hash)
    facts = facts_of(source)
    sha256 = str(facts.settings.get("questions_sha256", ""))
    outline = Outline(domains, frozenset(licenses), frozenset(prompt_hashes), sha256)
    return PublishedAnswers(answered, outline, facts)


def facts_of(source: str, revision: str | None = None) -> Facts:
    """The facts of a weak set, a folder or a dataset of the Hub.

    Raises FileNotFoundError where there is none of them.
    """
    _check_place(source)
    if Path(source).is_dir():
        return read_facts(source)
    from huggingface_hub import hf_hub_download

    path = hf_hub_download(source, FACTS_FILE, repo_type="dataset", revision=revision)
    return read_facts(Path(path).parent)


def with_more_samples(
    answered: Spool, more: Mapping[str, Sequence[Mapping[str, Any]]], whole: Spool
) -> Spool:
    """`whole`, an empty spool, filled with all values of `answered` and further rows of samples.

    more: rows by the ids of the examples that they answer.
    """
    for example, db_path, samples in answered:
        rows = [*samples, *more.get(example["id"], ())]
        whole.add(example["id"], [example, db_path, rows])
    return whole


def sample_rows(answered: Spool) -> Iterator[dict[str, Any]]:
    """Config `samples` of one split: the answers to each question, in the order of the spool."""
    for _, _, samples in answered:
        yield from samples


def _load(source: str, config: str) -> dict[str, Sequence[Mapping[str, Any]]]:
    from datasets import get_dataset_config_names, load_dataset

    known = get_dataset_config_names(source)
    if config not in known:
        raise ValueError(
            f"{source} has no config '{config}', only {', '.join(known)}; expected a set that "
            "builders/weak.py wrote"
        )
    return dict(load_dataset(source, config))


def _check_place(source: str) -> None:
    if not Path(source).is_dir() and is_path(source):
        raise FileNotFoundError(
            f"no weak set at {source}; expected a folder that builders/weak.py wrote, or a dataset "
            "of the Hub such as sense/weak"
        )
