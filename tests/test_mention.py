"""Tables and columns are found in questions by their natural names, the longest first."""

import pytest

from sense.prompts.mention import Mention, SchemaNames
from sense.schema import Column, Schema, Table


def table(name: str, *columns: str) -> Table:
    return Table(name, tuple(Column(column, "") for column in columns))


SCHOOL = SchemaNames(
    Schema(
        (
            table("student", "student_id", "student_name", "HomeTown", "class"),
            table("teacher", "teacher_id", "teacher_name", "class"),
            table("Sports Club", "club name", "student_id"),
        )
    )
)


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("How many students are there?", ["student"]),
        ("List the home towns of each student.", ["HomeTown", "student"]),
        ("names of teachers", ["teacher_name", "teacher"]),
        ("Which students share a name?", ["student", "student_name"]),
        ("sports clubs and CLUB NAMES", ["Sports Club", "club name"]),
        ("Which classes has the teacher?", ["class", "teacher"]),
        ("Who is in 'student'?", []),
        ("", []),
        ("What do you want?", []),
    ],
)
def test_names_are_found_in_singular_plural_and_any_case(question: str, found: list[str]) -> None:
    assert [mention.identifier for mention in SCHOOL.mentions(question)] == found


def test_column_of_several_tables_belongs_to_the_nearest_mentioned_one() -> None:
    for question, owner in (
        ("the class of each teacher, and all students", "teacher"),
        ("the teacher, or the class of every student", "student"),
        ("each class", "student"),
    ):
        [mention] = [m for m in SCHOOL.mentions(question) if m.column == "class"]
        assert mention.table == owner


def test_mention_says_where_it_stands() -> None:
    question = "Show the home towns."
    assert SCHOOL.mentions(question) == [Mention(9, 19, "student", "HomeTown")]
    assert question[9:19] == "home towns"


def test_possessive_is_not_taken_for_a_quote() -> None:
    mentions = SCHOOL.mentions("the teacher's class and the student 'Ada'")
    assert [(m.table, m.identifier) for m in mentions] == [
        ("teacher", "teacher"),
        ("teacher", "class"),
        ("student", "student"),
    ]


def test_schema_without_tables_mentions_nothing() -> None:
    assert SchemaNames(Schema(())).mentions("any student") == []
