"""What the grammar emits: SQL that runs, says something, has its level, and a question for it."""

import random
import re
import sqlite3
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from conftest import write_database

from sense.coverage.styles import bears_marks
from sense.example import HARDNESS_LEVELS
from sense.grammar import Candidate, Results, reject_reason, sample_examples
from sense.hardness import hardness, sql_features
from sense.questions.draw import Draw, numbers
from sense.questions.groups import grouping, outstanding, overall, owning
from sense.questions.intent import Beyond, Condition, Has, Having, Intent, Measure, Order, Rank
from sense.questions.levels import PATTERNS, Pattern
from sense.questions.nesting import there_is
from sense.questions.patterns import (
    comparing,
    excepting,
    linking,
    listing,
    matching,
    merging,
    pairing,
    ranking,
)
from sense.questions.phrasing import ask
from sense.questions.profile import profile_database
from sense.questions.sentence import STYLES, STYLES_SPOKEN, Style
from sense.questions.shape import measured
from sense.questions.sql import to_sql
from sense.strong_set.misses import Misses
from sense.verdict import check_gold

BEES_SCRIPT = """
CREATE TABLE apiary (apiary_id INTEGER PRIMARY KEY, name TEXT UNIQUE, region TEXT, opened DATE);
CREATE TABLE keeper (
    keeper_id INTEGER PRIMARY KEY, name TEXT NOT NULL, town TEXT NOT NULL, age INTEGER NOT NULL,
    is_certified BOOLEAN NOT NULL
);
CREATE TABLE hive (
    hive_id INTEGER PRIMARY KEY, apiary_id INTEGER NOT NULL REFERENCES apiary(apiary_id),
    label TEXT NOT NULL, colour TEXT NOT NULL, frames INTEGER NOT NULL, honey_kg REAL, wax_kg REAL
);
CREATE TABLE care (
    keeper_id INTEGER REFERENCES keeper(keeper_id), hive_id INTEGER REFERENCES hive(hive_id),
    PRIMARY KEY (keeper_id, hive_id)
);
"""


def _asked(intent: Intent, style: Style, rng: random.Random) -> str:
    question = ask(intent, style, rng)
    assert question
    return question.text


