"""Several sets read as one: every row as often as its set's weight says."""

import re
from pathlib import Path

import pytest

from sense.models.mixture import Part, load_mixture, parts_of, parts_with_split


def write_set(folder: Path, splits: dict[str, int]) -> str:
    from datasets import Dataset

    (folder / "data").mkdir(parents=True)
    for split, num in splits.items():
        rows = [{"prompt": f"{folder.name} {i}", "extra": i} for i in range(num)]
        Dataset.from_list(rows).to_parquet(folder / "data" / f"{split}.parquet")
    return str(folder)


@pytest.fixture
def sets(tmp_path: Path) -> list[str]:
    """Three sets of 4, 6 and 2 rows, the last with a test split."""
    sizes = {"a": {"train": 4}, "b": {"train": 6}, "c": {"train": 2, "test": 3}}
    return [write_set(tmp_path / name, splits) for name, splits in sizes.items()]


def prompts(names: list[str], weights: list[float] | None = None, seed: int = 0) -> list[str]:
    rows, _ = load_mixture(parts_of(names, weights=weights), "train", ["prompt"], seed)
    assert rows.column_names == ["prompt"]
    return list(rows["prompt"])


def test_without_weights_every_row_comes_once_in_the_order_of_the_sets(sets: list[str]) -> None:
    found = prompts(sets)
    assert found[:5] == ["a 0", "a 1", "a 2", "a 3", "b 0"]
    assert len(found) == 12


def test_weight_says_how_often_a_row_is_seen(sets: list[str]) -> None:
    rows, counts = load_mixture(parts_of(sets, weights=[1, 0.5, 2.5]), "train", ["prompt"], 0)
    assert counts == {"a": 4, "b": 3, "c": 5}
    found = list(rows["prompt"])
    assert len({prompt for prompt in found if prompt.startswith("b")}) == 3
    assert sorted(found.count(f"c {i}") for i in range(2)) == [2, 3]


def test_a_part_of_a_set_is_drawn_by_the_seed(sets: list[str]) -> None:
    draws = {tuple(prompts(sets[:2], [1, 0.5], seed)) for seed in range(10)}
    assert prompts(sets[:2], [1, 0.5], 3) == prompts(sets[:2], [1, 0.5], 3)
    assert len(draws) > 1


def test_sets_of_one_name_are_counted_apart(tmp_path: Path) -> None:
    names = [write_set(tmp_path / part / "weak", {"train": 2}) for part in ("one", "two")]
    _, counts = load_mixture(parts_of(names), "train", ["prompt"], 0)
    assert counts == {"weak": 2, "weak (2)": 2}


def test_evaluation_takes_the_sets_that_have_the_split(sets: list[str]) -> None:
    parts = parts_of(sets, weights=[1, 1, 0.5])
    assert parts_with_split(parts, "test") == [Part(sets[2])]
    assert parts_with_split(parts[:1], "test") == parts[:1]


def test_commit_behind_an_at_sign_and_a_folder_that_has_one(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "a@b", {"train": 1})
    assert parts_of(folder) == [Part(folder)]
    assert parts_of("ada/set", "1f3c") == [Part("ada/set", "1f3c")]
    assert parts_of(["ada/set@1f3c"]) == [Part("ada/set", "1f3c")]


@pytest.mark.parametrize(
    ("names", "revision", "weights", "words"),
    [
        ([], None, None, "names no set"),
        (["a", "a"], None, None, "names a set twice: a, a"),
        (["a", "b"], None, [1.0], "1 weights for 2 sets (a, b)"),
        (["a", "b"], None, [1.0, 0.0], "dataset_weights has 0; expected numbers above 0"),
        (["a", "b"], "1f3c", None, "dataset_revision 1f3c fits one set"),
    ],
)
def test_mixtures_that_say_nothing_clear(
    names: list[str], revision: str | None, weights: list[float] | None, words: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        parts_of(names, revision, weights)


def test_sets_that_cannot_be_mixed_are_named(sets: list[str]) -> None:
    with pytest.raises(ValueError, match="a has no split 'test'; it has train"):
        load_mixture(parts_of(sets[:1]), "test", ["prompt"], 0)
    with pytest.raises(ValueError, match="a has no column 'completion'"):
        load_mixture(parts_of(sets[:1]), "train", ["prompt", "completion"], 0)
    with pytest.raises(ValueError, match=r"weight 0.1 leaves none of the 2 rows of .*/c"):
        load_mixture(parts_of(sets[2:], weights=[0.1]), "train", ["prompt"], 0)
