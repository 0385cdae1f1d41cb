"""The examples that a request shows a teacher, from a Spider folder or a published set."""

from pathlib import Path

import pytest
from conftest import WORLD_SCRIPT, write_database, write_spider

from sense.teaching.shots import read_shots


def test_examples_of_a_spider_folder(tmp_path: Path) -> None:
    rows = [
        ("world_1", "How many  cities?", "SELECT count(*) FROM city"),
        ("broken", "How many?", "SELECT 1"),
        ("world_1", "Name the countries", "SELECT name FROM country"),
        ("nowhere", "How many?", "SELECT 1"),
    ]
    spider = write_spider(tmp_path / "spider", train_spider=rows)
    write_database(spider / "database" / "world_1" / "world_1.sqlite", WORLD_SCRIPT)
    broken = spider / "database" / "broken" / "broken.sqlite"
    broken.parent.mkdir()
    broken.write_text("not a database")
    first, second = read_shots(str(spider))
    assert (first.domain, first.question) == ("world", "How many cities?")
    assert "CREATE TABLE city" in first.schema
    assert second.sql == "SELECT name FROM country"


def test_a_source_without_usable_examples_is_refused(tmp_path: Path) -> None:
    rows = [("nowhere", "How many?", "SELECT 1")]
    spider = write_spider(tmp_path / "spider", train_spider=rows)
    with pytest.raises(ValueError, match="holds 0 usable examples, at least 2 are needed"):
        read_shots(str(spider))
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"holds neither train_spider\.json nor Parquet"):
        read_shots(str(tmp_path / "empty"))
    with pytest.raises(FileNotFoundError, match="is no folder here and no dataset id"):
        read_shots(str(tmp_path / "missing"))
