"""sense.coverage: plans, their quotas, what rounds ask next, styles and the report."""

import random
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sense.coverage.cells import Attempts, Kept, Slot, Tries, margins
from sense.coverage.coverage import Coverage
from sense.coverage.needs import FeatureNeeds, Wish
from sense.coverage.outcome import coverage_report, missed_shares
from sense.coverage.owed import Ledger
from sense.coverage.plan import PlanError, parse_plan, read_plan
from sense.coverage.quota import fit_slots, round_slots
from sense.coverage.steering import sample_wishes
from sense.coverage.styles import ASKED_STYLES, bears_marks, sentences, style_of
from sense.hardness import FEATURES
from sense.questions.profile import profile_database
from sense.strong_set.misses import Misses

SMALL = """
hardness: {easy: 1, hard: 1}
style: {formal: 1, keyword: 3}
feature: {join: 0.4, nested: {hard: 0.5}}
"""


def test_the_default_plan_names_every_level_and_style() -> None:
    plan = read_plan()
    assert sum(plan.hardness.values()) == pytest.approx(1)
    assert plan.style.keys() == ASKED_STYLES.keys()
    assert min(plan.style.values()) > 0
    assert plan.feature["nested"] == {"easy": 0.0, "medium": 0.0, "hard": 0.48, "extra": 0.44}
    assert plan.domains_of(["tea", "salt"]) == {"tea": 0.5, "salt": 0.5}


def test_a_plan_of_a_file_takes_the_rest_from_the_default() -> None:
    plan = parse_plan("domain: {tea: 1, salt: 3}\nfeature: {join: 0.4}", "mine.yaml")
    assert plan.hardness == read_plan().hardness
    assert plan.feature == {"join": dict.fromkeys(("easy", "medium", "hard", "extra"), 0.4)}
    assert plan.domains_of(["salt", "tea", "kites"]) == {"salt": 0.75, "tea": 0.25, "kites": 0.0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hardnes: {easy: 1}", "has no entry 'hardnes'; closest match: 'hardness'"),
        ("hardness: {simple: 1}", "key 'hardness' has no entry 'simple'; expected easy, medium"),
        ("hardness: {easy: -1}", r"key 'hardness', 'easy' is -1; expected a number of 0 or more"),
        ("hardness: {easy: 0}", "key 'hardness' asks for nothing"),
        ("hardness: {easy: .inf}", "key 'hardness', 'easy' is infinite"),
        ("style: formal", "key 'style' is 'formal'; expected lines of the form 'name: share'"),
        ("style: {formal: yes}", "key 'style', 'formal' is True"),
        ("feature: {joins: 0.5}", "key 'feature' has no entry 'joins'; closest match: 'join'"),
        ("feature: {join: 1.5}", "'join', 'easy' is 1.5; expected a share from 0 to 1"),
        ("feature: {join: {easy: 40}}", "key 'feature', 'join', 'easy' is 40"),
        ("domain: {3: 1}", "key 'domain' has no entry '3'; expected names of domains"),
        ("domain: some", "key 'domain' is 'some'"),
        ("hardness: [", "plan 'mine.yaml' is not YAML"),
        ("- hardness", r"plan 'mine.yaml' is \['hardness'\]"),
    ],
)
def test_a_bad_plan_is_refused_by_its_key(text: str, message: str) -> None:
    with pytest.raises(PlanError, match=message):
        parse_plan(text, "mine.yaml")


def test_a_plan_that_is_no_text_is_refused_by_its_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes("style: {formal: 1}  # für alle".encode("latin-1"))
    with pytest.raises(ValueError, match=r"mine\.yaml, line 1, is not UTF-8"):
        read_plan(str(path))


def test_a_planned_domain_must_be_at_hand() -> None:
    plan = parse_plan("domain: {tee: 1}", "mine.yaml")
    with pytest.raises(PlanError, match=r"domain 'tee' is not among the 2 domains .* match: 'tea'"):
        plan.domains_of(["tea", "salt"])


weights = st.lists(st.integers(0, 9), min_size=1, max_size=5).filter(any)


@settings(deadline=None, max_examples=60)
@given(weights, weights, weights, st.integers(0, 3_000))
def test_rounded_quotas_keep_every_sum_near_the_plan(
    domains: list[int], levels: list[int], styles: list[int], total: int
) -> None:
    def shares(parts: list[int]) -> dict[str, float]:
        return {str(place): part / sum(parts) for place, part in enumerate(parts) if part}

    fitted = fit_slots(
        {"domain": shares(domains), "hardness": shares(levels), "style": shares(styles)}, total, {}
    )
    quota = round_slots(fitted, total, {})
    assert sum(quota.values()) == total
    assert min(quota.values(), default=0) >= 0
    planned, realised = margins(fitted), margins(quota)
    assert all(abs(planned[cell] - realised[cell]) <= 4 for cell in planned)


