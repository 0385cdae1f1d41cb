"""What a run of builders/strong.py reads: databases, benchmarks, examples to show.

All of it is looked at before any work, so that what cannot be used costs nothing.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sense.contamination import Benchmark, read_benchmark
from sense.coverage.plan import Plan
from sense.example import content_id
from sense.facts import Input, versions
from sense.publishing.figures import check_figures
from sense.publishing.license import check_license, inherited_license, seed_of
from sense.publishing.output import check_output
from sense.publishing.push import check_push
from sense.servers.options import check_servers
from sense.strong_set.collection import (
    INVENTED_LICENSE,
    MAX_READ_BYTES,
    databases_digest,
    is_huge,
    usable_databases,
)
from sense.strong_set.options import run_settings
from sense.teaching.shots import Shot, read_shots


class Sources(NamedTuple):
    """What a run reads."""

    paths: Mapping[str, Path]
    """The given databases by `db_id`; none where they are invented."""
    faults: Mapping[str, str]
    """Given databases that are left out, with the reason."""
    benchmarks: Sequence[Benchmark]
    """What no row may be like."""
    shots: Sequence[Shot]
    """Examples that a teacher is shown."""


def check_places(arguments: argparse.Namespace) -> None:
    """Looks at where the set goes and who is asked, and sets the licence of given databases.

    Raises the errors of a folder, a server, a Hub repository or a licence that cannot be used.
    """
    check_output(arguments.out)
    check_figures()
    if arguments.license:
        check_license(arguments.license)
    if arguments.databases:
        arguments.license = inherited_license(arguments.databases, arguments.license)
    check_servers(arguments)
    if arguments.push:
        check_push(arguments.push)


def read_sources(arguments: argparse.Namespace) -> Sources:
    """What the arguments name; prints the databases that are left out or not published."""
    shots = read_shots(arguments.few_shot, arguments.seed) if arguments.few_shot else []
    benchmarks = [read_benchmark(source) for source in arguments.against]
    paths, rejections = usable_databases(arguments.databases, benchmarks)
    for db_id, fault in rejections.items():
        detail = f": {fault.detail}" if fault.detail else ""
        print(f"left out: {db_id} ({fault.reason}){detail}", flush=True)
    for db_id in (db_id for db_id, path in paths.items() if is_huge(path)):
        print(
            f"not published with the set: {db_id} (more than {MAX_READ_BYTES / 1e9:.1f} GB); keep "
            "the file, since nobody can execute its queries without it, or give a smaller copy",
            flush=True,
        )
    faults = {db_id: fault.reason for db_id, fault in rejections.items()}
    return Sources(paths, faults, benchmarks, shots)


def settings_of(
    arguments: argparse.Namespace, plan: Plan | None, sources: Sources
) -> dict[str, Any]:
    """The arguments and sources that decide the rows."""
    settings = run_settings(arguments, plan) | {
        "benchmarks": [benchmark.name for benchmark in sources.benchmarks],
        "databases_digest": databases_digest(sources.paths),
    }
    if arguments.teacher == "openai":
        settings["shots_digest"] = content_id(*map(repr, sources.shots))
    return settings


def used_versions() -> dict[str, Any]:
    """The versions that decide the rows beside the settings: those of others are not continued."""
    found = versions()
    return {"versions": {name: found[name] for name in ("sense-kit", "sqlite", "sqlglot")}}


def inputs_of(arguments: argparse.Namespace, sources: Sources) -> list[Input]:
    """The models, what they were shown, the databases and the benchmarks, for the card."""
    models = [arguments.model, arguments.voter if arguments.voter != arguments.model else None]
    found = [Input(model, kind="model") for model in models if model]
    if arguments.few_shot:
        found.append(_folder_input(arguments.few_shot, "few-shot examples"))
    if arguments.databases:
        found.append(_folder_input(arguments.databases, "databases", arguments.license))
    elif arguments.invent:
        catalogue = "sense/domains/domains.yaml"
        found.append(Input(catalogue, kind="databases", license=INVENTED_LICENSE))
    return [*found, *(Input(benchmark.name, kind="benchmark") for benchmark in sources.benchmarks)]


def _folder_input(folder: str, kind: str, license: str = "") -> Input:
    """A folder of the user, with the licence and address of a known set that it holds."""
    seed = seed_of(folder)
    known = (seed.license, seed.url) if seed else ("", "")
    return Input(Path(folder).name, kind=kind, license=license or known[0], url=known[1])
