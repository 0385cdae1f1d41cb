"""Rows under other names: the same meaning in schema, question and SQL."""

import random
from typing import Any

import pytest
from datasets import Dataset

from sense.renaming import common_words, new_names, rename_rows, replace_words

ROWS = [
    (
        "tea ( tea_id * , tin_price ) | tea_guest ( favourite_tea_id > tea . tea_id )",
        "Show the tin price of the teas.",
        "SELECT tin_price FROM tea",
    ),
    ("SledDog ( SledDogID * , HuskyName )", "How many sled dogs?", "SELECT COUNT(*) FROM SledDog"),
    ("ferry ( ferry_id * , deck )", "Show the ferries.", "SELECT ferry_id FROM ferry"),
]


def to_set(rows: list[tuple[str, str, str]]) -> Dataset:
    return Dataset.from_list(
        [
            {
                "prompt": [{"role": "user", "content": f"{schema}\n{question}"}],
                "completion": [{"role": "assistant", "content": sql}],
            }
            for schema, question, sql in rows
        ]
    )


def contents(row: dict[str, Any]) -> tuple[str, str]:
    return row["prompt"][0]["content"], row["completion"][0]["content"]


@pytest.mark.parametrize(
    ("text", "renamed"),
    [
        ("tea ( tea_id * )", "mur ( mur_id * )"),
        ("TeaID TeaBox teaBox", "MurID MurFlin murFlin"),
        ("teas and boxes of cities", "murs and flins of dorns"),
        ("SELECT tea.box FROM tea", "SELECT mur.flin FROM mur"),
        ("steam, team, t, TEA", "steam, team, t, TEA"),
    ],
)
def test_words_are_replaced_and_nothing_else(text: str, renamed: str) -> None:
    assert replace_words(text, {"tea": "mur", "box": "flin", "city": "dorn"}) == renamed


def test_new_names_are_different_from_each_other_and_from_the_old() -> None:
    old = [f"{letter}ord" for letter in "abcdefghij"]
    for seed in range(50):
        names = new_names(old, ["guest", "tin", "husky", "kennel"], random.Random(seed))
        assert list(names) == old
        assert len({*names.values(), *old}) == 20
        assert not any(name.endswith("s") for name in names.values())


def test_short_words_keep_their_meaning() -> None:
    assert new_names(["id", "kg", "tea"], ["guest", "tin"], random.Random(0)).keys() == {"tea"}


def test_schema_question_and_sql_get_the_same_names() -> None:
    others = [("hive ( hive_id * )", "List all.", "SELECT hive_id FROM hive")] * 200
    rows = to_set(ROWS + others)  # so that no word of ROWS is common
    renamed_rows = rename_rows(rows, 1.0, seed=0)
    for row, renamed in zip(rows.take(3), renamed_rows.take(3), strict=True):
        (prompt, sql), (new_prompt, new_sql) = contents(row), contents(renamed)
        assert new_prompt != prompt
        assert new_sql != sql
        assert set(new_sql.split()) - {"SELECT", "COUNT(*)", "FROM"} <= set(new_prompt.split())
        for word in ("_id", " ( ", "SELECT", "FROM"):
            assert (prompt + sql).count(word) == (new_prompt + new_sql).count(word)


def test_a_share_of_the_rows_is_renamed_and_the_same_ones_again() -> None:
    rows = to_set(ROWS * 100)
    first, second = rename_rows(rows, 0.5, seed=1), rename_rows(rows, 0.5, seed=1)
    changed = [contents(a) != contents(b) for a, b in zip(rows, first, strict=True)]
    assert 110 < sum(changed) < 190
    assert first["prompt"][:] == second["prompt"][:]
    assert rename_rows(rows, 0.5, seed=2)["prompt"][:] != first["prompt"][:]
    assert rename_rows(rows, 0.0, seed=1)["prompt"][:] == rows["prompt"][:]


def test_words_of_the_language_are_known_by_their_frequency() -> None:
    questions = ["Show the teas."] * 40 + ["Show a husky."] + ["Count the tins."] * 60
    assert common_words(questions) == {"show", "the", "teas", "count", "tins"}


def test_a_share_beyond_one_is_refused() -> None:
    with pytest.raises(ValueError, match=r"renamed_share is 30"):
        rename_rows(to_set(ROWS), 30, seed=0)
