"""Licences: rows over the databases of Spider or BIRD inherit theirs."""

from pathlib import Path

import pytest

from sense.publishing.license import inherited_license, seed_of


@pytest.fixture
def spider(tmp_path: Path) -> Path:
    (tmp_path / "spider" / "database").mkdir(parents=True)
    (tmp_path / "spider" / "train_spider.json").write_text("[]")
    return tmp_path / "spider"


def test_rows_over_databases_of_spider_are_share_alike(spider: Path) -> None:
    for folder in (spider / "database", spider):
        assert inherited_license(folder, "unknown") == "cc-by-sa-4.0"
        assert inherited_license(folder, "cc-by-sa-4.0") == "cc-by-sa-4.0"


def test_another_licence_for_them_is_refused(spider: Path) -> None:
    with pytest.raises(ValueError, match="are those of Spider, whose licence"):
        inherited_license(spider / "database", "mit")


def test_databases_of_the_user_keep_what_the_user_says(tmp_path: Path) -> None:
    assert inherited_license(tmp_path, "mit") == "mit"
    assert inherited_license(tmp_path, "unknown") == "unknown"


def test_databases_of_bird_are_known_by_their_folder(tmp_path: Path) -> None:
    databases = tmp_path / "train_databases"
    databases.mkdir()
    seed = seed_of(databases)
    assert seed is not None
    assert (seed.name, seed.license) == ("BIRD", "cc-by-sa-4.0")


def test_real_spider_is_known(shared_data: Path) -> None:
    seed = seed_of(shared_data / "spider" / "database")
    assert seed is not None
    assert seed.name == "Spider"
