"""Fixtures that several test files share: SQLite files, and the folder of real data if any."""

import json
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

pytest_plugins = ["hub"]  # the fixture `hub`: a local Hub

SHARED_DATA = Path(
    os.environ.get("SENSE_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data")
)

WORLD_SCRIPT = """
CREATE TABLE country (
    code TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    continent TEXT NOT NULL,
    population INTEGER NOT NULL
);
CREATE TABLE city (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    country_code TEXT NOT NULL REFERENCES country(code),
    population INTEGER
);
INSERT INTO country VALUES
    ('CHN', 'China', 'Asia', 1277558000), ('IND', 'India', 'Asia', 1013662000),
    ('MDV', 'Maldives', 'Asia', 286000), ('NGA', 'Nigeria', 'Africa', 111506000),
    ('SYC', 'Seychelles', 'Africa', 77000), ('FRA', 'France', 'Europe', 59225700);
INSERT INTO city VALUES
    (1, 'Shanghai', 'CHN', 9696300), (2, 'Delhi', 'IND', 7206704), (3, 'Male', 'MDV', 71000),
    (4, 'Lagos', 'NGA', 1518000), (5, 'Victoria', 'SYC', 41000), (6, 'Paris', 'FRA', 2125246),
    (7, 'Lyon', 'FRA', 445452), (8, 'Peking', 'CHN', NULL);
"""
PETS_SCRIPT = """
CREATE TABLE pet (name, kind, age INTEGER);
INSERT INTO pet VALUES ('Rex', 'dog', 5), ('Tom', 'cat', 3), ('Bo', 'dog', 5);
"""
TOWN_SCRIPT = "CREATE TABLE street (name TEXT); INSERT INTO street VALUES ('Main');"


def write_database(path: Path, script: str) -> Path:
    """A SQLite file at `path` holding what the script creates."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path)
    connection.executescript(script)
    connection.close()
    return path


def write_spider(folder: Path, **files: Sequence[tuple[str, str, str]]) -> Path:
    """A folder in Spider's layout; files: (db_id, question, query) of each row, as in `dev`.

    It has the databases `world`, `pets` and `town`.
    """
    for name, script in (("world", WORLD_SCRIPT), ("pets", PETS_SCRIPT), ("town", TOWN_SCRIPT)):
        write_database(folder / "database" / name / f"{name}.sqlite", script)
    keys = ("db_id", "question", "query")
    for name, rows in files.items():
        listed = [dict(zip(keys, row, strict=True)) for row in rows]
        (folder / f"{name}.json").write_text(json.dumps(listed))
    return folder


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """Countries and cities: two tables, one foreign key, a NULL."""
    return write_database(tmp_path / "world" / "world.sqlite", WORLD_SCRIPT)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real databases and published predictions; its tests are skipped without it."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no Spider and BIRD data at {SHARED_DATA}; set SENSE_SHARED_DATA to run this")
    return SHARED_DATA
