"""Words and people that nobody knows."""

import random

import apsw
import pytest

from sense.domains.coinage import invent_people, invent_words, translate, words_of


def test_units_and_small_words_are_never_replaced() -> None:
    assert words_of(["wax_kg", "peak_celsius", "installed_on", "hive_id"]) == {
        "wax",
        "peak",
        "installed",
        "hive",
    }


@pytest.mark.parametrize(("share", "num"), [(0.0, 0), (0.25, 25), (0.5, 50), (1.0, 100)])
def test_share_says_how_many_words_are_invented(share: float, num: int) -> None:
    words = [f"word{'x' * i}" for i in range(100)]
    assert len(invent_words(words, share, random.Random(1))) == num


def test_invented_words_are_distinct_plain_and_no_keywords() -> None:
    words = [f"{a}{b}{c}" for a in "abcdefghij" for b in "abcdefghij" for c in "klmnopqrst"]
    invented = invent_words(words, 1.0, random.Random(7))
    values = set(invented.values())
    assert len(values) == 1000
    assert all(v.isascii() and v.islower() and v.isalpha() and 6 <= len(v) <= 12 for v in values)
    assert not {v.upper() for v in values} & set(apsw.keywords)


def test_words_to_avoid_are_avoided() -> None:
    usual = invent_words(["kite"], 1.0, random.Random(3))["kite"]
    assert invent_words(["kite"], 1.0, random.Random(3), avoid=[usual])["kite"] != usual


def test_words_do_not_depend_on_the_order_of_a_set() -> None:
    assert invent_words(["b", "a"], 1.0, random.Random(0)) == invent_words(
        ["a", "b"], 1.0, random.Random(0)
    )


def test_translation_leaves_parts_of_words_alone() -> None:
    assert translate("kites_kite_CO2", {"kite": "tilskek"}) == "kites_tilskek_CO2"


def test_people_have_different_names() -> None:
    people = invent_people(1600, random.Random(0))
    assert len(set(people)) == 1600
