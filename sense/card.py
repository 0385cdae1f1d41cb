"""Cards: README.md of a dataset, a model or a Space, rendered from facts.

Templates lie in `cards/`; a name that a template uses and nobody gives is an error, and no number
is typed. Front matter is written by huggingface_hub's and datasets' own classes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from sense.facts import Facts

if TYPE_CHECKING:
    from datasets import Features

SplitBy: TypeAlias = Literal["db_id", "sql_template", ""]


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
    """Plain words when something stood in for a language model; "" = nothing did."""
    repo_id: str = ""
    """OWNER/NAME on the Hub; "" while unpublished."""
    split_by: SplitBy = ""
    """What keeps the splits apart; `sql_template` is called in-domain; "" = one split or none."""
    tags: tuple[str, ...] = ()
    """More tags than text-to-sql and synthetic."""


def dataset_card(
    text: DatasetText,
    facts: Facts,
    features: Mapping[str, "Features"],
    first_rows: Mapping[str, Mapping[str, Any]],
    folder_name: str,
) -> str:
    """README.md of a dataset; configs and splits are those in `facts.results["splits"]`."""
    lines = ["---", f"license: {text.license}", "configs:"]
    for config, splits in facts.results["splits"].items():
        lines += [f"- config_name: {config}", "  data_files:"]
        for split in splits:
            lines += [f"  - split: {split}", f"    path: {config}/{split}-00000-of-00001.parquet"]
    return "\n".join([*lines, "---", "", f"# {text.pretty_name}", "", text.summary, ""])
