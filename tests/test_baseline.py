"""The baselines answer by schema and training questions alone, and quickly."""

from pathlib import Path

import pytest
from conftest import write_database

from sense.example import Example
from sense.execution import execute
from sense.inputs.question import Question
from sense.schema import Column, Schema, Table, read_schema
from sense.scores.baseline import (
    Masked,
    Names,
    NearestQuestion,
    constant_answer,
    fill_slots,
    mask_question,
    nearest_answers,
    schema_names,
)


def names_of(table: str, *columns: str) -> Names:
    return schema_names(Schema((Table(table, tuple(Column(column, "") for column in columns)),)))


TEA = names_of("tea", "tea_id", "tin_price", "origin")
DOG = names_of("dog", "dog_id", "leash_length", "breed")
TRAIN = [
    ("How many teas are there?", "SELECT COUNT(*) FROM tea", TEA),
    ("Show the tin price of each tea.", "SELECT tin_price FROM tea", TEA),
    (
        "Which teas have a tin price above 3?",
        "SELECT tea_id FROM tea WHERE tin_price > 3",
        TEA,
    ),
    (
        "Show the tin price of teas whose origin is 'Assam'.",
        "SELECT tin_price FROM tea WHERE origin = 'Assam'",
        TEA,
    ),
    ("What is the highest tin price?", "SELECT MAX(tin_price) FROM tea", TEA),
]


def test_constant_counts_the_first_table(world: Path, tmp_path: Path) -> None:
    assert constant_answer(world) == "SELECT COUNT(*) FROM country"
    odd = write_database(tmp_path / "odd.sqlite", 'CREATE TABLE "my table" (a)')
    assert execute(odd, constant_answer(odd)).rows == ((0,),)


@pytest.mark.parametrize(
    ("question", "masked"),
    [
        ("How many teas?", Masked(("how", "many", "TABLE"), ("tea",), (), ())),
        (
            "tin prices above 3.5 in Sri Lanka",
            Masked(
                ("COLUMN", "above", "LITERAL", "in", "LITERAL"),
                ("tea",),
                ("tin_price",),
                ("3.5", "Sri Lanka"),
            ),
        ),
        (
            "the tea's origin is 'Darjeeling'",
            Masked(
                ("the", "TABLE", "s", "COLUMN", "is", "LITERAL"),
                ("tea",),
                ("origin",),
                ("Darjeeling",),
            ),
        ),
        ("", Masked((), (), (), ())),
    ],
)
def test_mask_takes_out_names_and_literals(question: str, masked: Masked) -> None:
    assert mask_question(question, TEA) == masked


@pytest.mark.parametrize(
    ("question", "sql"),
    [
        ("How many dogs are there?", "SELECT COUNT(*) FROM dog"),
        ("Show the breed of each dog.", "SELECT breed FROM dog"),
        (
            "Show the leash length of dogs whose breed is 'Pug'.",
            "SELECT leash_length FROM dog WHERE breed = 'Pug'",
        ),
        ("What is the highest leash length?", "SELECT MAX(leash_length) FROM dog"),
    ],
)
def test_nearest_question_is_carried_over_to_another_schema(question: str, sql: str) -> None:
    assert NearestQuestion(TRAIN).answer(question, DOG) == sql


def test_sql_whose_names_do_not_exist_gives_way_to_the_next_nearest() -> None:
    assert NearestQuestion(TRAIN[:3]).answer("Which dogs have a leash length above 9?", DOG) in (
        "SELECT leash_length FROM dog",
        "SELECT COUNT(*) FROM dog",
    )


def test_question_unlike_any_other_still_gets_an_answer() -> None:
    assert NearestQuestion(TRAIN).answer("Xyzzy", TEA) == "SELECT COUNT(*) FROM tea"
    assert NearestQuestion(TRAIN[1:2]).answer("", DOG) == "SELECT tin_price FROM tea"


def test_aliases_keep_their_name_and_new_names_are_quoted() -> None:
    known = mask_question("teas with tin price 3", TEA)
    asked = Masked((), ("my dog",), ("leash length",), ("x",))
    sql = "SELECT t.tea_id FROM tea AS t WHERE t.tin_price = 3"
    assert fill_slots(sql, known, asked).sql("sqlite") == (
        'SELECT t.tea_id FROM "my dog" AS t WHERE t."leash length" = \'x\''
    )


def test_no_training_question_is_an_error() -> None:
    with pytest.raises(ValueError, match="no training question to compare with"):
        NearestQuestion([])


def test_answers_come_in_the_order_of_the_questions(world: Path) -> None:
    def question(text: str, sql: str) -> Question:
        return Question(Example("world", text, sql, "easy", "ok", "", "", ""), str(world))

    train = [
        question("How many cities are there?", "SELECT COUNT(*) FROM city"),
        question("Names of all cities", "SELECT name FROM city"),
    ]
    asked = [question("Names of all countries", ""), question("How many countries are there?", "")]
    assert read_schema(world).tables[0].name == "country"
    assert nearest_answers(train, asked) == [
        "SELECT name FROM country",
        "SELECT COUNT(*) FROM country",
    ]


def test_thousands_of_training_questions_are_searched() -> None:
    train = [
        (f"{verb} number {i % 97} of teas with {i} and tin price above {i}", sql, TEA)
        for i in range(2_000)
        for verb, sql in (("show", "SELECT tin_price FROM tea"), ("count", "SELECT 1 FROM tea"))
    ]
    nearest = NearestQuestion(train)
    answers = {nearest.answer(f"show dogs with leash length above {i}", DOG) for i in range(50)}
    assert answers == {"SELECT leash_length FROM dog"}
