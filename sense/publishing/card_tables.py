"""Tables of a dataset card: what is wanted first, what was counted, and under which licences."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sense.diagnosis.kinds import ERROR_KINDS
from sense.example import HARDNESS_LEVELS
from sense.facts import Facts
from sense.publishing.license import SEEDS
from sense.servers.budget import shown_dollars
from sense.strong_set.reasons import FAMILIES, REASONS

if TYPE_CHECKING:
    from sense.card import DatasetText

MAX_TALLY_ROWS = 15


def glance(text: "DatasetText", facts: Facts) -> list[tuple[str, str]]:
    """The facts that a reader wants first, as lines of a table."""
    splits = facts.results["splits"]
    config, parts = next(iter(splits.items()))
    rows = ", ".join(f"{part['num_rows']:,} {split}" for split, part in parts.items())
    tallies = facts.results["tallies"]
    writers = sorted(
        {
            name
            for columns in tallies.values()
            for column in ("teacher", "weak_model")
            for name in columns.get(column, {})
            if name
        }
    )
    found = [part["num_databases"] for part in parts.values()]
    num_databases = sum(found) if text.split_by == "db_id" else max(found)
    apart = {"db_id": "by database", "sql_template": "by SQL template, in-domain", "": "no"}
    size = sum(part["file_bytes"] for parts in splits.values() for part in parts.values())
    lines = [
        ("rows", f"{rows} (`{config}`)"),
        ("databases", f"{num_databases:,}" if num_databases else ""),
        ("splits kept apart", apart[text.split_by] if len(parts) > 1 else "one split"),
        ("language, dialect", "English, SQLite"),
        ("written by", ", ".join(writers) if text.is_synthetic else "people"),
        ("licence", f"`{text.license}`"),
        ("cost", _cost(facts)),
        ("size", shown_size(size)),
        ("made by", f"`{facts.script}`" + (f" at `{facts.commit[:12]}`" if facts.commit else "")),
    ]
    return [(name, value) for name, value in lines if value and (name != "cost" or text.kind)]


def _cost(facts: Facts) -> str:
    usage = facts.usage
    if not usage:
        return "nothing"
    tokens = sum(usage.get(name, 0) for name in ("prompt_tokens", "completion_tokens"))
    cost = usage.get("cost_usd")
    money = "" if cost is None else f"${shown_dollars(cost)}, "
    return f"{money}{tokens:,.0f} tokens"


def numbered(number: int, noun: str) -> str:
    """The noun with its number, as part of a sentence.

    >>> numbered(1, "database"), numbered(1_200, "database")
    ('1 database', '1,200 databases')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def tally_tables(
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


def row_licenses(tallies: Mapping[str, Any]) -> list[tuple[str, str, int]]:
    """(config, licence, rows) of every set of rows with a licence of its own."""
    return [
        (config, name, count)
        for config, columns in tallies.items()
        for name, count in columns.get("license", {}).items()
    ]


def cited_seeds(facts: Facts, tallies: Mapping[str, Any]) -> list[str]:
    """The human sets that rows come from or were made over, which want to be cited."""
    urls = {source.url for source in facts.inputs}
    sources = {
        name.split("-")[0] for columns in tallies.values() for name in columns.get("source", ())
    }
    return [seed.name for seed in SEEDS if seed.url in urls or seed.name.lower() in sources]


def drop_reasons(facts: Facts) -> list[tuple[str, int, str]]:
    """Why candidates were dropped: the word, how often, and what it means where that is known."""
    counted = Counter[str]()
    for funnel in facts.funnels:
        counted.update(funnel.dropped)
    return [(name, num, _meaning(name)) for name, num in counted.most_common()]


def _meaning(reason: str) -> str:
    """What `sense.strong_set.reasons` says of the word; "" of words of tables alone."""
    family = next((start for start in FAMILIES if reason.startswith(start)), "")
    return REASONS.get(reason) or FAMILIES.get(family, "")


def error_kinds(facts: Facts) -> list[tuple[str, int, int, str]]:
    """(kind, wrong answers, pairs that show it, meaning), the most frequent first."""
    answers = facts.counts["error_kinds"]
    pairs = facts.results["tallies"].get("default", {}).get("error_kind", {})
    kinds = sorted({*answers, *pairs} - {""}, key=lambda kind: (-answers.get(kind, 0), kind))
    return [(kind, answers.get(kind, 0), pairs.get(kind, 0), ERROR_KINDS[kind]) for kind in kinds]


def shown_size(num_bytes: float) -> str:
    """Bytes in the unit that suits them.

    >>> shown_size(999), shown_size(123_456)
    ('999 B', '123.5 kB')
    """
    if num_bytes < 1000:
        return f"{num_bytes} B"
    for unit in ("kB", "MB", "GB"):
        num_bytes /= 1000
        if num_bytes < 1000 or unit == "GB":
            break
    return f"{num_bytes:,.1f} {unit}"
