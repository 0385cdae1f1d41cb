"""Spider and BIRD folders, prediction files, and what their errors say."""

import json
from pathlib import Path
from typing import Any

import pytest

from sense.inputs.reading import (
    Prediction,
    read_bird,
    read_predictions,
    read_questions,
    read_spider,
)

SPIDER_ROW = {
    "db_id": "world",
    "question": "How many?",
    "query": "SELECT 1",
    "query_toks": ["SELECT"],
}
LINE = {"db_id": "world", "question": "How many?", "gold": "SELECT 1", "pred": "SELECT 2"}


def write(path: Path, value: Any) -> Path:
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return path


def test_spider_rows_in_official_order(tmp_path: Path) -> None:
    write(tmp_path / "train_spider.json", [SPIDER_ROW])
    write(tmp_path / "train_others.json", [{**SPIDER_ROW, "db_id": "geo"}])
    row = {"db_id": "world", "question": "How many?", "sql": "SELECT 1", "evidence": ""}
    assert list(read_spider(tmp_path, "train")) == [row, {**row, "db_id": "geo"}]


def test_spider_train_without_others(tmp_path: Path) -> None:
    write(tmp_path / "train_spider.json", [SPIDER_ROW])
    assert len(list(read_spider(tmp_path, "train"))) == 1


def test_bird_rows_have_evidence_and_difficulty(tmp_path: Path) -> None:
    row = {
        "db_id": "a",
        "question": "q",
        "SQL": "SELECT 1",
        "evidence": "e",
        "difficulty": "simple",
    }
    write(tmp_path / "dev.json", [row, {**row, "evidence": None}])
    first, second = read_bird(tmp_path, "dev")
    assert first == {
        "db_id": "a",
        "question": "q",
        "sql": "SELECT 1",
        "evidence": "e",
        "difficulty": "simple",
    }
    assert second["evidence"] == ""


def test_predictions_with_and_without_the_optional_keys(tmp_path: Path) -> None:
    more = {"idx": 7, "evidence": "e", "system": "s", "completion": "c", "logprob": -1, "x": 0}
    text = f"{json.dumps(LINE)}\n\n{json.dumps({**LINE, **more})}\n"
    assert list(read_predictions(write(tmp_path / "p.jsonl", text))) == [
        Prediction(0, "world", "How many?", "SELECT 1", "SELECT 2"),
        Prediction(7, "world", "How many?", "SELECT 1", "SELECT 2", "e", "s", "c", -1.0),
    ]


def test_empty_prediction_is_a_prediction(tmp_path: Path) -> None:
    path = write(tmp_path / "p.jsonl", {**LINE, "pred": ""})
    assert next(read_predictions(path)).pred == ""


def test_line_separators_inside_texts_do_not_split_lines(tmp_path: Path) -> None:
    line = json.dumps({**LINE, "question": "a\u2028b\x85c"}, ensure_ascii=False)
    [prediction] = read_predictions(write(tmp_path / "p.jsonl", line))
    assert prediction.question == "a\u2028b\x85c"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", r"p\.jsonl is empty"),
        (" \n\n", r"p\.jsonl is empty"),
        (json.dumps([LINE]), "holds a JSON array; expected JSON lines"),
        (f"{json.dumps(LINE)}\n{{'a': 1}}", r"line 2 is not JSON: .* column 2"),
        ('{"db_id": "concert', "line 1 is not JSON: Unterminated string starting at column 11;"),
        (json.dumps({**LINE, "gold": "a\ud800"}), r"line 1 has half a character, '\\ud800', in 'g"),
        ('{"a": ' + "[" * 100_000, r"line 1 holds JSON that is nested too deeply"),
        (f'{json.dumps(LINE)}\n"text"', "line 2 holds a string; expected a JSON object"),
        (json.dumps({"db_id": "a", "gold": "b"}), "line 1 lacks 'question', 'pred'; it has"),
        (json.dumps({**LINE, "pred": None}), "line 1 has null as 'pred'.*write an empty string"),
        (json.dumps({**LINE, "gold": 3}), "line 1 has the number 3 as 'gold'; expected a string"),
        (json.dumps({**LINE, "evidence": ["x"]}), "line 1 has an array as 'evidence'"),
        (json.dumps({**LINE, "idx": "7"}), "line 1 has a string as 'idx'; expected a number"),
        (json.dumps({**LINE, "logprob": True}), "line 1 has true as 'logprob'"),
    ],
)
def test_bad_predictions_are_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        list(read_predictions(write(tmp_path / "p.jsonl", text)))


def test_invalid_utf8_names_line_and_byte(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_bytes(json.dumps(LINE).encode() + b'\n{"db_id": "caf\xe9"}')
    with pytest.raises(ValueError, match=r"line 2, is not UTF-8 \(byte 0xe9 at 98\)"):
        list(read_predictions(path))
    path.write_bytes(b"\xef\xbb\xbf{\xe9}")
    with pytest.raises(ValueError, match=r"line 1, is not UTF-8 \(byte 0xe9 at 4\)"):
        list(read_predictions(path))


def test_predictions_are_read_one_by_one(tmp_path: Path) -> None:
    found = read_predictions(write(tmp_path / "p.jsonl", f'{json.dumps(LINE)}\n{{"a": \n{{}}\n'))
    assert next(found).question == "How many?"
    with pytest.raises(ValueError, match="line 2 is not JSON: Expecting value at column 6;"):
        next(found)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{}", r"dev\.json holds an object; expected a JSON array"),
        ("[1]", r"dev\.json, row 0 is the number 1; expected an object"),
        ('[\n{"db_id": }]', r"dev\.json is not JSON: .* line 2, column 11"),
        (json.dumps([SPIDER_ROW, {"db_id": "a"}]), r"dev\.json, row 1 lacks 'question', 'query'"),
        (json.dumps([{**SPIDER_ROW, "query": None}]), r"dev\.json, row 0 has null as 'query'"),
    ],
)
def test_bad_spider_files_are_named(tmp_path: Path, text: str, words: str) -> None:
    write(tmp_path / "dev.json", text)
    with pytest.raises(ValueError, match=words):
        list(read_spider(tmp_path, "dev"))


def test_missing_file_says_what_is_there(tmp_path: Path) -> None:
    write(tmp_path / "tables.json", "[]")
    with pytest.raises(FileNotFoundError, match=r"dev\.json does not exist.* has tables\.json"):
        list(read_spider(tmp_path, "dev"))
    with pytest.raises(FileNotFoundError, match="has no JSON file"):
        read_predictions(tmp_path / "none" / "p.jsonl")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        read_predictions(tmp_path)


def test_real_files_are_read_whole(shared_data: Path) -> None:
    assert sum(1 for _ in read_spider(shared_data / "spider", "train")) == 8_659
    assert sum(1 for _ in read_spider(shared_data / "spider", "dev")) == 1_034
    assert sum(1 for _ in read_questions(shared_data / "bird" / "dev_superhero.json", "SQL")) == 129
    for path in sorted((shared_data / "predictions").glob("*.jsonl")):
        assert [p.idx for p in read_predictions(path)] == list(range(1_034))
