"""The databases that examples are written for: given or invented, checked, and published.

A database is known by its `db_id`; invented ones are built and filled before they are used.
"""

import argparse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Literal, NamedTuple

import apsw
from tqdm import tqdm

from sense.contamination import Benchmark, database_words
from sense.database import (
    build_database,
    database_paths,
    database_script,
    database_sha256,
    fill_database,
)
from sense.domains.domain import Invention, invent_databases, read_domains, split_domains
from sense.example import content_id
from sense.execution import (
    DatabaseError,
    WorkerFailure,
    execute,
    map_in_workers,
    open_read_only,
)
from sense.facts import Funnel, file_sha256, versions
from sense.filters import Rejection
from sense.publishing.output import work_folder
from sense.schema import quote_identifier, read_schema
from sense.shown import first_few
from sense.strong_set.splits import Split, held_out_databases, num_held_out

INVENTED_LICENSE = "apache-2.0"
"""Of databases that the grammar invents, as of its catalogue."""
ROWS_PER_TABLE = 60
TEST_DOMAIN_SHARE = 0.2
MAX_BUILD_SECONDS = 300.0
"""Building and filling a database takes seconds."""
MAX_SCRIPT_BYTES = 256 * 1024
"""A larger database is published as a file, so that the viewer can show the config."""


MAX_READ_BYTES = 2 * 1024**3
"""A larger file is neither read whole, which would take minutes, nor published: it is known by its
size and the time of its last change, and its rows have no `db_sha256`."""


class Database(NamedTuple):
    """A database that examples are written for."""

    db_id: str
    path: str
    domain: str
    license: str
    split: Split | Literal[""]
    """"" where both splits come from this one database."""


def usable_databases(
    folder: str | None, benchmarks: Sequence[Benchmark] = ()
) -> tuple[dict[str, Path], dict[str, Rejection]]:
    """The databases of a folder by `db_id`, and why others of it are left out.

    One that is like a database of a benchmark is left out as `contaminated_schema`. Nothing for no
    folder. Raises FileNotFoundError, and ValueError when none can be used.
    """
    if not folder:
        return {}, {}
    paths = database_paths(folder)
    faults = unusable_databases(paths)
    for db_id, path in paths.items():
        words = database_words(str(path)) if benchmarks and db_id not in faults else frozenset()
        if any(benchmark.schema_rejection(words) for benchmark in benchmarks if words):
            faults[db_id] = Rejection("contaminated_schema")
    if len(faults) == len(paths):
        left_out = "the one database is" if len(paths) == 1 else f"all {len(paths):,} databases are"
        raise ValueError(
            f"{left_out} left out of {folder}: damaged, empty or like those of the benchmarks that "
            "--against names; give others, or leave --against out"
        )
    return {db_id: path for db_id, path in paths.items() if db_id not in faults}, faults


def databases_digest(paths: Mapping[str, Path]) -> str:
    """Changes when a database does, so that a run over edited ones is not continued."""
    return content_id(*(text for db_id, path in paths.items() for text in (db_id, _stamp(path))))


def _stamp(path: Path) -> str:
    """Changes when the file does."""
    if not is_huge(path):
        return file_sha256(path)
    status = path.stat()
    return f"{status.st_size} bytes, changed at {status.st_mtime_ns}"


def database_digest(path: str | Path) -> str:
    """Its `db_sha256`, "" for a huge database."""
    return "" if is_huge(path) else database_sha256(path)


def find_or_invent(paths: Mapping[str, Path], arguments: argparse.Namespace) -> list[Database]:
    """The databases of a run: those at the paths, else invented ones, built in its work folder.

    arguments: those of builders/strong.py.
    """
    test_share = arguments.num_test / arguments.num_examples
    if paths:
        return given_databases(paths, arguments.license, test_share, arguments.seed)
    folder = work_folder(arguments.out) / "databases"
    folder.mkdir(exist_ok=True)
    return invented_databases(
        arguments.invent,
        test_share,
        arguments.seed,
        arguments.invented_names,
        folder,
        arguments.num_workers,
    )


def unusable_databases(paths: Mapping[str, Path]) -> dict[str, Rejection]:
    """Why databases cannot be used, by `db_id`: `database_corrupt` or `database_empty`.

    Damage inside a file shows only when it is read whole. Raises ValueError when none is left.
    """
    found = {db_id: _database_fault(path) for db_id, path in paths.items()}
    faults = {db_id: fault for db_id, fault in found.items() if fault}
    if len(faults) == len(paths):
        shown = [f"'{db_id}' ({fault.reason}): {fault.detail}" for db_id, fault in faults.items()]
        unusable = (
            "the one database cannot be used"
            if len(paths) == 1
            else f"none of the {len(paths):,} databases can be used"
        )
        raise ValueError(f"{unusable}: {first_few(shown)}")
    return faults


def given_databases(
    paths: Mapping[str, Path], license: str, test_share: float, seed: int
) -> list[Database]:
    """The user's databases, a seeded share of them for testing, at least one of each kind.

    A single database serves both splits, which are then kept apart by SQL template.
    """
    test = held_out_databases(dict.fromkeys(paths, ""), test_share, seed)
    return [
        Database(
            db_id=db_id,
            path=str(path),
            domain="",
            license=license,
            split="" if len(paths) == 1 else "test" if db_id in test else "train",
        )
        for db_id, path in sorted(paths.items())
    ]


