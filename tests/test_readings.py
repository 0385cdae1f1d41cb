"""Questions that may be meant otherwise than gold has it, found by gold and database alone."""

from dataclasses import replace
from pathlib import Path

import pytest
from conftest import write_database
from test_preference import EXAMPLE

from sense.inputs.question import Question
from sense.pairs.readings import other_reading
from sense.suite import read_suite
from sense.weak import Answer, Job, Judging, judged_jobs

CONCERTS = """
CREATE TABLE stadium(id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE concert(id INTEGER PRIMARY KEY, stadium_id INT REFERENCES stadium(id), year INT);
INSERT INTO stadium VALUES (1, 'Arena'), (2, 'Park'), (3, 'Dome');
INSERT INTO concert VALUES (1, 1, 2014), (2, 1, 2015), (3, 2, 2015);
"""
CARS = """
CREATE TABLE car(id INTEGER PRIMARY KEY, power TEXT, weight TEXT, sold TEXT, shown TEXT, age INT);
INSERT INTO car VALUES (1, '97', '200', 'May24,2011', '2011-05-24', 3),
                       (2, '130', '300', 'June1,2010', '2010-06-01', 4),
                       (3, '88', '400', 'May3,2012', '2012-05-03', 5);
"""
TIE = "FROM concert AS c JOIN stadium AS s ON c.stadium_id = s.id"
EACH = "FROM stadium AS s LEFT JOIN concert AS c ON c.stadium_id = s.id"


@pytest.mark.parametrize(
    ("gold", "reading"),
    [
        (f"SELECT s.name, COUNT(*) {TIE} GROUP BY s.id", "no_partner"),
        (f"SELECT s.name, COUNT(*) {TIE} GROUP BY c.stadium_id", "no_partner"),
        ("SELECT stadium_id, COUNT(*) FROM concert GROUP BY 1", "no_partner"),
        (f"SELECT s.name {TIE} GROUP BY s.id HAVING COUNT(*) < 2", "no_partner"),
        (f"SELECT s.name {TIE} GROUP BY s.id ORDER BY COUNT(*) LIMIT 1", "no_partner"),
        (f"SELECT s.name {TIE} GROUP BY s.id ORDER BY COUNT(*) DESC LIMIT 1", ""),
        (f"SELECT s.name {TIE} GROUP BY s.id HAVING COUNT(*) > 1", ""),
        (f"SELECT s.name, MAX(year) {TIE} GROUP BY s.id", ""),
        ("SELECT year, COUNT(*) FROM concert GROUP BY year", ""),
        ("SELECT s.name, COUNT(c.id) FROM stadium s LEFT JOIN concert c ON 0 GROUP BY s.id", ""),
        (f"SELECT s.name, COUNT(c.id) {EACH} GROUP BY s.id", ""),
        (f"SELECT s.name, COUNT(*) AS num {TIE} GROUP BY s.id ORDER BY num LIMIT 1", "no_partner"),
        (f"SELECT s.name {TIE}", "repeated_rows"),
        (f"SELECT s.name {TIE} WHERE c.year = 2014", ""),
        (f"SELECT DISTINCT s.name {TIE}", ""),
        (f"SELECT c.year {TIE}", ""),
        (f"SELECT s.name, c.year {TIE}", ""),
        ("SELECT s.name FROM concert AS c LEFT JOIN stadium AS s ON 0", ""),
        ("SELECT COUNT(*) FROM concert GROUP BY year HAVING COUNT(*) > 1", "hidden_groups"),
        ("SELECT COUNT(*) FROM concert", ""),
        ("SELECT name FROM nowhere", ""),
        ("not a query", ""),
    ],
)
def test_other_readings_of_a_count_or_a_list(tmp_path: Path, gold: str, reading: str) -> None:
    assert other_reading(write_database(tmp_path / "music.sqlite", CONCERTS), gold) == reading


@pytest.mark.parametrize(
    ("gold", "reading"),
    [
        ("SELECT id FROM car ORDER BY power LIMIT 2", "text_order"),
        ("SELECT id FROM car ORDER BY power", "text_order"),
        ("SELECT id FROM car ORDER BY weight", ""),
        ("SELECT MAX(power) FROM car", "text_order"),
        ("SELECT COUNT(*) FROM car WHERE power > 100", "text_order"),
        ("SELECT MAX(weight) FROM car", ""),
        ("SELECT AVG(power) FROM car", ""),
        ("SELECT id FROM car ORDER BY sold DESC LIMIT 1", "text_order"),
        ("SELECT AVG(shown) FROM car", "text_order"),
        ("SELECT id FROM car ORDER BY shown DESC LIMIT 1", ""),
        ("SELECT MAX(age) FROM car", ""),
        ("SELECT id FROM car WHERE power = '97'", ""),
    ],
)
def test_numbers_and_dates_that_are_kept_as_text(tmp_path: Path, gold: str, reading: str) -> None:
    assert other_reading(write_database(tmp_path / "cars.sqlite", CARS), gold) == reading


def test_where_every_group_has_a_partner_the_count_has_one_reading(
    tmp_path: Path,
) -> None:
    more = "INSERT INTO concert VALUES (4, 3, 2016);"
    path = write_database(tmp_path / "music.sqlite", CONCERTS + more)
    assert other_reading(path, f"SELECT s.name, COUNT(*) {TIE} GROUP BY s.id") == ""
    assert other_reading(path, "SELECT stadium_id, COUNT(*) FROM concert GROUP BY 1") == ""


def test_a_tie_in_the_database_at_hand_is_another_reading_though_the_suite_can_judge(
    tmp_path: Path,
) -> None:
    tie = "CREATE TABLE pet(id INT, age INT); INSERT INTO pet VALUES (1, 3), (2, 3);"
    path = write_database(tmp_path / "pets" / "pets.sqlite", tie)
    write_database(tmp_path / "suite" / "pets" / "pets.sqlite", tie)
    write_database(tmp_path / "suite" / "pets" / "1.sqlite", tie.replace("(2, 3)", "(2, 4)"))
    gold = "SELECT id FROM pet ORDER BY age LIMIT 1"
    example = replace(EXAMPLE, db_id="pets", sql=gold)
    job = Job(Question(example, str(path)), [Answer(gold, "", "model")])
    judging = Judging(1, "spider", num_workers=0, suite=read_suite(tmp_path / "suite"))
    [(_, [sample])] = judged_jobs([[job]], judging)
    assert (sample.verdict, sample.gold_status) == ("correct", "ok")
    assert (sample.database_verdict, sample.other_reading) == ("unknown", "undefined")
