"""Files of predictions in three formats, aligned with their golds or refused by line."""

import json
from pathlib import Path
from typing import Any

import pytest

from sense.inputs.predictions import Gold, extracted, read_golds, read_systems

MARK = "\t----- bird -----\t"
GOLDS = "SELECT 1\tworld\nSELECT  2\tworld\nSELECT 3\tpets\n"
LINES = [
    {"db_id": "world", "question": "one?", "gold": "SELECT 1", "pred": "SELECT 1"},
    {"db_id": "world", "question": "two?", "gold": "SELECT 2", "pred": "SELECT 7"},
    {"db_id": "pets", "question": "three?", "gold": "SELECT 3", "pred": ""},
]


def write(path: Path, value: Any) -> Path:
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return path


def lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def gold(tmp_path: Path) -> Path:
    return write(tmp_path / "gold.sql", GOLDS)


def preds(path: Path, gold: Path | None = None) -> list[str]:
    [system] = read_systems([path], gold)
    return [p.pred for p in system.predictions]


def test_spider_file_has_a_query_per_line(tmp_path: Path, gold: Path) -> None:
    path = write(tmp_path / "codex.txt", "SELECT 1\r\nSELECT 7\tworld\r\nSELECT 3")
    [system] = read_systems([path], gold)
    assert system.name == "codex"
    assert [(p.idx, p.db_id, p.gold, p.pred) for p in system.predictions] == [
        (0, "world", "SELECT 1", "SELECT 1"),
        (1, "world", "SELECT  2", "SELECT 7"),
        (2, "pets", "SELECT 3", "SELECT 3"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\nSELECT 7\n\n", ["", "SELECT 7", ""]),
        ("SELECT 1\n\nSELECT 7\n\nSELECT 3\n\n\n", ["SELECT 1", "SELECT 7", "SELECT 3"]),
        ("SELECT 1\nI do not know\nSELECT 3\n", ["SELECT 1", "I do not know", "SELECT 3"]),
    ],
    ids=["empty answers", "dialogues", "prose"],
)
def test_empty_line_is_an_answer_only_where_the_numbers_say_so(
    tmp_path: Path, gold: Path, text: str, expected: list[str]
) -> None:
    assert preds(write(tmp_path / "a.txt", text), gold) == expected


def test_golds_of_dev_json_bring_questions_and_evidence(tmp_path: Path) -> None:
    row = {"db_id": "world", "question": "one?"}
    spider = write(tmp_path / "dev.json", [{**row, "query": "SELECT 1"}])
    bird = write(
        tmp_path / "bird.json", [{**row, "SQL": "SELECT 1", "question_id": 717, "evidence": "e"}]
    )
    assert read_golds(spider) == [Gold(0, "world", "one?", "SELECT 1")]
    assert read_golds(bird) == [Gold(717, "world", "one?", "SELECT 1", "e")]


@pytest.mark.parametrize("keys", [("0", "1"), ("717", "725")], ids=["positions", "question ids"])
def test_bird_file_has_numbered_queries(tmp_path: Path, keys: tuple[str, str]) -> None:
    row = {"db_id": "hero", "question": "?", "SQL": "SELECT 1"}
    golds = write(tmp_path / "dev.json", [{**row, "question_id": 717}, {**row, "question_id": 725}])
    answers = {keys[1]: f"SELECT 2{MARK}hero", keys[0]: f"SELECT\n1{MARK}hero"}
    path = write(tmp_path / "gpt.json", json.dumps(answers, indent=4))
    [system] = read_systems([path], golds)
    assert [(p.idx, p.pred) for p in system.predictions] == [
        (717, "SELECT\n1"),
        (725, "SELECT 2"),
    ]