def test_a_closed_slot_keeps_its_rows_and_the_others_make_up_for_them() -> None:
    shares = {
        "domain": {"a": 0.5, "b": 0.25, "c": 0.25},
        "hardness": {"easy": 0.5, "hard": 0.5},
        "style": {"formal": 0.5, "keyword": 0.5},
    }
    filled = {Slot("a", "hard", "formal"): 10}
    closed = {Slot("a", "hard", style) for style in ("formal", "keyword")}
    fitted = fit_slots(shares, 400, filled, closed)  # type: ignore[arg-type]
    quota = round_slots(fitted, 400, filled)
    sums = margins(quota)
    assert sums[("domain", "a"),] > 100  # its easy rows, and more of them than planned
    assert sums[("hardness", "hard"),] == pytest.approx(200, abs=2)
    assert sums[("style", "formal"),] == pytest.approx(200, abs=2)
    assert quota[Slot("a", "hard", "formal")] == 10
    assert quota.get(Slot("a", "hard", "keyword"), 0) == 0


def obedient(coverage: Coverage, rng: random.Random, never: str = "") -> None:
    """Rounds of a teacher that gives the rows that are asked for, but for one feature."""
    for _ in range(4):
        coverage.refit()
        needs = FeatureNeeds(coverage)
        for slot, num in coverage.missing().items():
            rates = needs.of(slot)
            for _ in range(-(-num // 2)):
                asked = [feature for feature, rate in rates.items() if rng.random() < rate]
                given = tuple(feature for feature in asked if feature != never)
                level, style, _ = slot.parts()
                coverage.note(
                    slot.domain,
                    {
                        (part, ("feature", name)): Tries(1, 1, name in given, name in given)
                        for part in (level, style)
                        for name in asked
                    },
                )
                if coverage.has_room(slot):
                    coverage.add(Kept(slot, given))
    coverage.refit()


def test_rounds_reach_the_plan() -> None:
    coverage = Coverage(parse_plan(SMALL), 2_000, {"tea": 0.5, "salt": 0.5})
    obedient(coverage, random.Random(0))
    assert coverage.num_rows > 1_870  # four rounds of half of what is missing each
    report = coverage_report([coverage])
    assert missed_shares(report) == []
    assert report["cells"]["within"] == report["cells"]["planned"] > 10
    assert report["infeasible"] == []
    assert report["shares"]["feature"]["nested"]["planned"] == 0.25


def test_a_feature_that_never_comes_is_named() -> None:
    coverage = Coverage(parse_plan(SMALL), 2_000, {"tea": 0.5, "salt": 0.5})
    obedient(coverage, random.Random(0), never="nested")
    obedient(coverage, random.Random(1), never="nested")
    report = coverage_report([coverage])
    named = {item["cell"]: item["reason"] for item in report["infeasible"]}
    assert "hardness=hard, feature=nested" in named
    said = (
        r"0 rows of \d+ planned; given up when \d+ rows had tried for \d+ missing: of \d+ queries 0"
    )
    assert re.match(said, named["hardness=hard, feature=nested"])
    assert [name for name, _ in missed_shares(report)] == ["feature=nested"]


def test_a_feature_that_was_hardly_tried_for_is_not_called_infeasible() -> None:
    coverage = Coverage(parse_plan(SMALL), 2_000, {"tea": 1.0})
    tries: Attempts = {(("hardness", "hard"), ("feature", "nested")): Tries(4, 190, 0, 0)}
    for number in range(200):
        coverage.add(Kept(Slot("tea", "hard", "formal"), ("join",) if number % 2 else ()))
    coverage.note("tea", tries)
    coverage.refit()
    assert coverage.infeasible == {}
    coverage.note("tea", {cell: Tries(96, 2_710, 3, 3) for cell in tries})
    coverage.refit()
    assert coverage.infeasible == {
        (("hardness", "hard"), ("feature", "nested")): "given up when 100 rows had tried for 100 "
        "missing: of 2,900 queries 3 had it, of the rows 3"
    }


def test_a_feature_that_a_style_always_has_is_named() -> None:
    coverage = Coverage(parse_plan(SMALL), 400, {"tea": 1.0})
    for slot, num in coverage.missing().items():
        for place in range(num):
            has_join = slot.style == "formal" or place % 5 == 0
            coverage.add(Kept(slot, ("join",) if has_join else ()))
    coverage.refit()
    [named] = [item for item in coverage_report([coverage])["infeasible"] if "join" in item["cell"]]
    assert named == {
        "cell": "style=formal, feature=join",
        "reason": "100 rows of 40 planned; all rows have it",
    }


def test_a_style_that_cannot_be_had_goes_to_the_others_and_is_named() -> None:
    coverage = Coverage(parse_plan(SMALL), 100, {"tea": 1.0})
    coverage.rule_out("style", "formal", "the grammar does not speak it")
    coverage.refit()
    assert {slot.style for slot in coverage.missing()} == {"keyword"}
    assert sum(coverage.missing().values()) == 100
    report = coverage_report([coverage])
    assert report["infeasible"] == [
        {"cell": "style=formal", "reason": "the grammar does not speak it"}
    ]
    with pytest.raises(PlanError, match="key 'style' asks for formal, keyword only, which cannot"):
        coverage.rule_out("style", "keyword", "the grammar does not speak it")


@pytest.mark.parametrize(
    ("num_formal", "named", "missed"),
    [
        (25, [], []),
        (23, [], []),
        (20, ["style=formal"], ["style=keyword", "style=formal"]),
        (0, ["style=formal"], ["style=keyword", "style=formal"]),
    ],
)
def test_what_came_without_being_asked_for_is_not_called_infeasible(
    num_formal: int, named: list[str], missed: list[str]
) -> None:
    coverage = Coverage(parse_plan(SMALL), 100, {"tea": 1.0})
    coverage.rule_out("style", "formal", "asked for 65 times, it came 3 times")
    for number in range(100):
        style = "formal" if number < num_formal else "keyword"
        coverage.add(Kept(Slot("tea", "hard" if number % 2 else "easy", style), ()))
    coverage.refit()
    report = coverage_report([coverage])
    assert [item["cell"] for item in report["infeasible"] if "feature" not in item["cell"]] == named
    assert [name for name, _ in missed_shares(report) if "style" in name] == missed


def test_rows_beyond_the_quota_have_no_room() -> None:
    coverage = Coverage(parse_plan(SMALL), 8, {"tea": 1.0})
    slot = Slot("tea", "easy", "formal")
    assert coverage.missing()[slot] == 1
    assert coverage.has_room(slot)
    coverage.add(Kept(slot, ("join",)))
    assert not coverage.has_room(slot)
    assert not coverage.has_room(Slot("tea", "medium", "formal"))
    assert coverage.counts[("style", "formal"), ("feature", "join")] == 1


def test_no_more_rows_are_taken_than_were_planned() -> None:
    coverage = Coverage(parse_plan(SMALL), 40, {"tea": 0.5, "salt": 0.5})
    slots = [slot for slot, num in coverage.missing().items() for _ in range(2 * num)]
    for slot in slots:
        if coverage.has_room_in_sums(slot):
            coverage.add(Kept(slot, ()))
        coverage.refit()
    assert 36 <= coverage.num_rows <= 40
    assert coverage.counts[("hardness", "easy"),] <= 20
    assert coverage.counts[("style", "keyword"),] <= 30


def test_what_a_domain_lacks_is_asked_of_it_more() -> None:
    coverage = Coverage(parse_plan(SMALL), 400, {"tea": 0.5, "salt": 0.5})
    for domain, features in (("tea", ()), ("salt", ("join",))):
        for _ in range(12):
            coverage.add(Kept(Slot(domain, "easy", "formal"), features))
    needs = FeatureNeeds(coverage)
    tea, salt = (needs.of(Slot(name, "easy", "keyword"))["join"] for name in ("tea", "salt"))
    assert tea > 0.4 > salt


def test_what_was_tried_in_vain_is_asked_of_others_at_that_level() -> None:
    coverage = Coverage(parse_plan(SMALL), 2_000, {"tea": 0.5, "salt": 0.5})
    coverage.note("tea", {(("hardness", "hard"), ("feature", "nested")): Tries(3, 150, 60, 0)})
    coverage.refit()
    needs = FeatureNeeds(coverage)
    tea, salt = (needs.of(Slot(name, "hard", "formal"))["nested"] for name in ("tea", "salt"))
    assert salt > 0.5 > 4 * tea
    assert (tea + salt) / 2 == pytest.approx(0.5)  # as the plan has it at the level


def test_what_came_too_seldom_is_asked_for_more_often_than_it_lacks() -> None:
    coverage = Coverage(parse_plan(SMALL), 2_000, {"tea": 1.0})
    for number in range(400):
        coverage.add(Kept(Slot("tea", "hard", "keyword"), ("nested",) if number % 5 < 2 else ()))
    coverage.refit()
    rate = FeatureNeeds(coverage).of(Slot("tea", "hard", "keyword"))["nested"]
    lacking = (0.5 * 1_000 - 160) / 600
    assert 1.4 * lacking < rate < 1.0


def test_rare_features_are_due_one_at_a_time_and_as_often_as_planned() -> None:
    rates = {"between": 0.1, "in": 0.15, "like": 0.05, "not": 0.12, "where": 0.6}
    wish = Wish("easy", "formal", 1, rates, rates)
    due: Counter[str] = Counter()
    for seed in range(2_000):
        wants = Ledger(random.Random(seed)).wants(wish)
        now = [name for name, want in wants.items() if want > 0]
        assert len([name for name in now if name != "where"]) <= 1
        due.update(now)
    for name, rate in rates.items():
        assert due[name] / 2_000 == pytest.approx(rate, abs=0.04)


@pytest.mark.parametrize("feature", ["limit", "having", "exists"])
def test_a_feature_is_due_as_often_as_planned_where_the_one_it_comes_with_has_no_plan(
    feature: str,
) -> None:
    wish = Wish("hard", "formal", 1, {feature: 0.3}, {feature: 0.3})
    due = [Ledger(random.Random(seed)).wants(wish)[feature] > 0 for seed in range(2_000)]
    assert sum(due) / 2_000 == pytest.approx(0.3, abs=0.04)


def test_a_plan_that_wants_no_feature_gets_its_rows(world: Path) -> None:
    rates, profile = dict.fromkeys(FEATURES, 0.0), profile_database(world)
    wish = Wish("hard", "formal", 4, rates, rates)
    assert len(list(sample_wishes(profile, [wish], 1, Misses()))) == 4


STYLED = [
    ("interrogative", "Which cities have more than 5,000 people?", ""),
    ("imperative", "List the names of all cities in Asia.", ""),
    ("imperative", "For each city, count its harbours.", ""),
    ("formal", "Please provide the name of each city, ordered by population.", ""),
    ("colloquial", "Hey, what's the biggest city we have?", ""),
    ("colloquial", "I'd like to know the names of the cities.", ""),
    ("keyword", "names of cities with population above 5000", ""),
    ("keyword", "name and age of each sailor who has been to a harbour in Norway since 1990", ""),
    ("several_sentences", "I am writing about Asia. How many cities are there?", ""),
    ("vague", "Which cities are big?", "big means a population above 5,000"),
]


@pytest.mark.parametrize(("style", "question", "evidence"), STYLED)
def test_a_style_is_known_by_its_marks(style: str, question: str, evidence: str) -> None:
    assert bears_marks(style, question, evidence)
    assert style_of(question, evidence) == style


def test_the_style_asked_for_counts_where_its_marks_are_there() -> None:
    text = "I'd like to plan. Tell me the names of the cities."
    assert style_of(text, asked="colloquial") == "colloquial"
    assert style_of(text, asked="keyword") == "several_sentences"
    assert style_of("???", asked="formal") == ""


def test_a_question_that_says_what_to_give_may_be_one_question() -> None:
    text = "Which hives have no queen? Give their names."
    assert style_of(text, asked="interrogative") == "interrogative"
    assert style_of(text, asked="several_sentences") == "several_sentences"
    assert not bears_marks("interrogative", "I own hives. Give their names.")
    assert not bears_marks("keyword", "list all hives")


def test_initials_end_no_sentence() -> None:
    assert sentences("Who is J. Smith of St. Ives? Give the age.") == [
        "Who is J. Smith of St. Ives?",
        "Give the age.",
    ]


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=80), st.sampled_from(sorted(ASKED_STYLES)))
def test_any_text_has_at_most_the_styles_there_are(text: str, asked: str) -> None:
    assert style_of(text, asked=asked) in {"", *ASKED_STYLES}


def test_the_report_counts_features_by_the_rows_that_have_them() -> None:
    coverage = Coverage(parse_plan(SMALL), 4, {"tea": 1.0})
    for slot, num in list(coverage.missing().items()):
        for _ in range(num):
            coverage.add(Kept(slot, ("join", "where") if slot.level == "easy" else ("join",)))
    report = coverage_report([coverage])
    assert report["rows"] == 4
    assert report["shares"]["feature"] == {
        "join": {"planned": 0.4, "realised": 1.0},
        "nested": {"planned": 0.25, "realised": 0.0},
    }
    assert Counter(dict(missed_shares(report))).keys() == {"feature=join", "feature=nested"}
