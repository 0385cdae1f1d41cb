"""What a card says of how rows were checked, who wrote them, and what they were kept apart from.

Each function gives a part of `Facts.results`, which the card of that kind of set needs.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sense.execution import DEFAULT_LIMITS
from sense.facts import versions

if TYPE_CHECKING:
    from sense.contamination import Benchmark


def limit_facts() -> dict[str, Any]:
    """The engine that ran the queries and what each might use."""
    values = {
        name: value for name, value in asdict(DEFAULT_LIMITS).items() if name.startswith("max_")
    }
    return {"limits": {"engine": f"SQLite {versions()['sqlite']}", **values}}


def teacher_facts(name: str, prompts: Mapping[str, str], terms: str) -> dict[str, Any]:
    """Who wrote the rows.

    prompts: the SHA-256 of the fixed words of each kind of request, none for a grammar; terms: a
    sentence on whose terms of use hold for what it wrote.
    """
    return {"teacher": {"name": name, "prompts": dict(prompts), "terms": terms}}


def decontamination_facts(benchmarks: Iterable["Benchmark"]) -> dict[str, Any]:
    """The benchmarks that rows were compared with, and from where on a row was too like one."""
    from sense.contamination import LIKE_SCHEMA, MIN_COVERED, NUM_WORDS, SAME_SCHEMA

    names = {benchmark.name: bool(benchmark.schemas) for benchmark in benchmarks}

    return {
        "decontamination": {
            "benchmarks": list(names),
            "without_schemas": [name for name, has_schemas in names.items() if not has_schemas],
            "num_words": NUM_WORDS,
            "min_covered": MIN_COVERED,
            "same_schema": SAME_SCHEMA,
            "like_schema": LIKE_SCHEMA,
        }
    }