def test_answer_that_is_no_text_is_empty_and_noted(tmp_path: Path, gold: Path) -> None:
    path = write(tmp_path / "a.json", {"0": 0, "1": f"SELECT 7{MARK}world", "2": None})
    [system] = read_systems([path], gold)
    assert [p.pred for p in system.predictions] == ["", "SELECT 7", ""]
    assert system.notes == (
        "2 answers of a.json are no text and count as empty: key '0' (the number 0), "
        "key '2' (null)",
    )


def test_line_of_spider_ends_at_its_first_tab(tmp_path: Path, gold: Path) -> None:
    text = "SELECT 1\tworld\nSELECT 2 FROM (\tSELECT 3)\nSELECT 3\n"
    [system] = read_systems([write(tmp_path / "a.txt", text)], gold)
    assert [p.pred for p in system.predictions] == ["SELECT 1", "SELECT 2 FROM (", "SELECT 3"]
    assert system.notes == (
        "1 lines of a.txt go on after a tab, which ends a query of Spider's format: "
        "line 2 ('SELECT 3)')",
    )


def test_json_lines_need_no_golds_but_must_agree_with_given_ones(
    tmp_path: Path, gold: Path
) -> None:
    path = write(tmp_path / "ours.jsonl", lines(LINES))
    assert preds(path) == ["SELECT 1", "SELECT 7", ""]
    assert preds(path, gold) == ["SELECT 1", "SELECT 7", ""]
    with pytest.raises(ValueError, match=r"answer 0 of ours .* has the gold 'SELECT 2' over 'wo"):
        preds(write(path, lines(LINES[::-1][1:] + LINES[:1])), gold)
    with pytest.raises(ValueError, match=r"has 2 answers of ours for the 3 golds"):
        preds(write(path, lines(LINES[:2])), gold)


def test_formats_stand_beside_each_other(tmp_path: Path, gold: Path) -> None:
    files = [
        write(tmp_path / "ours.jsonl", lines(LINES)),
        write(tmp_path / "text.sql", "SELECT 1\nSELECT 7\nSELECT 3\n"),
        write(tmp_path / "bird.json", {"0": "", "1": "", "2": ""}),
    ]
    systems = read_systems(files, gold)
    assert [system.name for system in systems] == ["ours", "text", "bird"]
    for system in systems:
        assert [p.question for p in system.predictions] == ["one?", "two?", "three?"]
        assert [p.gold for p in system.predictions] == ["SELECT 1", "SELECT 2", "SELECT 3"]


def test_systems_of_one_file_are_told_apart_by_their_field(tmp_path: Path) -> None:
    rows = [{**row, "system": name} for name in ("gpt 4", "../codex") for row in LINES]
    systems = read_systems([write(tmp_path / "all.jsonl", lines(rows))])
    assert [(system.name, len(system.predictions)) for system in systems] == [
        ("gpt-4", 3),
        ("codex", 3),
    ]


def test_files_of_one_name_are_called_by_their_folders(tmp_path: Path) -> None:
    files = [write(tmp_path / name / "pred.jsonl", lines(LINES)) for name in ("dail", "c3")]
    assert [system.name for system in read_systems(files)] == ["dail-pred", "c3-pred"]
    with pytest.raises(ValueError, match=r"are both called 'dail-pred'; rename one"):
        read_systems([files[0], files[0]])


def test_systems_must_answer_the_same_questions(tmp_path: Path) -> None:
    first = write(tmp_path / "a.jsonl", lines(LINES))
    short = write(tmp_path / "b.jsonl", lines(LINES[:2]))
    with pytest.raises(ValueError, match=r"a \(.*3 answers\) and b \(.*2\) .* at answer 2"):
        read_systems([first, short])
    other = write(
        tmp_path / "c.jsonl", lines([*LINES[:1], {**LINES[1], "question": "2?"}, LINES[2]])
    )
    with pytest.raises(ValueError, match=r"do not answer the same questions .* at answer 1"):
        read_systems([first, other])


