"""Overlap with benchmarks: rows of Spider planted into clean ones are found, others are left."""

import json
from collections import Counter
from pathlib import Path
from typing import TypeAlias

import pytest

from sense.contamination import (
    Benchmark,
    SchemaWords,
    contamination,
    listed_schemas,
    read_benchmark,
    schema_words,
)
from sense.database import build_database, fill_database
from sense.domains.domain import invent_databases, read_domains
from sense.filters import Rejection
from sense.grammar import sample_examples
from sense.schema import Column, Schema, Table, read_schema

PARAPHRASES = Path(__file__).parent / "fixtures" / "contamination" / "paraphrases.jsonl"
Planted: TypeAlias = dict[str, list[tuple[str, str, SchemaWords]]]
"""Kind -> question, SQL and schema of rows."""
SHOP = Schema(
    (
        Table("shop", tuple(Column(name, "TEXT") for name in ("Shop_ID", "Name", "Location"))),
        Table("visits", tuple(Column(name, "INT") for name in ("visit_id", "shop_id", "num"))),
    )
)
ROWS = [
    ("shops", "Which shops in Oslo have more than 5 visits on a single day?",
     "SELECT T1.name FROM shop AS T1 JOIN visits AS T2 ON T1.shop_id = T2.shop_id "
     "WHERE T1.location = 'Oslo' AND T2.num > 5"),
]  # fmt: skip
ALIKE = schema_words(SHOP) - {"visit.visitid", "shop.shopid"} | {"owner.name", "owner.age"}
"""Half of the names are those of the benchmark."""


@pytest.fixture
def toy() -> Benchmark:
    return Benchmark("toy, test", ROWS, {"shops": schema_words(SHOP), "unused": frozenset("ab")})


def test_a_schema_of_the_benchmark_is_found_under_other_spelling(toy: Benchmark) -> None:
    table = Table("Shops", tuple(Column(name, "TEXT") for name in ("shopId", "name", "location")))
    visits = Table("visit", tuple(Column(name, "INT") for name in ("VisitID", "ShopID", "num")))
    found = toy.schema_rejection(schema_words(Schema((table, visits))))
    assert found == Rejection("contaminated_schema", "toy, test: 'shops', similarity 1.00")
    assert toy.schema_rejection(ALIKE) is None


def test_a_question_is_found_with_a_few_words_changed(toy: Benchmark) -> None:
    found = toy.question_rejection("Name shops in Oslo have more than 5 visits on a single day!")
    shared = "shops in oslo have more than 5 visits on a single day"
    assert found == Rejection("contaminated_question", f"toy, test: 8-grams, '{shared}'")


def test_a_stock_phrase_is_no_overlap() -> None:
    asked = "What are the names and ages of all the students who own more than two dogs?"
    other = "What are the names and ages of all the pilots flying to Oslo or Rome on a given day?"
    benchmark = Benchmark("toy, test", [("a", asked, "SELECT 1")], {})
    assert benchmark.question_rejection(other) is None


def test_sql_is_found_whatever_its_values_aliases_and_spelling(toy: Benchmark) -> None:
    sql = (
        "select shop.name from shop join visits on shop.shop_id = visits.shop_id "
        "where location = 'Rome' and num > 70"
    )
    expected = Rejection("contaminated_sql", "toy, test: gold over 'shops'")
    assert toy.sql_rejection(sql, ALIKE) == expected
    assert toy.sql_rejection(sql.replace("> 70", "< 70"), ALIKE) is None


def test_equal_sql_over_an_unlike_schema_is_no_overlap(toy: Benchmark) -> None:
    assert toy.sql_rejection(ROWS[0][2], frozenset({"shop.name", "a.b", "c.d", "e.f"})) is None


def test_text_that_is_no_sql_overlaps_only_itself(toy: Benchmark) -> None:
    assert toy.sql_rejection("SELECT (", ALIKE) is None


def test_the_benchmark_that_is_overlapped_is_named(toy: Benchmark) -> None:
    other = Benchmark("other, dev", [("x", "How many?", "SELECT 1")], {})
    found = contamination("how many", "SELECT a FROM t", frozenset(), [toy, other])
    assert found == Rejection("contaminated_question", "other, dev: 8-grams, 'how many'")
    assert contamination("Who?", "SELECT a FROM t", frozenset(), [toy, other]) is None


