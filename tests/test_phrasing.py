"""How intents are worded: one meaning for one comparison word, a person's English, five styles."""

import random
from dataclasses import replace
from pathlib import Path

import pytest

from sense.grammar import sample_examples
from sense.questions.evidence import evidence_of
from sense.questions.intent import (
    Beyond,
    Condition,
    Filter,
    Has,
    Having,
    Intent,
    Measure,
    Order,
    Relation,
)
from sense.questions.measures import names_of
from sense.questions.phrasing import ask
from sense.questions.profile import ColumnProfile, Kind, Profile, TableProfile, profile_database
from sense.questions.restriction import restricted, title, value_text
from sense.questions.sentence import STYLES, Style, Voice
from sense.questions.sql import to_sql
from sense.questions.wording import article, has_plural, plural, possessive, singular


def _asked(intent: Intent, style: Style, rng: random.Random) -> str:
    question = ask(intent, style, rng)
    assert question
    return question.text


@pytest.fixture
def profile(world: Path) -> Profile:
    return profile_database(world)


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("city", "cities"),
        ("day", "days"),
        ("address", "addresses"),
        ("date of birth", "dates of birth"),
        ("person", "people"),
        ("staff", "staff"),
        ("bus", "buses"),
        ("shelf", "shelves"),
        ("match", "matches"),
        ("house", "houses"),
        ("box", "boxes"),
        ("analysis", "analyses"),
        ("print sold", "prints sold"),
    ],
)
def test_plural_and_singular_are_inverse(one: str, many: str) -> None:
    assert plural(one) == many
    assert singular(many) == one
    assert singular(one) == one


def test_articles_follow_the_sound() -> None:
    words = ["hive", "age", "hour", "university", "umbrella", "one-way trip", "european"]
    assert [article(word).split()[0] for word in words] == ["a", "an", "an", "a", "an", "a", "a"]


def test_possessives_of_words_in_s() -> None:
    assert [possessive(word) for word in ("keeper", "address", "keepers", "people")] == [
        "keeper's",
        "address's",
        "keepers'",
        "people's",
    ]


def test_evidence_agrees_with_what_it_explains() -> None:
    points, price = (_column(name, "integer") for name in ("total points", "price"))
    play = TableProfile("play", "play", (points, price), 9, None, None)
    said = [
        evidence_of(Beyond(column, ">", "avg"), Intent(play, (column,)))
        for column in (points, price)
    ]
    assert said[0].startswith("Unusually high total points mean that play.total_points > (")
    assert said[1].startswith("An unusually high price means that play.price > (")


def test_a_name_with_a_unit_has_no_plural() -> None:
    assert not has_plural("height cm")
    assert not has_plural("2019 sales")
    assert has_plural("home town")


def _words(profile: Profile, item: Filter, table: str = "city") -> set[str]:
    """All wordings of a filter, over many seeds."""
    home = profile.table(table)
    return {
        restricted((item,), False, home, True, Voice("keyword", random.Random(seed))).strip()
        for seed in range(60)
    }


def test_strict_and_inclusive_comparisons_never_share_a_wording(profile: Profile) -> None:
    population = profile.table("city").column("population")
    wordings = {
        operator: _words(profile, Condition(population, operator, (5,)))  # type: ignore[arg-type]
        for operator in (">", ">=", "<", "<=", "=", "<>")
    }
    assert "whose population is more than 5" in wordings[">"]
    assert "with a population of at least 5" in wordings[">="]
    assert sum(map(len, wordings.values())) == len(set().union(*wordings.values()))


def test_text_conditions(profile: Profile) -> None:
    name = profile.table("city").column("name")
    assert "whose name is Paris" in _words(profile, Condition(name, "=", ("Paris",)))
    assert "that are called 'the Hague'" in _words(profile, Condition(name, "=", ("the Hague",)))
    assert _words(profile, Condition(name, "starts", ("P",))) == {
        "whose name starts with 'P'",
        "whose name begins with 'P'",
    }


def test_a_condition_on_another_table_names_that_table(profile: Profile) -> None:
    continent = profile.table("country").column("continent")
    words = _words(profile, Condition(continent, "=", ("Asia",)))
    assert "whose country's continent is Asia" in words
    assert all("country" in wording for wording in words)


def _column(name: str, kind: Kind) -> ColumnProfile:
    return ColumnProfile("play", "play", name.replace(" ", "_"), name, kind, 9, 0.0, False)


