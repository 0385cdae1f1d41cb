"""Cards: README.md of a dataset or a model, rendered from facts.

Templates lie in `cards/`; a name that a template uses and nobody gives is an error, and no number
is typed. Front matter is written by the classes of huggingface_hub and datasets.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import yaml

from sense.coverage.outcome import SHARE_TOLERANCE, missed_shares
from sense.facts import Facts
from sense.publishing.card_tables import (
    cited_seeds,
    drop_reasons,
    error_kinds,
    glance,
    row_licenses,
    shown_size,
    tally_tables,
)
from sense.publishing.eval_results import Evaluation, percent
from sense.publishing.figures import file_name
from sense.publishing.front_matter import dataset_data, model_data
from sense.publishing.license import SHARE_ALIKE
from sense.servers.budget import shown_usage

if TYPE_CHECKING:
    from datasets import Features
    from jinja2 import Environment

SplitBy: TypeAlias = Literal["db_id", "sql_template", ""]
Kind: TypeAlias = Literal["strong", "weak", ""]
Row: TypeAlias = Mapping[str, Any]

GRAMMAR_SENTENCE = (
    "No language model wrote these questions: a grammar sampled the SQL and worded the questions, "
    "standing in for the strong LLM of the method."
)
LEARNED_GRAMMAR_SENTENCE = (
    "No language model wrote the questions that this model learned from: a grammar sampled the SQL "
    "and worded the questions, standing in for the strong LLM of the method."
)
MAX_CELL_CHARS = 300
PAIR_SETTINGS = (
    *("policy", "gold_as_chosen", "max_pairs", "max_pairs_per_database", "max_pairs_per_kind"),
    *("max_length_gap", "synthetic_share", "num_questions"),
)
"""Settings that say which pairs were made, as far as a run has them."""

SHOWN_COUNTS: dict[Kind, tuple[str, ...]] = {
    "strong": ("modes", "votes"),
    "weak": ("error_kinds",),
    "": (),
}
"""Counts of the facts that a section of that kind of card shows."""


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
    repo_id: str = ""
    """OWNER/NAME on the Hub; "" while unpublished."""
    split_by: SplitBy = ""
    """What keeps the splits apart; `sql_template` is called in-domain; "" = one split or none."""
    is_synthetic: bool = True
    """Whether a program or a model wrote the rows, and not people."""
    kind: Kind = ""
    """Which sections the card has beside those of every set; each needs its facts."""
    has_figures: bool = False
    """Whether figures are drawn from the facts and shown."""


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


def dataset_card(
    text: DatasetText,
    facts: Facts,
    features: Mapping[str, "Features"],
    first_rows: Mapping[str, Row],
    folder_name: str,
) -> str:
    """README.md of a dataset whose `facts.results` holds `splits`, `tallies` and `lengths`, and
    `figures` where the text says so; what a `kind` needs beside them is in
    `sense.publishing.provenance`."""
    from huggingface_hub import DatasetCard

    splits = facts.results["splits"]
    tallies = facts.results["tallies"]
    row_config = next(iter(splits))
    row = first_rows[row_config]
    licenses = row_licenses(tallies)
    content = _render(
        "dataset_card.md.jinja",
        card_data=dataset_data(text, facts, features).to_yaml(),
        text=text,
        facts=facts,
        place=text.repo_id or folder_name,
        has_splits=len(splits[row_config]) > 1,
        loads=[(config, next(iter(parts))) for config, parts in splits.items()],
        columns={config: list(_columns(features[config])) for config in splits},
        row_config=row_config,
        row=json.dumps(_cut(row), indent=2, ensure_ascii=False),
        witness=_shown_witness(row) if "witness" in row and row_config == "default" else "",
        glance=glance(text, facts),
        figures=facts.results["figures"] if text.has_figures else [],
        has_domains=bool(set(tallies[row_config].get("domain", {})) - {""}),
        share_points=round(100 * SHARE_TOLERANCE),
        missed_shares=missed_shares(facts.results["plan"]) if "plan" in facts.results else [],
        reasons=drop_reasons(facts),
        error_kinds=error_kinds(facts) if text.kind == "weak" else [],
        shown_counts=SHOWN_COUNTS[text.kind],
        caps=[
            (name.replace("_", " "), _shown(facts.settings[name]))
            for name in PAIR_SETTINGS
            if name in facts.settings
        ],
        share_alike=", ".join(
            f"`{name}`" for name in sorted(SHARE_ALIKE & {n for _, n, _ in licenses})
        ),
        seeds=cited_seeds(facts, tallies),
        stand_in=GRAMMAR_SENTENCE if _is_by_grammar(tallies) else "",
        tallies=list(tally_tables(tallies)),
        licenses=[(f"{name} (`{config}`)", count) for config, name, count in licenses],
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
        card_data=model_data(text, evaluations).to_yaml(),
        text=text,
        facts=facts,
        folder_name=folder_name,
        evaluations=evaluations,
        has_suites=any(line.has_suite for line in evaluations),
        contract=_flat(contract),
        settings=_flat(facts.settings),
    )
    return str(ModelCard(content))


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
    environment.filters |= {
        "cell": _cell,
        "number": _number,
        "percent": percent,
        "size": shown_size,
        "usage": shown_usage,
        "file_name": file_name,
    }
    return environment


def _is_by_grammar(tallies: Mapping[str, Any]) -> bool:
    rows = next(iter(tallies.values()))
    return any("grammar" in rows.get(name, {}) for name in ("source", "teacher"))


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


def _shown_witness(row: Row) -> str:
    """The witness of a pair, indented; "" where the pair carries none."""
    if not row["witness"]:
        return ""
    return json.dumps(_cut(json.loads(row["witness"])), indent=2, ensure_ascii=False)


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested settings as lines, `limits.max_steps` and so on."""
    lines: list[tuple[str, str]] = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            lines += _flat(value, f"{prefix}{name}.")
        else:
            lines.append((f"{prefix}{name}", _shown(value)))
    return lines


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _cut(value: Any) -> Any:
    if isinstance(value, str) and len(value) > MAX_CELL_CHARS:
        return value[:MAX_CELL_CHARS] + " ..."
    if isinstance(value, Mapping):
        return {name: _cut(part) for name, part in value.items()}
    return [_cut(part) for part in value] if isinstance(value, list) else value


def _cell(value: object) -> str:
    """Text that stays inside its table cell."""
    text = " ".join(str(_cut(str(value))).split())
    return text.replace("|", "\\|") or "(empty)"


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"