@pytest.fixture(scope="module")
def bees(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Apiaries with hives, and keepers linked to hives; values by arithmetic."""
    path = write_database(tmp_path_factory.mktemp("bees") / "bees.sqlite", BEES_SCRIPT)
    towns, colours = ("Rye", "Ely", "Bath", "Wells"), ("white", "blue", "green")
    connection = sqlite3.connect(path)
    for i in range(9):
        row = (i, f"Meadow {chr(65 + i)}", towns[i % 3], f"20{10 + i}-0{1 + i % 9}-15")
        connection.execute("INSERT INTO apiary VALUES (?, ?, ?, ?)", row)
    for i in range(24):
        row = (i, f"Ada {chr(65 + i)}", towns[i * i % 4], 19 + i * 7 % 43, i % 3 == 0)
        connection.execute("INSERT INTO keeper VALUES (?, ?, ?, ?, ?)", row)
    for i in range(40):
        honey = None if i % 8 == 0 else round(4 + i * 37 % 211 / 7, 1)
        row = (i, i * i % 8, f"H{i}", colours[i % 3], 6 + i * 5 % 13, honey, i * 3 % 17 / 4)
        connection.execute("INSERT INTO hive VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        connection.execute("INSERT INTO care VALUES (?, ?)", (i * i % 20, i))
    connection.commit()
    connection.close()
    return path


@pytest.fixture(scope="module")
def examples(bees: Path) -> list[Candidate]:
    return list(sample_examples(bees, 240, seed=1))


def test_every_level_gets_its_share(examples: list[Candidate]) -> None:
    counts = Counter(example.hardness for example in examples)
    assert len(examples) == 240
    assert all(counts[level] > 40 for level in HARDNESS_LEVELS)


def test_measured_hardness_is_the_requested_one(examples: list[Candidate]) -> None:
    for example in examples:
        assert hardness(example.sql) == example.hardness == example.requested_level


def test_every_query_runs_and_has_rows(bees: Path, examples: list[Candidate]) -> None:
    connection = sqlite3.connect(bees)
    for example in examples:
        assert len(connection.execute(example.sql).fetchall()) == example.num_rows > 0


def test_every_query_can_judge_an_answer(bees: Path, examples: list[Candidate]) -> None:
    statuses = Counter(check_gold(bees, example.sql).status for example in examples[:120])
    assert statuses == {"ok": 120}


@pytest.mark.slow
def test_what_is_known_by_form_and_shape_is_what_the_query_says(shared_data: Path) -> None:
    statuses: Counter[str] = Counter()
    for db_id in ("concert_singer", "dog_kennels", "flight_2", "pets_1", "car_1", "hr_1", "csu_1"):
        path = shared_data / f"spider/database/{db_id}/{db_id}.sqlite"
        for example in sample_examples(path, 160, seed=1):
            assert example.hardness == hardness(example.sql)
            assert list(example.features) == sql_features(example.sql)
            statuses[check_gold(path, example.sql).status] += 1
    assert statuses == {"ok": 7 * 160}


def test_a_view_or_a_collation_sends_a_query_to_the_general_check(tmp_path: Path) -> None:
    script = """
    CREATE TABLE pet (pet_id INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE);
    INSERT INTO pet(name) VALUES ('Rex'), ('rex'), ('Ada'), ('Ada'), ('Bo');
    """
    path = write_database(tmp_path / "pets.sqlite", script)
    pet = profile_database(path).table("pet")
    intent = Intent(pet, (pet.column("name"),), distinct=True)
    with Results(path) as results:
        assert reject_reason(intent, results) == "gold_undefined"


def test_no_query_and_no_question_comes_twice(examples: list[Candidate]) -> None:
    assert len({example.sql for example in examples}) == 240
    assert len({example.question for example in examples}) == 240


def test_one_question_has_one_query(bees: Path) -> None:
    asked: dict[str, set[str]] = {}
    for seed in range(4):
        for example in sample_examples(bees, 120, seed):
            asked.setdefault(example.question, set()).add(example.sql)
    assert len(asked) > 400
    assert all(len(queries) == 1 for queries in asked.values())


def test_the_seed_decides_everything(bees: Path) -> None:
    first = list(sample_examples(bees, 40, seed=3))
    assert first == list(sample_examples(profile_database(bees), 40, seed=3))
    assert first != list(sample_examples(bees, 40, seed=4))


def test_levels_are_drawn_by_their_shares(bees: Path) -> None:
    found = sample_examples(bees, 60, seed=1, levels={"easy": 3, "extra": 1})
    counts = Counter(example.hardness for example in found)
    assert set(counts) == {"easy", "extra"}
    assert counts["easy"] > counts["extra"] > 5


def test_counts_by_level_are_met(bees: Path) -> None:
    found = sample_examples(bees, {"hard": 7, "easy": 2}, seed=1)
    assert Counter(example.hardness for example in found) == {"hard": 7, "easy": 2}


def test_questions_name_every_literal(examples: list[Candidate]) -> None:
    months = "January February March April May June July August September October November December"
    numbers = {"one": "1", "two": "2", "three": "3", "five": "5"}
    for example in examples:
        question = " ".join(numbers.get(word, word) for word in re.split(r"[ ,]", example.question))
        sql = re.sub(r"is_certified = [01]|LIMIT 1$|SELECT 1 FROM|'%Y'|T[12]\b", "", example.sql)
        for text, number in re.findall(r"'([^']*)'|\b(\d+(?:\.\d+)?)\b", sql):
            literal = (text or number).strip("%")
            if re.fullmatch(r"\d{4}-\d\d-\d\d", literal):
                year, month, day = literal.split("-")
                written = f"{int(day)} {months.split()[int(month) - 1]} {year}"
                assert literal in question or written in question, example
            else:
                assert literal in question, example


def test_all_constructs_occur(bees: Path) -> None:
    found = Counter()
    for example in sample_examples(bees, 600, seed=2):
        found.update(example.features)
    wanted = "aggregate arithmetic between case correlated date distinct group_by having in"
    wanted += " is_null join like limit nested not or order_by set_operation where"
    assert set(wanted.split()) <= set(found)


def test_a_database_without_rows_gives_no_example(tmp_path: Path) -> None:
    path = write_database(tmp_path / "empty.sqlite", BEES_SCRIPT)
    misses = Misses()
    assert list(sample_examples(path, 10, 1, misses)) == []
    assert set(misses.counts) == {"no_material"}


def test_nothing_is_asked_of_a_name_without_words(tmp_path: Path) -> None:
    script = """CREATE TABLE "_" ("#" INTEGER PRIMARY KEY, "%" REAL, "" TEXT, age INT);
        INSERT INTO "_" VALUES (1, 2.5, 'a', 3), (2, 3.5, 'b', 4), (3, 4.5, 'c', 3);"""
    path = write_database(tmp_path / "signs.sqlite", script)
    found = list(sample_examples(path, 20, seed=1))
    assert found
    assert not any(name in example.sql for example in found for name in ('"#"', '"%"', '""'))


def test_a_small_database_ends_instead_of_repeating_itself(world: Path) -> None:
    found = list(sample_examples(world, {"easy": 5000}, seed=1))
    assert 50 < len(found) < 5000
    assert len({example.sql for example in found}) == len(found)


def _world_reason(world: Path, change: dict[str, object]) -> str:
    profile = profile_database(world)
    city = profile.table("city")
    intent = replace(Intent(city, (city.column("name"),)), **change)  # type: ignore[arg-type]
    with Results(world) as results:
        return reject_reason(intent, results)


@pytest.mark.parametrize(
    ("column", "operator", "value", "reason"),
    [
        ("population", ">", 1_000_000, ""),
        ("population", ">", 40_000_000, "empty_result"),
        ("name", "not null", None, "trivial_result"),
    ],
)
def test_filters_must_leave_some_rows_and_drop_some(
    world: Path, column: str, operator: str, value: object, reason: str
) -> None:
    city = profile_database(world).table("city")
    values = () if value is None else (value,)
    condition = Condition(city.column(column), operator, values)  # type: ignore[arg-type]
    assert _world_reason(world, {"filters": (condition,)}) == reason


def test_steps_of_a_query_are_counted_anew_each_time_it_runs(world: Path) -> None:
    sql = """WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
             SELECT COUNT(*) FROM n"""  # 1.7 of the 2 million steps that are allowed
    with Results(world) as results:
        for _ in range(3):
            results.cache.clear()
            assert results.rows(sql) == [(100_000,)]


def test_a_query_is_read_no_further_than_tells_it_from_other_rows(world: Path) -> None:
    sql = "SELECT name FROM city"
    with Results(world) as results:
        names = list(results.connection.execute(sql))
        assert not results.give(sql, names[:2])
        assert sql not in results.cache
        assert results.give(sql, names[::-1])
        assert results.rows(sql) is results.cache[sql]
        assert not results.give(sql, [*names[1:], names[1]])


def test_a_null_among_the_sort_keys_is_undefined(world: Path) -> None:
    city = profile_database(world).table("city")
    key = city.column("population")
    assert _world_reason(world, {"order": Order(key), "limit": 1}) == "gold_undefined"
    assert _world_reason(world, {"order": Order(key, descending=True), "limit": 1}) == ""


def test_a_tie_at_the_cut_is_undefined(world: Path) -> None:
    city = profile_database(world).table("city")
    key = city.column("country_code")
    assert _world_reason(world, {"order": Order(key), "limit": 1}) == "gold_undefined"


def test_distinct_must_matter(world: Path) -> None:
    city = profile_database(world).table("city")
    assert _world_reason(world, {"distinct": True}) == "trivial_result"
    assert _world_reason(world, {"distinct": True, "wanted": (city.column("country_code"),)}) == ""


def test_names_are_quoted_and_qualified_only_where_needed(world: Path) -> None:
    profile = profile_database(world)
    city, country = profile.table("city"), profile.table("country")
    one = Intent(city, (Measure("avg", city.column("population")),))
    assert to_sql(one) == "SELECT AVG(population) FROM city"
    two = Intent(city, (country.column("name"),), profile.links)
    assert to_sql(two) == (
        "SELECT country.name FROM city JOIN country ON city.country_code = country.code"
    )


def test_two_keys_to_one_table_are_told_apart_by_their_names(tmp_path: Path) -> None:
    script = """
    CREATE TABLE team (team_id INTEGER PRIMARY KEY, name TEXT, town TEXT);
    CREATE TABLE game (
        game_id INTEGER PRIMARY KEY, home_team_id INTEGER REFERENCES team(team_id),
        guest_team_id INTEGER REFERENCES team(team_id), goals INTEGER
    );
    INSERT INTO team VALUES (1, 'Reds', 'Rye'), (2, 'Blues', 'Ely'), (3, 'Greens', 'Rye');
    INSERT INTO game VALUES (1, 1, 2, 4), (2, 2, 3, 2), (3, 3, 1, 1), (4, 1, 3, 3), (5, 2, 1, 0);
    """
    found = list(sample_examples(write_database(tmp_path / "games.sqlite", script), 200, seed=1))
    home = [example for example in found if "game.home_team_id = team.team_id" in example.sql]
    guest = [example for example in found if "game.guest_team_id = team.team_id" in example.sql]
    assert len(home) > 5 and all("home team" in example.question for example in home)
    assert len(guest) > 5 and all("guest team" in example.question for example in guest)


ORDERS_SCRIPT = """
CREATE TABLE country (country_id INTEGER PRIMARY KEY, title TEXT UNIQUE, currency TEXT);
CREATE TABLE customer (
    customer_id INTEGER PRIMARY KEY, country_id INTEGER NOT NULL REFERENCES country(country_id),
    name TEXT UNIQUE, referrer_id INTEGER REFERENCES customer(customer_id), paid_by TEXT
);
CREATE TABLE purchase (
    purchase_id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customer(customer_id),
    placed_on DATE, channel TEXT
);
CREATE TABLE item (
    item_id INTEGER PRIMARY KEY, purchase_id INTEGER NOT NULL REFERENCES purchase(purchase_id),
    price REAL, planted_in INTEGER, gift_wrap BOOLEAN
);
"""


@pytest.fixture(scope="module")
def orders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Items of purchases of customers in countries; a customer may have a referrer."""
    path = write_database(tmp_path_factory.mktemp("orders") / "orders.sqlite", ORDERS_SCRIPT)
    connection = sqlite3.connect(path)
    for i in range(5):
        row = (i, ("Ruritania", "Freedonia", "Zubrowka", "Genovia", "Elbonia")[i], f"C{i % 3}")
        connection.execute("INSERT INTO country VALUES (?, ?, ?)", row)
    for i in range(15):
        row = (
            i,
            i * i % 5,
            f"Ada {chr(65 + i)}",
            i // 3 if i % 4 else None,
            ("cash", "card")[i % 2],
        )
        connection.execute("INSERT INTO customer VALUES (?, ?, ?, ?, ?)", row)
    for i in range(30):
        row = (i, i * i % 13, f"20{10 + i % 9}-0{1 + i % 7}-1{i % 10}", ("web", "shop")[i % 3 > 0])
        connection.execute("INSERT INTO purchase VALUES (?, ?, ?, ?)", row)
    for i in range(60):
        row = (i, i * i % 29, round(3 + i * 37 % 211 / 7, 1), 1950 + i * 7 % 60, i % 3 == 0)
        connection.execute("INSERT INTO item VALUES (?, ?, ?, ?, ?)", row)
    connection.commit()
    connection.close()
    return path


def _drawn(path: Path, pattern: Pattern, wanted: int = 12) -> list[Intent]:
    """Intents of one pattern that say something on the data."""
    draw = Draw.over(profile_database(path), random.Random(1))
    found: list[Intent] = []
    with Results(path) as results:
        for _ in range(500):
            intent = pattern(draw)
            if intent and intent not in found and not reject_reason(intent, results):
                found.append(intent)
            if len(found) == wanted:
                break
    return found


@pytest.mark.parametrize(("conditions", "level"), [(0, "hard"), (1, "extra")])
def test_four_tables_are_joined_and_all_are_used(orders: Path, conditions: int, level: str) -> None:
    found = _drawn(orders, partial(linking, conditions=conditions))
    assert len(found) == 12
    for intent in found:
        sql = to_sql(intent)
        assert hardness(sql) == level
        assert (
            "FROM item JOIN purchase ON item.purchase_id = purchase.purchase_id"
            " JOIN customer ON purchase.customer_id = customer.customer_id"
            " JOIN country ON customer.country_id = country.country_id" in sql
        )
        told = {item.column.table for item in intent.filters}  # type: ignore[union-attr]
        shown = {column.table for column in intent.wanted}  # type: ignore[union-attr]
        assert told | shown >= {"purchase", "customer", "country"}
        for style in STYLES:
            question = _asked(intent, style, random.Random(1))
            assert all(table in question for table in ("item", "purchase", "customer", "country"))


def test_links_are_joined_in_the_order_of_the_schema(tmp_path: Path) -> None:
    script = """
    CREATE TABLE a (a_id INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE b (b_id INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE c (
        c_id INTEGER PRIMARY KEY, a_id INTEGER REFERENCES a(a_id),
        b_id INTEGER REFERENCES b(b_id), name TEXT
    );
    INSERT INTO a VALUES (1, 'one'); INSERT INTO b VALUES (1, 'two');
    INSERT INTO c VALUES (1, 1, 1, 'three');
    """
    profile = profile_database(write_database(tmp_path / "star.sqlite", script))
    scopes = [Draw.over(profile, random.Random(seed)).scope(2) for seed in range(20)]
    assert {tuple(table.name for table in scope[0]) for scope in scopes if scope} == {
        ("c", "a", "b")
    }


def test_a_row_and_the_row_of_its_own_table_it_refers_to(orders: Path) -> None:
    found = _drawn(orders, pairing)
    shown = [
        (_asked(intent, "formal", random.Random(0)), to_sql(intent))
        for intent in found
        if [column.name for column in intent.wanted] == ["name", "name"]  # type: ignore[union-attr]
    ]
    assert shown == [
        (
            "For every customer who has a referrer, please provide the customer's name and the "
            "name of the referrer.",
            "SELECT T1.name, T2.name FROM customer AS T1 JOIN customer AS T2"
            " ON T1.referrer_id = T2.customer_id",
        )
    ]
    filtered = _drawn(orders, partial(pairing, conditions=1))
    assert all(
        "who has a referrer" in _asked(intent, "keyword", random.Random(0)) for intent in filtered
    )


def test_rows_of_which_there_is_one_are_found_by_exists(orders: Path) -> None:
    found = _drawn(orders, partial(listing, special=there_is))
    assert len(found) == 12
    for intent in found:
        question, sql = _asked(intent, "imperative", random.Random(0)), to_sql(intent)
        assert hardness(sql) == "hard"
        assert re.search(r"for (which|whom) there is", question)
        assert ("NOT EXISTS" in sql) == ("there is no " in question)
        assert (
            ".purchase_id = T1.purchase_id AND T2." in sql
            or ".customer_id = T1" in sql
            or (".country_id = T1" in sql)
        )


def test_whole_numbers_under_a_participle_and_in_are_years(orders: Path) -> None:
    draw = Draw.over(profile_database(orders), random.Random(1))
    assert draw.profile.table("item").column("planted_in").kind == "year"
    assert "planted_in" not in [column.name for column in numbers(draw.profile.table("item"))]


@pytest.mark.slow
def test_training_databases_of_spider_give_all_levels(shared_data: Path) -> None:
    counts: Counter[str] = Counter()
    for db_id in ("pets_1", "flight_4", "college_2", "bike_1", "tracking_orders", "wrestler"):
        path = shared_data / "spider" / "database" / db_id / f"{db_id}.sqlite"
        counts.update(example.hardness for example in sample_examples(path, 100, seed=1))
    assert all(counts[level] > 60 for level in HARDNESS_LEVELS)


@pytest.mark.parametrize("style", STYLES_SPOKEN)
def test_each_style_has_words_and_its_marks(bees: Path, style: Style) -> None:
    draw = Draw.over(profile_database(bees), random.Random(1))
    num_asked = 0
    for pattern in [pattern for level in PATTERNS.values() for _, pattern in level] * 4:
        intent = pattern(draw)
        question = ask(intent, style, draw.rng) if intent else None
        assert question or style == "vague" or not intent
        if question and style in ("imperative", "formal", "colloquial", "vague"):
            assert bears_marks(style, question.text, question.evidence), question
        if question and style == "several_sentences":
            assert re.search("[.?] [A-Z]", question.text), question
        num_asked += question is not None
    assert num_asked > 20


def test_a_vague_question_leaves_its_threshold_to_the_evidence(bees: Path) -> None:
    profile = profile_database(bees)
    hive = profile.table("hive")
    condition = Condition(hive.column("honey_kg"), "<", (12.5,))
    intent = Intent(hive, (hive.column("label"),), filters=(condition,))
    for seed in range(20):
        question = ask(intent, "vague", random.Random(seed))
        assert question
        assert "low" in question.text and "12.5" not in question.text
        assert question.evidence == "A low honey kg means that hive.honey_kg < 12.5."
    assert ask(replace(intent, filters=()), "vague", random.Random(1)) is None


@pytest.mark.parametrize(
    ("pattern", "form", "words"),
    [
        (partial(listing, columns=0, conditions=1), r"SELECT \* FROM \w+ WHERE", "all "),
        (partial(listing, columns=2, order="then"), r"ORDER BY \w+( DESC)?, \w+", " and then by "),
        (partial(overall), r"SELECT \w+\(group_value\) FROM \(SELECT", "counting only .* have any"),
        (partial(excepting), "EXCEPT SELECT", "different .* of all "),
        (partial(merging), "(UNION|INTERSECT|EXCEPT) SELECT", "different .* those"),
        (partial(ranking), r"RANK\(\) OVER \(ORDER BY", r"rank by .* \(1 (being|for) the "),
        (partial(comparing), r"OVER \(PARTITION BY", "(age|minimum|maximum) .* with the same "),
        (partial(outstanding), "^WITH group_values AS", " the average (total |number )?over all "),
        (
            partial(outstanding, owned=True),
            "^WITH group_values AS",
            "over all .* with at least one",
        ),
        (
            partial(owning, having=True, bare=True, order="sort"),
            r"HAVING .* ORDER BY \w+\.\w+$",
            "(sorted|order of|from the lowest)",
        ),
    ],
)
def test_rarer_patterns_are_said_in_words_of_their_own(
    bees: Path, pattern: Pattern, form: str, words: str
) -> None:
    found = _drawn(bees, pattern, wanted=4)
    assert len(found) == 4
    for intent in found:
        sql = to_sql(intent)
        assert re.search(form, sql)
        assert check_gold(bees, sql).status == "ok"
        for style in STYLES:
            assert re.search(words, _asked(intent, style, random.Random(1)))


def test_two_columns_are_grouped_or_told_apart_as_combinations(tmp_path: Path) -> None:
    path = write_database(
        tmp_path / "teas.sqlite",
        "CREATE TABLE tea (tea_id INTEGER PRIMARY KEY, kind TEXT, land TEXT)",
    )
    connection = sqlite3.connect(path)
    for i in range(20):
        row = (i, ("green", "black")[i % 2], ("Nepal", "Japan", "China")[i * i % 3])
        connection.execute("INSERT INTO tea VALUES (?, ?, ?)", row)
    connection.commit()
    connection.close()
    counted = _drawn(path, partial(grouping, double=True))
    assert {to_sql(intent) for intent in counted} == {
        "SELECT kind, land, COUNT(*) FROM tea GROUP BY kind, land",
        "SELECT land, kind, COUNT(*) FROM tea GROUP BY land, kind",
    }
    assert all(" of " in _asked(intent, "keyword", random.Random(1)) for intent in counted)
    [told, *_] = _drawn(path, partial(listing, columns=2, distinct=True))
    assert to_sql(told) == "SELECT DISTINCT kind, land FROM tea"
    assert "different combinations of kind and land" in _asked(told, "formal", random.Random(1))


def test_values_of_two_tables_are_combined(tmp_path: Path) -> None:
    script = """
    CREATE TABLE singer (singer_id INTEGER PRIMARY KEY, name TEXT, country TEXT);
    CREATE TABLE stadium (stadium_id INTEGER PRIMARY KEY, name TEXT, country TEXT);
    INSERT INTO singer VALUES (1, 'Ann', 'Mali'), (2, 'Bo', 'Peru'), (3, 'Cy', 'Mali');
    INSERT INTO stadium VALUES (1, 'Arena', 'Peru'), (2, 'Bowl', 'Oman'), (3, 'Court', 'Fiji');
    """
    path = write_database(tmp_path / "shows.sqlite", script)
    found = {to_sql(intent): intent for intent in _drawn(path, matching)}
    both = found["SELECT country FROM singer UNION SELECT country FROM stadium"]
    assert _asked(both, "keyword", random.Random(1)) in (
        "different countries that occur among the singers, among the stadiums, or both",
        "different countries that are found among the singers, among the stadiums, or both",
    )
    assert check_gold(path, to_sql(both)).status == "ok"
    assert all("name" not in sql for sql in found)


@pytest.mark.parametrize("feature", ["between", "date", "distinct", "in", "like", "not", "or"])
def test_a_favored_feature_is_drawn_where_it_can_be(bees: Path, feature: str) -> None:
    plain = Draw.over(profile_database(bees), random.Random(1))
    shares = []
    for draw in (plain, plain.favoring(feature)):
        drawn = [partial(listing, conditions=2)(draw) for _ in range(200)]
        kept = [intent for intent in drawn if intent]
        shares.append(sum(feature in measured(intent).features for intent in kept) / len(kept))
    assert shares[1] > max(0.4, 1.5 * shares[0])


def test_a_place_that_two_rows_share_is_undefined(world: Path) -> None:
    country = profile_database(world).table("country")
    continent, code = country.column("continent"), country.column("code")
    with Results(world) as results:
        reasons = [
            reject_reason(Intent(country, (country.column("name"), Rank(key, False))), results)
            for key in (continent, code)
        ]
    assert reasons == ["gold_undefined", ""]


def test_different_values_are_counted_where_some_occur_twice(bees: Path) -> None:
    hive = profile_database(bees).table("hive")
    colour = hive.column("colour")
    with Results(bees) as results:
        reasons = [
            reject_reason(
                Intent(hive, (colour, Measure("count", column, distinct=True)), group=colour),
                results,
            )
            for column in (hive.column("frames"), hive.column("label"))
        ]
    assert reasons == ["", "trivial_result"]


def test_different_values_are_counted_over_the_average_where_some_occur_twice(bees: Path) -> None:
    hive = profile_database(bees).table("hive")
    frames = hive.column("frames")
    with Results(bees) as results:
        reasons = [
            reject_reason(
                Intent(
                    hive,
                    (frames,),
                    group=frames,
                    having=Having(Measure("count", column, distinct=True), ">", None),
                ),
                results,
            )
            for column in (hive.column("apiary_id"), hive.column("label"))
        ]
    assert reasons == ["", "trivial_result"]


def test_names_that_rows_share_are_not_said_to_be_rows(world: Path) -> None:
    """One France may be in Asia and another large: no country is both."""
    country = profile_database(world).table("country")
    name, code, continent = (country.column(c) for c in ("name", "code", "continent"))
    conditions = (Condition(continent, "=", ("Asia",)), Condition(continent, "=", ("Africa",)))
    said = []
    for value, operator in ((name, "INTERSECT"), (name, "UNION"), (code, "INTERSECT")):
        first, second = (Intent(country, (value,), filters=(item,)) for item in conditions)
        both = first.but(operator=operator, other=second)
        said.append(" those " in _asked(both, "keyword", random.Random(1)))
    assert said == [False, True, True]


def test_rows_are_told_apart_by_a_key_that_all_have(tmp_path: Path) -> None:
    script = """
    CREATE TABLE plant (code TEXT PRIMARY KEY, kind TEXT, height INTEGER);
    INSERT INTO plant VALUES (NULL, 'herb', 3), (NULL, 'tree', 90), ('A1', 'herb', 5),
        ('A2', 'tree', 70), ('A3', 'tree', 60), ('A4', 'herb', 8);
    """
    path = write_database(tmp_path / "plants.sqlite", script)
    draw = Draw.over(profile_database(path), random.Random(1))
    assert not any(merging(draw) for _ in range(100))


def test_the_lowest_number_of_different_values_is_not_asked_of_those_with_any(bees: Path) -> None:
    """Who has none has the lowest number, but is in no group."""
    draw = Draw.over(profile_database(bees), random.Random(1)).favoring("distinct")
    directions: dict[bool, set[bool]] = {True: set(), False: set()}
    for _ in range(300):
        intent = owning(draw, order="top")
        if intent and intent.order and isinstance(intent.order.key, Measure):
            directions[intent.order.key.distinct].add(intent.order.descending)
    assert directions == {True: {True}, False: {True, False}}


def test_a_group_stands_out_among_three_at_least(tmp_path: Path) -> None:
    script = """
    CREATE TABLE tea (tea_id INTEGER PRIMARY KEY, kind TEXT, land TEXT);
    INSERT INTO tea VALUES (1, 'green', 'Nepal'), (2, 'green', 'Japan'), (3, 'black', 'China'),
        (4, 'green', 'Nepal');
    """
    path = write_database(tmp_path / "teas.sqlite", script)
    tea = profile_database(path).table("tea")
    more = Having(Measure("count"), ">", None)
    with Results(path) as results:
        reasons = [
            reject_reason(Intent(tea, (column,), group=column, having=more), results)
            for column in (tea.column("kind"), tea.column("land"))
        ]
    assert reasons == ["trivial_result", ""]


def test_what_a_vague_question_leaves_untold_is_in_its_evidence(bees: Path) -> None:
    hive = profile_database(bees).table("hive")
    frames, colour, label = (hive.column(name) for name in ("frames", "colour", "label"))
    few = Intent(hive, (label,), order=Order(frames, descending=True), limit=3)
    cases = [
        (Intent(hive, (Measure("avg", frames),)), "typical number of frames", "AVG(hive.frames)"),
        (Intent(hive, (Measure("max", frames),)), "peak number of frames", "MAX(hive.frames)"),
        (Intent(hive, (Measure("sum", frames),)), "overall number of frames", "SUM(hive.frames)"),
        (
            Intent(hive, (Measure("count", colour, distinct=True),)),
            "variety of colours",
            "COUNT(DISTINCT hive.colour)",
        ),
        (few, " few hives with the ", "A few means 3."),
        (
            Intent(hive, (colour,), group=colour, having=Having(Measure("count"), ">=", 15)),
            " many hives",
            "Many hives means that COUNT(*) >= 15.",
        ),
        (
            Intent(hive, (label,), filters=(Beyond(frames, "<", "avg"),)),
            "unusually low",
            "hive.frames < (SELECT AVG(hive.frames) FROM hive)",
        ),
    ]
    for intent, words, meaning in cases:
        for seed in range(10):
            question = ask(intent, "vague", random.Random(seed))
            assert question
            assert words in question.text
            assert meaning in question.evidence


def test_a_word_is_said_of_few_rows_only(bees: Path) -> None:
    hive = profile_database(bees).table("hive")
    frames, colour = hive.column("frames"), hive.column("colour")  # from 6 to 18; 3 colours of 40
    kept = [
        Intent(hive, (hive.column("label"),), filters=(Condition(frames, operator, (value,)),))
        for operator, value in ((">", 7), (">", 16), ("<", 16), ("<", 7))
    ]
    kept += [
        Intent(hive, (colour,), group=colour, having=Having(Measure("count"), operator, value))
        for operator, value in ((">", 1), (">", 14), ("<", 14), ("<", 3))
    ]
    assert [bool(ask(intent, "vague", random.Random(1))) for intent in kept] == [False, True] * 4


def test_each_side_of_a_set_operation_and_each_scope_must_matter(bees: Path) -> None:
    profile = profile_database(bees)
    hive, apiary = profile.table("hive"), profile.table("apiary")
    frames, colour = hive.column("frames"), hive.column("colour")
    relations = Draw.over(profile, random.Random(1)).relations
    relation = next(r for r in relations if (r.owner.name, r.member.name) == ("apiary", "hive"))

    def united(least: int) -> Intent:
        first, second = (
            Intent(hive, (colour,), filters=(Condition(frames, ">", (value,)),))
            for value in (8, least)
        )
        return first.but(operator="UNION", other=second)

    def owning_one(least: int) -> Intent:
        scope = Condition(frames, ">=", (least,))
        return Intent(apiary, (apiary.column("name"),), filters=(Has(relation, scope),))

    with Results(bees) as results:
        assert reject_reason(united(9), results) == "trivial_result"
        assert reject_reason(owning_one(6), results) == "trivial_result"  # as all hives have
        assert reject_reason(owning_one(18), results) == ""