@pytest.mark.parametrize(
    ("name", "kind", "one", "many"),
    [
        ("staged on", "date", "staged-on date", "staged-on dates"),
        ("check in", "date", "check-in date", "check-in dates"),
        ("appointed", "date", "appointed date", "appointed dates"),
        ("sold date", "date", "sold date", "sold dates"),
        ("arrival", "date", "arrival date", "arrival dates"),
        ("carved in", "year", "carved-in year", "carved-in years"),
        ("paid by", "category", "paid-by value", "paid-by values"),
        ("appointed", "category", "appointed value", "appointed values"),
        ("killed", "integer", "number of killed", "numbers of killed"),
        ("charged", "real", "charged value", "charged values"),
        ("amount paid", "real", "amount paid", "amounts paid"),
        ("vat litres", "integer", "vat litres", "vat litres"),
        ("num of component", "integer", "number of components", "numbers of components"),
        ("num employees", "integer", "number of employees", "numbers of employees"),
        ("abandoned yn", "category", "abandoned yn", "values of abandoned yn"),
        ("withers cm", "integer", "withers cm", "values of withers cm"),
        ("length in", "real", "length in", "values of length in"),
        ("dog breed", "text", "dog breed", "dog breeds"),
    ],
)
def test_every_column_is_called_by_a_noun(name: str, kind: Kind, one: str, many: str) -> None:
    column = _column(name, kind)
    assert title(column) == one
    assert names_of([column]) == many


@pytest.mark.parametrize(
    ("name", "yes", "no"),
    [
        ("cancelled", "that are marked as cancelled", "that are not marked as cancelled"),
        ("food safe", "that are marked as food safe", "that are not marked as food safe"),
        ("solar panel", "whose solar panel flag is 1", "whose solar panel flag is 0"),
        ("kept in herbarium", "that are kept in herbarium", "that are not kept in herbarium"),
        ("at night", "that are at night", "that are not at night"),
        ("was withdrawn", "that were withdrawn", "that were not withdrawn"),
        ("has roof", "that have roof", "that do not have roof"),
    ],
)
def test_flags_have_one_wording_for_each_value(name: str, yes: str, no: str) -> None:
    play = TableProfile("play", "play", (), 9, None, None)
    voice = Voice("keyword", random.Random(0))
    wordings = [
        restricted((Condition(_column(name, "boolean"), "=", (value,)),), False, play, True, voice)
        for value in (1, 0)
    ]
    assert wordings == [f" {yes}", f" {no}"]


def test_in_and_exists_have_wordings_of_their_own(profile: Profile) -> None:
    city, country = profile.table("city"), profile.table("country")
    relation = Relation(country, city, profile.links)
    named = Condition(city.column("name"), "starts", ("P",))
    by_in, by_exists = (
        Intent(country, (country.column("name"),), filters=(Has(relation, named, correlated=c),))
        for c in (False, True)
    )
    assert to_sql(by_exists) == (
        "SELECT T1.name FROM country AS T1 WHERE EXISTS (SELECT 1 FROM city AS T2"
        " WHERE T2.country_code = T1.code AND T2.name LIKE 'P%')"
    )
    for seed in range(20):
        assert "for which there is a city whose" in _asked(by_exists, "formal", random.Random(seed))
        assert "there is" not in _asked(by_in, "formal", random.Random(seed))


def test_dates_are_written_out_in_formal_style_only() -> None:
    column = _column("day", "date")
    texts = [value_text("2019-05-03", column, Voice(s, random.Random(0))) for s in STYLES]
    assert texts == ["2019-05-03", "2019-05-03", "3 May 2019", "3 May 2019", "2019-05-03"]


@pytest.mark.parametrize(
    ("style", "question"),
    [
        ("interrogative", "How many countries have no city?"),
        ("imperative", "Give the number of countries that have no city."),
        ("keyword", "number of countries that have no city"),
    ],
)
def test_styles_of_one_meaning(profile: Profile, style: Style, question: str) -> None:
    city, country = profile.table("city"), profile.table("country")
    relation = Relation(country, city, profile.links)
    intent = Intent(country, (Measure("count"),), filters=(Has(relation, negated=True),))
    asked = {_asked(intent, style, random.Random(seed)) for seed in range(30)}
    assert question in asked
    assert to_sql(intent) == (
        "SELECT COUNT(*) FROM country WHERE code NOT IN (SELECT country_code FROM city)"
    )


def test_fewest_says_that_owners_without_any_do_not_count(profile: Profile) -> None:
    city, country = profile.table("city"), profile.table("country")
    relation = Relation(country, city, profile.links)
    intent = Intent(
        city,
        (country.column("name"),),
        profile.links,
        group=country.key,
        owner=relation,
        order=Order(Measure("count")),
        limit=1,
    )
    assert _asked(intent, "keyword", random.Random(0)) == (
        "name of the country with the fewest (but at least one) cities"
    )


def test_the_row_with_the_maximum_is_not_all_rows_equal_to_it(profile: Profile) -> None:
    city = profile.table("city")
    name, population = city.column("name"), city.column("population")
    first = Intent(city, (name,), order=Order(population, descending=True), limit=1)
    equal = Intent(city, (name,), filters=(Beyond(population, "=", "max"),))
    for seed in range(20):
        assert "equals the maximum population" in _asked(equal, "formal", random.Random(seed))
        assert "equals" not in _asked(first, "formal", random.Random(seed))


def test_one_is_counted_in_the_singular(profile: Profile) -> None:
    city, country = profile.table("city"), profile.table("country")
    relation = Relation(country, city, profile.links)
    intent = Intent(
        city,
        (country.column("name"),),
        profile.links,
        group=country.key,
        owner=relation,
        having=Having(Measure("count"), ">", 1),
    )
    assert (
        _asked(intent, "keyword", random.Random(0))
        == "names of the countries with more than one city"
    )