def test_a_benchmark_is_read_from_a_folder_or_a_file(tmp_path: Path) -> None:
    row = {"db_id": "shops", "question": ROWS[0][1], "SQL": ROWS[0][2]}
    tables = {
        "db_id": "shops",
        "table_names_original": ["shop"],
        "column_names_original": [[-1, "*"], [0, "Name"], [0, "Location"]],
    }
    (tmp_path / "dev.json").write_text(json.dumps([row]))
    (tmp_path / "dev_tables.json").write_text(json.dumps([tables]))
    folder, file = read_benchmark(str(tmp_path)), read_benchmark(str(tmp_path / "dev.json"))
    assert (folder.name, file.name) == (f"{tmp_path.name}, dev", "dev.json")
    schema = frozenset({"shop.name", "shop.location"})
    assert folder.schema_rejection(schema)
    assert file.schema_rejection(schema)
    assert file.question_rejection(ROWS[0][1])
    (tmp_path / "dev_tables.json").unlink()
    assert not read_benchmark(str(tmp_path / "dev.json")).schemas


def test_a_broken_tables_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "dev.json").write_text("[]")
    (tmp_path / "tables.json").write_text('[{"db_id": "shops"}]')
    with pytest.raises(ValueError, match=r"tables.json, row 0 describes no schema"):
        read_benchmark(str(tmp_path))


@pytest.fixture(scope="module")
def spider_dev(shared_data: Path) -> Benchmark:
    return read_benchmark(str(shared_data / "spider"))


def test_planted_rows_of_a_benchmark_are_found(planted: Planted, spider_dev: Benchmark) -> None:
    assert {kind: len(rows) for kind, rows in planted.items()} == {
        "exact": 1034, "realistic": 508, "paraphrase": 42,
    }  # fmt: skip
    for rows in planted.values():
        assert all(contamination(*row, [spider_dev]) for row in rows)


def test_planted_rows_are_found_where_half_of_the_database_is_another(
    planted: Planted, spider_dev: Benchmark
) -> None:
    for rows in planted.values():
        changed = [(question, sql, half_of(schema)) for question, sql, schema in rows[::3]]
        assert all(spider_dev.schema_rejection(schema) is None for *_, schema in changed)
        assert all(contamination(*row, [spider_dev]) for row in changed)


def test_questions_alone_show_little_of_a_paraphrase(
    planted: Planted, spider_dev: Benchmark
) -> None:
    num_found = {
        kind: sum(spider_dev.question_rejection(question) is not None for question, *_ in rows)
        for kind, rows in planted.items()
    }
    assert num_found == {"exact": 1034, "realistic": 355, "paraphrase": 0}


def test_training_rows_over_other_databases_are_left(
    shared_data: Path, spider_dev: Benchmark
) -> None:
    folder = shared_data / "spider"
    schemas = listed_schemas(folder / "tables.json")
    rows = json.loads((folder / "train_spider.json").read_text())
    found = [
        contamination(row["question"], row["query"], schemas[row["db_id"]], [spider_dev])
        for row in rows
    ]
    counts = Counter(rejection.reason for rejection in found if rejection)
    assert counts == {"contaminated_question": 35}  # 6 of them are equal to a dev question


def test_rows_of_the_grammar_over_invented_databases_are_left(
    tmp_path: Path, spider_dev: Benchmark
) -> None:
    domains = read_domains()
    chosen = [domains[name] for name in sorted(domains)[:6]]
    found = []
    for invention in invent_databases(6, 0, chosen, 0.0):
        path = tmp_path / f"{invention.db_id}.sqlite"
        build_database(invention.script, path)
        fill_database(path, 40, 0, vocabularies=invention.vocabularies)
        schema = schema_words(read_schema(path))
        for row in sample_examples(path, 40, 0):
            found.append(contamination(row.question, row.sql, schema, [spider_dev]))
    assert len(found) > 200
    assert [rejection for rejection in found if rejection] == []


@pytest.fixture(scope="module")
def planted(shared_data: Path) -> Planted:
    """Question, SQL and schema of the rows that a clean set must not hold."""
    folder = shared_data / "spider"
    schemas = listed_schemas(folder / "tables.json")
    dev = json.loads((folder / "dev.json").read_text())
    realistic = json.loads(
        (shared_data / "robust" / "spider_realistic" / "spider-realistic.json").read_text()
    )
    reworded = [json.loads(line) for line in PARAPHRASES.read_text().splitlines()]
    paraphrases = [{**dev[item["row"]], "question": item["question"]} for item in reworded]
    return {
        kind: [(row["question"], row["query"], schemas[row["db_id"]]) for row in rows]
        for kind, rows in (("exact", dev), ("realistic", realistic), ("paraphrase", paraphrases))
    }


def half_of(schema: SchemaWords) -> SchemaWords:
    """Half of the names with as many others: the similarity is a third."""
    kept = sorted(schema)[::2]
    return frozenset(kept) | {f"other.column{n}" for n in range(len(schema) - len(kept))}