def test_sql_is_taken_out_of_prose_only_when_asked(tmp_path: Path, gold: Path) -> None:
    text = json.dumps({"0": "```sql\nSELECT 1;\n```", "1": "SELECT 2", "2": "No idea."})
    [system] = read_systems([write(tmp_path / "a.json", text)], gold)
    assert system.predictions[0].pred == "```sql\nSELECT 1;\n```"
    assert [p.pred for p in extracted(system).predictions] == ["SELECT 1", "SELECT 2", "No idea."]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("SELECT 1\nSELECT 2\n", r"has 2 queries in 2 lines for the 3 golds of .*one line per"),
        (
            "SELECT 1\nFROM t\nSELECT 2\nSELECT 3\n",
            r"4 queries .*; line 2 does not start as a query: 'FROM t'",
        ),
        ("SELECT 1\nSELECT 2\tpets\nSELECT 3\n", r"line 2, is for db_id 'pets', but question 1"),
        ('{"0": "", "1": ""}', r"has 2 answers for the 3 golds .* the first is key '2'"),
        ('{"0": "", "1": "", "2": "", "3": ""}', r"the first without a gold is key '3'"),
        ('{"0": "", "1": "", "1": ""}', r"has the key '1' twice"),
        (json.dumps({"0": "", "1": f"{MARK}pets", "2": ""}), r"key '1', is for db_id 'pets'"),
        ('{\n "0": "SELECT 1",\n "1": \n}', r"is not JSON: .* line 4, column 1"),
        ('{"0": "SELECT 1"', r"line 1 is not JSON"),
        ("[" * 100_000, r"holds a JSON array; expected JSON lines"),
        ("", r"is empty"),
        ("[]", r"holds a JSON array; expected JSON lines"),
    ],
    ids=[
        *("short", "split query", "other database", "missing key", "surplus", "twice"),
        *("misaligned", "broken", "cut", "deep", "empty", "array"),
    ],
)
def test_misaligned_or_broken_file_is_refused_by_line(
    tmp_path: Path, gold: Path, text: str, words: str
) -> None:
    with pytest.raises(ValueError, match=f"(?s)pred.*{words}"):
        read_systems([write(tmp_path / "pred", text)], gold)


@pytest.mark.parametrize("text", ["SELECT 1\n", '{"0": "SELECT 1"}'])
def test_formats_without_golds_ask_for_them(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match=r"holds .* and so holds no golds; name their file with"):
        read_systems([write(tmp_path / "pred", text)])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("SELECT 1\tworld\nSELECT 2\n", r"line 2, is 'SELECT 2'; expected the gold SQL, one tab"),
        ("SELECT\t1\tworld\n", r"line 1, is .*one tab and the db_id"),
        ("\n", r"is empty; expected one line per question"),
        ("[]", r"holds no question"),
        ('[{"db_id": "a", "question": "b"}]', r"row 0 lacks 'query'"),
    ],
)
def test_bad_gold_file_is_refused_by_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_golds(write(tmp_path / "gold", text))


def test_real_files_are_read_alike_in_every_format(shared_data: Path, tmp_path: Path) -> None:
    ours = shared_data / "predictions" / "dail_gpt4.jsonl"
    rows = [json.loads(line) for line in ours.read_text().splitlines()]
    flat = [" ".join(row["pred"].split()) for row in rows]
    text = write(tmp_path / "text.sql", "".join(f"{sql}\n" for sql in flat))
    bird = write(
        tmp_path / "bird.json",
        {str(n): f"{row['pred']}{MARK}{row['db_id']}" for n, row in enumerate(rows)},
    )
    systems = read_systems([ours, text, bird], shared_data / "spider" / "dev.json")
    assert [system.name for system in systems] == ["dail_gpt4", "text", "bird"]
    assert [[" ".join(p.pred.split()) for p in system.predictions] for system in systems] == [
        flat
    ] * 3
    questions = {tuple(p.question for p in system.predictions) for system in systems}
    assert len(questions) == 1
