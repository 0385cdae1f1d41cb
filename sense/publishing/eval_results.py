"""Scores as a model's card and the Hub show them: a table, `model-index` and `.eval_results`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from sense.facts import Facts, Input

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

EVAL_RESULTS = ".eval_results"  # huggingface_hub.constants.EVAL_RESULTS_FOLDER


@dataclass(frozen=True)
class Evaluation:
    """One line of the evaluation table; `to_evaluation` makes it from `scores.json`."""

    system: str
    benchmark: str
    """Name of the questions, such as "Spider"."""
    split: str
    rule: str
    num: int
    num_correct: int
    accuracy: float
    low: float
    high: float
    by_hardness: dict[str, dict[str, Any]] = field(default_factory=dict)
    is_ours: bool = True
    """False for a baseline."""
    dataset_id: str = ""
    """Hub id of the questions; "" when they are not on the Hub."""
    dataset_revision: str = ""
    date: str = ""
    """When it was done, in ISO 8601; "" where nobody knows."""
    metric: str = "execution_accuracy"
    """Or `test_suite_accuracy`."""

    @property
    def has_suite(self) -> bool:
        """Whether the rule had to accept an answer on every database of a test suite."""
        return self.metric == "test_suite_accuracy"


def to_evaluation(
    scores: Mapping[str, Any], facts: Facts, system: str, benchmark: str, is_ours: bool = True
) -> Evaluation:
    """The table line of a `scores.json` and the facts beside it, which name split and questions."""
    split = facts.settings["split"]
    names = ("rule", "num", "num_correct", "accuracy", "low", "high")
    missing = [name for name in names if name not in scores]
    if missing:
        raise ValueError(
            f"the scores of '{system}' on {benchmark} {split} lack {', '.join(missing)}; "
            "expected the scores.json that recipes/evaluate.py writes"
        )
    if scores["accuracy"] is None:
        raise ValueError(
            f"none of the golds of {benchmark} {split} could judge an answer of '{system}'; a card "
            "needs an accuracy: mend the golds and evaluate again"
        )
    questions = hub_questions(facts)
    return Evaluation(
        system=system,
        benchmark=benchmark,
        split=split,
        **{name: scores[name] for name in names},
        by_hardness=dict(scores.get("by_hardness", {})),
        is_ours=is_ours,
        dataset_id=questions.name if questions else "",
        dataset_revision=questions.revision if questions else "",
        date=facts.run.get("date", ""),
        metric=scores.get("metric", "execution_accuracy"),
    )


def hub_questions(facts: Facts) -> Input | None:
    """The data set of the Hub of which an evaluation asked a whole split; None for any other.

    A folder is known by its name alone, which has no owner.
    """
    found = [source for source in facts.inputs if source.kind == "dataset" and "/" in source.name]
    return found[0] if found and not facts.settings.get("limit") else None


def eval_result_files(evaluations: Iterable[Evaluation]) -> dict[str, str]:
    """`.eval_results/<name>.yaml` -> text, for our own scores on questions that are on the Hub.

    The Hub lists them on the leaderboard of a dataset that is registered as a benchmark; elsewhere
    they are valid files that show nothing. Values are per cent.
    """
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    found: dict[str, list[EvalResultEntry]] = {}
    for line in evaluations:
        if line.is_ours and line.dataset_id:
            name = f"{EVAL_RESULTS}/{line.dataset_id.replace('/', '--')}.yaml"
            entry = EvalResultEntry(
                dataset_id=line.dataset_id,
                task_id=f"{line.split}_{'suite_' if line.has_suite else ''}{line.rule}",
                value=round(100 * line.accuracy, 2),
                dataset_revision=line.dataset_revision or None,
                date=line.date or None,
                notes=f"{_words(line)} in per cent, rule {line.rule}, {interval(line)}",
            )
            found.setdefault(name, []).append(entry)
    return {
        name: yaml.safe_dump(eval_result_entries_to_yaml(entries), sort_keys=False)
        for name, entries in found.items()
    }


def model_index(evaluations: Iterable[Evaluation]) -> "list[EvalResult]":
    """Our own scores as `model-index` of a card has them, for viewers of the older form."""
    from huggingface_hub import EvalResult

    return [
        EvalResult(
            task_type="text-generation",
            task_name="Text-to-SQL",
            dataset_type=line.dataset_id or line.benchmark.lower().replace(" ", "-"),
            dataset_name=line.benchmark,
            dataset_split=line.split,
            dataset_revision=line.dataset_revision or None,
            metric_type=line.metric,
            metric_name=f"{_words(line)}, rule {line.rule}, per cent, {interval(line)}",
            metric_value=round(100 * line.accuracy, 2),
        )
        for line in evaluations
        if line.is_ours
    ]


def interval(line: Evaluation) -> str:
    return f"n = {line.num:,}, 95 % interval {percent(line.low)} to {percent(line.high)}"


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _words(line: Evaluation) -> str:
    return line.metric.replace("_", " ")
