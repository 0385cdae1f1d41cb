"""Cards: README.md of a dataset or a model, rendered from facts.

Templates lie in `cards/`; a name that a template uses and nobody gives is an error, and no number
is typed. Front matter is written by the classes of huggingface_hub and datasets.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import yaml

from sense.example import HARDNESS_LEVELS
from sense.facts import Facts

if TYPE_CHECKING:
    from datasets import Features
    from huggingface_hub import DatasetCardData, ModelCardData
    from jinja2 import Environment

SplitBy: TypeAlias = Literal["db_id", "sql_template", ""]
Row: TypeAlias = Mapping[str, Any]

EVAL_RESULTS = ".eval_results"  # huggingface_hub.constants.EVAL_RESULTS_FOLDER
PAPER = "arxiv:2408.03256"
GRAMMAR_SENTENCE = (
    "No language model wrote these questions: a grammar sampled the SQL and worded the questions, "
    "standing in for the strong LLM of the method."
)
LEARNED_GRAMMAR_SENTENCE = (
    "No language model wrote the questions that this model learned from: a grammar sampled the SQL "
    "and worded the questions, standing in for the strong LLM of the method."
)
MAX_CELL_CHARS = 300
MAX_TALLY_ROWS = 15


@dataclass(frozen=True)
class DatasetText:
    """What only the builder knows about its dataset; everything else comes from facts and rows."""

    pretty_name: str
    summary: str
    """Two sentences: what a row is, and what it is for."""
    license: str
    """Hub id of the licence of the whole set, such as `cc-by-sa-4.0`."""
    steps: tuple[str, ...]
    """How it was made, a sentence per step, in order."""
    faults: tuple[str, ...]
    """What is known to be wrong or missing, a sentence each."""
    stand_in: str = ""
    """Plain words when something stood in for a language model; "" = nothing did.

    Rows whose `source` or `teacher` is `grammar` are announced without it."""
    repo_id: str = ""
    """OWNER/NAME on the Hub; "" while unpublished."""
    split_by: SplitBy = ""
    """What keeps the splits apart; `sql_template` is called in-domain; "" = one split or none."""
    tags: tuple[str, ...] = ()
    """More tags than text-to-sql."""
    is_synthetic: bool = True
    """Whether a program or a model wrote the rows, and not people."""


@dataclass(frozen=True)
class ModelText:
    """What only the recipe knows about its model."""

    name: str
    summary: str
    """Two sentences: what it does, and how it came about."""
    license: str
    training: str
    """A paragraph: the method and what is particular about this run; settings come from facts."""
    limitations: tuple[str, ...]
    base_model: str = ""
    """Hub id; "" when it was trained from scratch or its base is not on the Hub."""
    datasets: tuple[str, ...] = ()
    """Hub ids of the training sets."""
    stand_in: str = ""
    """Plain words when something stood in for a language model; "" = nothing did."""
    repo_id: str = ""
    """OWNER/NAME on the Hub; "" while unpublished."""
    tags: tuple[str, ...] = ()
    """More tags than text-to-sql."""


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


def to_evaluation(
    scores: Row,
    system: str,
    benchmark: str,
    split: str,
    *,
    is_ours: bool = True,
    dataset_id: str = "",
    dataset_revision: str = "",
) -> Evaluation:
    """The table line of a `scores.json`."""
    names = ("rule", "num", "num_correct", "accuracy", "low", "high")
    missing = [name for name in names if name not in scores]
    if missing:
        raise ValueError(
            f"the scores of '{system}' on {benchmark} {split} lack {', '.join(missing)}; "
            "expected the scores.json that recipes/evaluate.py writes"
        )
    return Evaluation(
        system=system,
        benchmark=benchmark,
        split=split,
        **{name: scores[name] for name in names},
        by_hardness=dict(scores.get("by_hardness", {})),
        is_ours=is_ours,
        dataset_id=dataset_id,
        dataset_revision=dataset_revision,
    )


def dataset_card(
    text: DatasetText,
    facts: Facts,
    features: Mapping[str, "Features"],
    first_rows: Mapping[str, Row],
    folder_name: str,
) -> str:
    """README.md of a dataset whose `facts.results` holds `splits` and `tallies`."""
    from huggingface_hub import DatasetCard

    splits = facts.results["splits"]
    tallies = facts.results["tallies"]
    row_config = next(iter(splits))
    content = _render(
        "dataset_card.md.jinja",
        card_data=_dataset_data(text, facts, features).to_yaml(),
        text=text,
        facts=facts,
        place=text.repo_id or folder_name,
        has_splits=len(splits[row_config]) > 1,
        loads=[(config, next(iter(parts))) for config, parts in splits.items()],
        columns={config: list(_columns(features[config])) for config in splits},
        row_config=row_config,
        row=json.dumps(_cut(first_rows[row_config]), indent=2, ensure_ascii=False),
        stand_ins=_stand_ins(text, tallies),
        tallies=list(_tally_tables(tallies)),
        licenses=[
            (f"{license} (`{config}`)", count)
            for config, columns in tallies.items()
            for license, count in columns.get("license", {}).items()
        ],
        has_verdicts=any("verdict" in columns for columns in tallies.values()),
        settings=_flat(facts.settings),
    )
    return str(DatasetCard(content))


def model_card(
    text: ModelText,
    facts: Facts,
    evaluations: Sequence[Evaluation],
    contract: Mapping[str, Any],
    folder_name: str,
) -> str:
    """README.md of a model; `contract` is the content of its `sense_prompt.json`."""
    from huggingface_hub import ModelCard

    content = _render(
        "model_card.md.jinja",
        card_data=_model_data(text, evaluations).to_yaml(),
        text=text,
        facts=facts,
        folder_name=folder_name,
        evaluations=evaluations,
        contract=_flat(contract),
        settings=_flat(facts.settings),
    )
    return str(ModelCard(content))


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
                task_id=f"{line.split}_{line.rule}",
                value=round(100 * line.accuracy, 2),
                dataset_revision=line.dataset_revision or None,
                notes=f"execution accuracy in per cent, rule {line.rule}, {_interval(line)}",
            )
            found.setdefault(name, []).append(entry)
    return {
        name: yaml.safe_dump(eval_result_entries_to_yaml(entries), sort_keys=False)
        for name, entries in found.items()
    }


@cache
def column_meanings() -> dict[str, str]:
    """What each published column means, from `cards/columns.yaml`."""
    text = (cards_folder() / "columns.yaml").read_text("utf-8")
    return dict(yaml.safe_load(text))


def cards_folder() -> Path:
    """Where the templates lie: in the installed package, else in `cards/` of a checkout."""
    places = (Path(__file__).parent / "cards", Path(__file__).parents[1] / "cards")
    for place in places:
        if (place / "shared.jinja").is_file():
            return place
    raise FileNotFoundError(
        f"card templates are missing: looked in {places[0]} and {places[1]}; install the kit again"
    )


def _dataset_data(
    text: DatasetText, facts: Facts, features: Mapping[str, "Features"]
) -> "DatasetCardData":
    from datasets import DatasetInfo, SplitDict, SplitInfo
    from datasets.info import DatasetInfosDict
    from datasets.utils.metadata import MetadataConfigs
    from huggingface_hub import DatasetCardData

    from sense.parquet import parquet_path

    splits = facts.results["splits"]
    data = DatasetCardData(
        pretty_name=text.pretty_name,
        license=text.license,
        language="en",
        task_categories=["table-question-answering", "text-generation"],
        size_categories=size_category(
            sum(p["num_rows"] for p in next(iter(splits.values())).values())
        ),
        annotations_creators="machine-generated" if text.is_synthetic else "expert-generated",
        tags=["text-to-sql", *(["synthetic"] if text.is_synthetic else []), PAPER, *text.tags],
    )
    infos = DatasetInfosDict()
    for config, parts in splits.items():
        infos[config] = DatasetInfo(
            config_name=config,
            features=features[config],
            splits=SplitDict(
                {
                    name: SplitInfo(name, part["num_bytes"], part["num_rows"])
                    for name, part in parts.items()
                }
            ),
            download_size=sum(part["file_bytes"] for part in parts.values()),
            dataset_size=sum(part["num_bytes"] for part in parts.values()),
        )
    infos.to_dataset_card_data(data)
    MetadataConfigs(
        {
            config: {
                "data_files": [
                    {"split": split, "path": parquet_path(config, split)} for split in parts
                ],
                **({"default": True} if position == 0 and config != "default" else {}),
            }
            for position, (config, parts) in enumerate(splits.items())
        }
    ).to_dataset_card_data(data)
    return data


def _model_data(text: ModelText, evaluations: Iterable[Evaluation]) -> "ModelCardData":
    from huggingface_hub import EvalResult, ModelCardData

    results = [
        EvalResult(
            task_type="text-generation",
            task_name="Text-to-SQL",
            dataset_type=line.dataset_id or line.benchmark.lower().replace(" ", "-"),
            dataset_name=line.benchmark,
            dataset_split=line.split,
            dataset_revision=line.dataset_revision or None,
            metric_type="execution_accuracy",
            metric_name=f"execution accuracy, rule {line.rule}, per cent, {_interval(line)}",
            metric_value=round(100 * line.accuracy, 2),
        )
        for line in evaluations
        if line.is_ours
    ]
    return ModelCardData(
        model_name=text.name,
        license=text.license,
        language="en",
        library_name="transformers",
        pipeline_tag="text-generation",
        base_model=text.base_model or None,
        base_model_relation="finetune" if text.base_model else None,
        datasets=list(text.datasets) or None,
        eval_results=results or None,
        tags=["text-to-sql", "sense", PAPER, *text.tags],
    )


def size_category(num_rows: int) -> str:
    """The Hub's name for this many rows.

    >>> size_category(999), size_category(1000), size_category(2_500_000)
    ('n<1K', '1K<n<10K', '1M<n<10M')
    """
    names = ("1K", "10K", "100K", "1M", "10M", "100M", "1B")
    bounds = [1000 * 10**power for power in range(len(names))]
    if num_rows < bounds[0]:
        return "n<1K"
    for low, high, bound in zip(names, names[1:], bounds[1:], strict=False):
        if num_rows < bound:
            return f"{low}<n<{high}"
    return "n>1B"


def _render(template: str, **values: Any) -> str:
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(cards_folder()),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # Markdown
    )
    environment.filters |= {"cell": _cell, "number": _number, "percent": _percent, "size": _size}
    return environment


def _stand_ins(text: DatasetText, tallies: Mapping[str, Any]) -> list[str]:
    rows = next(iter(tallies.values()))
    is_grammar = any("grammar" in rows.get(name, {}) for name in ("source", "teacher"))
    return [s for s in (GRAMMAR_SENTENCE if is_grammar else "", text.stand_in) if s]


def _columns(features: "Features") -> Iterable[tuple[str, str, str]]:
    meanings = column_meanings()
    for name, feature in features.items():
        if name not in meanings:
            raise ValueError(f"column '{name}' has no meaning in {cards_folder() / 'columns.yaml'}")
        yield name, _type(feature), meanings[name]


def _type(feature: Any) -> str:
    """A feature in words: `string`, `list of string`, `list of {role, content}`."""
    if hasattr(feature, "feature"):
        return f"list of {_type(feature.feature)}"
    if isinstance(feature, dict):
        return "{" + ", ".join(feature) + "}"
    return str(feature.dtype)


def _tally_tables(
    tallies: Mapping[str, Mapping[str, Mapping[str, int]]],
) -> Iterable[tuple[str, str, list[tuple[str, int]]]]:
    """A table per column, levels in their order, other values by frequency.

    Left out are columns that are empty, or have another value in each row.
    """
    for config, columns in tallies.items():
        for name, tally in columns.items():
            if name == "license" or set(tally) <= {""} or 1 == max(tally.values()) < len(tally):
                continue
            rows = sorted(tally.items(), key=_by_level_or_frequency)
            shown = [(value or "(empty)", count) for value, count in rows[:MAX_TALLY_ROWS]]
            if len(rows) > len(shown):
                others = rows[len(shown) :]
                shown.append((f"{len(others)} others", sum(count for _, count in others)))
            yield config, name.replace("_", " "), shown


def _by_level_or_frequency(item: tuple[str, int]) -> tuple[int, int, str]:
    value, count = item
    if value in HARDNESS_LEVELS:
        return HARDNESS_LEVELS.index(value), 0, value
    return len(HARDNESS_LEVELS), -count, value


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested settings as lines, `limits.max_steps` and so on."""
    lines: list[tuple[str, str]] = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            lines += _flat(value, f"{prefix}{name}.")
        else:
            shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            lines.append((f"{prefix}{name}", shown))
    return lines


def _cut(value: Any) -> Any:
    if isinstance(value, str) and len(value) > MAX_CELL_CHARS:
        return value[:MAX_CELL_CHARS] + " ..."
    if isinstance(value, Mapping):
        return {name: _cut(part) for name, part in value.items()}
    return [_cut(part) for part in value] if isinstance(value, list) else value


def _interval(line: Evaluation) -> str:
    return f"n = {line.num:,}, 95 % interval {_percent(line.low)} to {_percent(line.high)}"


def _cell(value: object) -> str:
    """Text that stays inside its table cell."""
    text = " ".join(str(_cut(str(value))).split())
    return text.replace("|", "\\|") or "(empty)"


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _size(num_bytes: float) -> str:
    """
    >>> _size(999), _size(123_456)
    ('999 B', '123.5 kB')
    """
    if num_bytes < 1000:
        return f"{num_bytes} B"
    for unit in ("kB", "MB", "GB"):
        num_bytes /= 1000
        if num_bytes < 1000 or unit == "GB":
            break
    return f"{num_bytes:,.1f} {unit}"