SNAPSHOT = [
    (
        "What are the names of all countries, sorted by population in descending order?",
        "SELECT name FROM country ORDER BY population DESC",
    ),
    (
        "Could you show me the names of the countries with a population between 77000 and "
        "1000000000?",
        "SELECT name FROM country WHERE population BETWEEN 77000 AND 1000000000",
    ),
    (
        "names of the countries whose code is SYC",
        "SELECT name FROM country WHERE code = 'SYC'",
    ),
    (
        "What are the different continents of all countries?",
        "SELECT DISTINCT continent FROM country",
    ),
    (
        "List the continents with exactly 2 countries.",
        "SELECT continent FROM country GROUP BY continent HAVING COUNT(*) = 2",
    ),
    (
        "Please return the continents and populations of the countries that are called 'France'.",
        "SELECT continent, population FROM country WHERE name = 'France'",
    ),
    (
        "For each continent with fewer than 3 countries, what are the continent and the "
        "number of countries?",
        "SELECT continent, COUNT(*) FROM country GROUP BY continent HAVING COUNT(*) < 3",
    ),
    (
        "Show the minimum, highest and mean population of all countries.",
        "SELECT MIN(population), MAX(population), AVG(population) FROM country",
    ),
    (
        "name of each country with at least one city, and the number of cities",
        "SELECT country.name, COUNT(*) FROM city JOIN country ON city.country_code = "
        "country.code GROUP BY country.code",
    ),
    (
        "Tell me the names of the countries whose continent starts with 'E'.",
        "SELECT name FROM country WHERE continent LIKE 'E%'",
    ),
    (
        "Can you tell me the continent with the lowest average population of countries?",
        "SELECT continent FROM country GROUP BY continent ORDER BY AVG(population) LIMIT 1",
    ),
    (
        "Tell me: which countries have more than one city? Show their names, sorted "
        "alphabetically by name.",
        "SELECT country.name FROM city JOIN country ON city.country_code = country.code "
        "GROUP BY country.code HAVING COUNT(*) > 1 ORDER BY country.name",
    ),
    (
        "Which continent has the most countries?",
        "SELECT continent FROM country GROUP BY continent ORDER BY COUNT(*) DESC LIMIT 1",
    ),
    (
        "I'd like to know the names of the cities whose population is greater than the "
        "average population of all cities.",
        "SELECT name FROM city WHERE population > (SELECT AVG(population) FROM city)",
    ),
    (
        "Show the names of the countries that have at least one city with a population "
        "greater than 7200000.",
        "SELECT name FROM country WHERE code IN (SELECT country_code FROM city WHERE "
        "population > 7200000)",
    ),
    (
        "names and populations of the cities whose population is higher than the average "
        "population of all cities",
        "SELECT name, population FROM city WHERE population > (SELECT AVG(population) FROM city)",
    ),
    (
        "Please provide the name of the country with the lowest average population of "
        "cities, and that average.",
        "SELECT country.name, AVG(city.population) FROM city JOIN country ON "
        "city.country_code = country.code GROUP BY country.code ORDER BY "
        "AVG(city.population) LIMIT 1",
    ),
    (
        "Which countries have no city with a population greater than 1518000? List their "
        "names and continents.",
        "SELECT name, continent FROM country WHERE code NOT IN (SELECT country_code FROM "
        "city WHERE population > 1518000)",
    ),
    (
        "List the different names of the countries that have a city whose population is not "
        "known, a city whose name is Victoria, or both.",
        "SELECT country.name FROM city JOIN country ON city.country_code = country.code "
        "WHERE city.population IS NULL UNION SELECT country.name FROM city JOIN country ON "
        "city.country_code = country.code WHERE city.name = 'Victoria'",
    ),
    (
        "Which countries have more cities than the average over all countries with at least "
        "one city? Give their names.",
        "WITH group_values AS (SELECT country.name, COUNT(*) AS group_value FROM city JOIN "
        "country ON city.country_code = country.code GROUP BY country.code) SELECT name FROM "
        "group_values WHERE group_value > (SELECT AVG(group_value) FROM group_values)",
    ),
]


def test_snapshot_of_the_world(world: Path) -> None:
    found = sample_examples(world, {"easy": 5, "medium": 5, "hard": 5, "extra": 5}, seed=7)
    assert [(example.question, example.sql) for example in found] == SNAPSHOT


def test_what_a_column_counts_is_counted_once(profile: Profile) -> None:
    column = _column("num_of_stores", "integer")
    column = replace(column, words="num of stores")
    play = TableProfile("play", "play", (column,), 9, None, None)
    condition = Condition(column, ">", (5,))
    words = {
        restricted((condition,), False, play, True, Voice("keyword", random.Random(seed)))
        for seed in range(40)
    }
    assert " with more than 5 stores" in words
    assert " whose number of stores is more than 5" in words
    assert not any("num " in text or "5 number" in text for text in words)
