"""Front matter of cards: the metadata that the Hub and datasets read."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from sense.facts import Facts
from sense.publishing.eval_results import Evaluation, model_index

if TYPE_CHECKING:
    from datasets import Features
    from huggingface_hub import DatasetCardData, ModelCardData

    from sense.card import DatasetText, ModelText

PAPER = "arxiv:2408.03256"


def dataset_data(
    text: "DatasetText", facts: Facts, features: Mapping[str, "Features"]
) -> "DatasetCardData":
    from datasets import DatasetInfo, SplitDict, SplitInfo
    from datasets.info import DatasetInfosDict
    from datasets.utils.metadata import MetadataConfigs
    from huggingface_hub import DatasetCardData

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
        tags=["text-to-sql", *(["synthetic"] if text.is_synthetic else []), PAPER],
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
                    {"split": split, "path": _paths(config, split, len(part["sha256"]))}
                    for split, part in parts.items()
                ],
                **({"default": True} if position == 0 and config != "default" else {}),
            }
            for position, (config, parts) in enumerate(splits.items())
        }
    ).to_dataset_card_data(data)
    return data


def model_data(text: "ModelText", evaluations: Iterable[Evaluation]) -> "ModelCardData":
    from huggingface_hub import ModelCardData

    results = model_index(evaluations)
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


def _paths(config: str, split: str, num_files: int) -> str | list[str]:
    """Where the rows of a split lie: one path, or a list of several."""
    from sense.publishing.parquet import parquet_path

    paths = [parquet_path(config, split, number, num_files) for number in range(num_files)]
    return paths[0] if num_files == 1 else paths


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