def invented_databases(
    num: int, test_share: float, seed: int, invented_names: float, folder: Path, num_workers: int
) -> list[Database]:
    """`num` databases invented from the catalogue, built and filled below `folder`.

    They lie in a folder named after all that decides their content, so that none is taken for one
    of other settings. The test databases come from domains of their own, under the catalogue's
    real names; a single database serves both splits.
    """
    settings = (num, test_share, seed, invented_names, ROWS_PER_TABLE, versions()["sense-kit"])
    folder = folder / content_id(*map(str, settings))[:12]
    folder.mkdir(parents=True, exist_ok=True)
    domains = read_domains()
    num_test = num_held_out(num, test_share)
    train: Sequence[str] = sorted(domains)
    test: Sequence[str] = ()
    if num_test:
        train, test = split_domains(domains, round(TEST_DOMAIN_SHARE * len(domains)), seed)
    plan: list[tuple[Split | Literal[""], Sequence[str], int, float]] = [
        ("train" if num > 1 else "", train, num - num_test, invented_names),
        ("test", test, num_test, 0.0),
    ]
    databases, jobs = [], []
    for split, names, count, share in plan:
        if not count:
            continue
        chosen = [domains[name] for name in names]
        for invention in invent_databases(count, seed, chosen, share):
            path = folder / f"{invention.db_id}.sqlite"
            databases.append(
                Database(invention.db_id, str(path), invention.domain, INVENTED_LICENSE, split)
            )
            if not path.exists():
                jobs.append((invention, str(path), seed))
    for result in tqdm(
        map_in_workers(_build_invention, jobs, num_workers, MAX_BUILD_SECONDS),
        desc="databases",
        total=len(jobs),
    ):
        if isinstance(result, WorkerFailure):
            raise RuntimeError(f"an invented database could not be built: {result.error}")
    return databases


def database_funnel(
    databases: Sequence[Database], used: Sequence[Database], faults: dict[str, str]
) -> Funnel:
    """What became of each database: left out with its fault, without examples, or used."""
    funnel = Funnel("databases", unit="databases")
    used_ids = {database.db_id for database in used}
    db_ids = {database.db_id for database in databases} | faults.keys()
    for db_id in sorted(db_ids):
        if db_id in used_ids:
            funnel.keep()
        else:
            funnel.drop(faults.get(db_id, "no_example"))
    return funnel


def database_rows(
    databases: Iterable[Database], digests: Mapping[str, str], source: str
) -> Iterator[dict[str, Any]]:
    """Rows of config `databases`; a large database has no script and is published as a file."""
    for database in databases:
        counts = num_rows(database.path)
        yield {
            "db_id": database.db_id,
            "domain": database.domain,
            "db_sha256": digests[database.db_id],
            "script": "" if is_large(database.path) else database_script(database.path),
            "source": source,
            "license": database.license,
            "num_tables": len(counts),
            "num_rows": sum(counts.values()),
        }


def database_files(databases: Iterable[Database]) -> dict[str, str]:
    """Path in the published folder -> file, of the databases that are too large for a script."""
    return {
        f"databases/{database.db_id}/{database.db_id}.sqlite": database.path
        for database in databases
        if is_large(database.path) and not is_huge(database.path)
    }


def unpublished(databases: Iterable[Database]) -> dict[str, int]:
    """The databases that are too large to be published, as a table of counts."""
    return {database.db_id: 1 for database in databases if is_huge(database.path)}


def is_large(path: str | Path) -> bool:
    """Whether it is published as a file instead of a script."""
    return Path(path).stat().st_size > MAX_SCRIPT_BYTES


def is_huge(path: str | Path) -> bool:
    """Whether it is not published, and never read whole."""
    return Path(path).stat().st_size > MAX_READ_BYTES


def num_rows(path: str | Path) -> dict[str, int]:
    """Rows of each table of the database, views left out; none is counted of a huge one."""
    if is_huge(path):
        return dict.fromkeys((t.name for t in read_schema(path).tables if not t.is_view), 0)
    tables = [table.name for table in read_schema(path).tables if not table.is_view]
    with closing(open_read_only(path)) as connection:
        return {
            name: connection.execute(f"SELECT count(*) FROM {quote_identifier(name)}").get
            for name in tables
        }


def _database_fault(path: Path) -> Rejection | None:
    try:
        for table in read_schema(path).tables:
            if not table.is_view:
                query = f"SELECT 1 FROM {quote_identifier(table.name)} LIMIT 1"
                if execute(path, query).rows:
                    return None
    except (DatabaseError, apsw.CorruptError) as error:
        reason = "database_corrupt" if path.stat().st_size else "database_empty"
        return Rejection(reason, str(error))
    return Rejection("database_empty", "no table of it has rows")


def _build_invention(job: tuple[Invention, str, int]) -> None:
    invention, path, seed = job
    draft = Path(path).with_suffix(".draft")
    build_database(invention.script, draft)
    fill_database(draft, ROWS_PER_TABLE, seed, vocabularies=invention.vocabularies)
    draft.rename(path)
