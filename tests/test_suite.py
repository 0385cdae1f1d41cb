"""Reading suites: what a gold is judged on, and errors that say what is missing."""

import json
from pathlib import Path

import pytest
from conftest import write_database

from sense.database import UnknownDatabase
from sense.suite import gold_key, read_suite
from sense.verdict import Unit, judge

GOLD = "SELECT name FROM pet WHERE age > 3"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An original and two variants of a database, without an index."""
    for name, age in (("pets", 5), ("1", 3), ("2", 4)):
        write_database(
            tmp_path / "pets" / f"{name}.sqlite",
            f"CREATE TABLE pet (name TEXT, age INTEGER); INSERT INTO pet VALUES ('Rex', {age})",
        )
    return tmp_path


def write_index(folder: Path, instances: list[int]) -> None:
    index = {
        "instances": [{"file": f"{name}.sqlite"} for name in ("pets", "1", "2")],
        "golds": {GOLD: {"instances": instances}},
    }
    (folder / "pets" / "index.json").write_text(json.dumps(index))


def names(paths: tuple[Path, ...]) -> list[str]:
    return [path.name for path in paths]


def test_without_an_index_every_gold_uses_all_files_and_the_original_first(folder: Path) -> None:
    paths = read_suite(folder).paths("pets", GOLD)
    assert names(paths) == ["pets.sqlite", "1.sqlite", "2.sqlite"]


def test_an_index_names_the_instances_of_a_gold(folder: Path) -> None:
    write_index(folder, [0, 2])
    assert names(read_suite(folder).paths("pets", GOLD)) == ["pets.sqlite", "2.sqlite"]


def test_a_gold_is_found_with_other_quotes_spaces_and_semicolon(folder: Path) -> None:
    write_index(folder, [0, 2])
    assert len(read_suite(folder).paths("pets", f"  {GOLD.replace(' ', '  ')} ;\n")) == 2
    assert gold_key('a = "x"') == gold_key("a = 'x'")


def test_golds_that_differ_in_spelling_share_the_instances_of_both(folder: Path) -> None:
    write_index(folder, [0, 2])
    index = folder / "pets" / "index.json"
    content = json.loads(index.read_text())
    content["golds"][GOLD + " ;"] = {"instances": [0, 1]}
    index.write_text(json.dumps(content))
    assert len(read_suite(folder).paths("pets", GOLD)) == 3


def test_a_gold_that_the_index_lacks_uses_all_files(folder: Path) -> None:
    write_index(folder, [0])
    assert len(read_suite(folder).paths("pets", "SELECT age FROM pet")) == 3


def test_an_answer_that_only_a_variant_refutes_is_incorrect_on_the_suite(folder: Path) -> None:
    (original, *variants) = read_suite(folder).paths("pets", GOLD)
    wrong = "SELECT name FROM pet WHERE age > 4"
    on_original = judge(Unit((str(original),), GOLD, (wrong,)))[1][0]
    on_suite = judge(Unit((str(original), *map(str, variants)), GOLD, (wrong,)))[1][0]
    assert (on_original.verdict, on_suite.verdict) == ("correct", "incorrect")
    assert on_original.alone is None
    assert on_suite.alone == on_original


def test_an_unknown_database_is_an_error_that_names_the_closest(folder: Path) -> None:
    with pytest.raises(UnknownDatabase, match="closest match: 'pets'"):
        read_suite(folder).paths("pet", GOLD)


def test_a_missing_folder_and_a_folder_of_other_things_are_errors(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no folder at"):
        read_suite(tmp_path / "none")
    (tmp_path / "notes").mkdir()
    with pytest.raises(FileNotFoundError, match="holds no suite; expected database variants"):
        read_suite(tmp_path)


def test_variants_without_their_original_are_an_error(folder: Path) -> None:
    (folder / "pets" / "pets.sqlite").unlink()
    with pytest.raises(FileNotFoundError, match=r"not the original, pets\.sqlite"):
        read_suite(folder)


def test_an_instance_that_the_index_lists_and_the_folder_lacks_is_an_error(folder: Path) -> None:
    write_index(folder, [0, 1])
    (folder / "pets" / "2.sqlite").unlink()
    with pytest.raises(FileNotFoundError, match=r"lacks 2\.sqlite.*1 of 3 instances"):
        read_suite(folder)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"instances": [], "golds": {}}', '{"instances": [{"file": 1}]}']
)
def test_a_broken_index_is_an_error_that_names_the_builder(folder: Path, text: str) -> None:
    (folder / "pets" / "index.json").write_text(text)
    with pytest.raises(ValueError, match=r"index\.json .*builders/suite\.py"):
        read_suite(folder)


def test_an_index_whose_golds_use_instances_that_it_does_not_list_is_an_error(folder: Path) -> None:
    write_index(folder, [0, 3])
    with pytest.raises(ValueError, match="golds that use others"):
        read_suite(folder)


def test_the_hash_changes_with_the_content_and_with_nothing_else(folder: Path) -> None:
    before = read_suite(folder).hash
    (folder / "README.md").write_text("notes")
    assert read_suite(folder).hash == before
    write_index(folder, [0, 1])
    indexed = read_suite(folder).hash
    write_index(folder, [0, 2])
    assert len({before, indexed, read_suite(folder).hash}) == 3
