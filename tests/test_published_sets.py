"""The strong and the weak set from builder to Hub: one commit each, which a stranger can load."""

import json
import re
from collections.abc import Iterator
from io import BytesIO

import pytest
from hub import ROOT, Hub
from pyarrow import parquet

TRAIN = "train-00000-of-00001.parquet"

CHECK = """
import json, sys
from datasets import get_dataset_config_names, load_dataset
from datasets.utils.metadata import MetadataConfigs
from huggingface_hub import DatasetCard
found = {}
for name in ("sense/strong", "sense/weak"):
    card = DatasetCard.load(name)
    card.validate(repo_type="dataset")
    configs = MetadataConfigs.from_dataset_card_data(card.data)
    assert list(configs) == get_dataset_config_names(name), name
    for config in configs:
        data = load_dataset(name, config)
        found[f"{name} {config}"] = data.num_rows
        first = next(iter(load_dataset(name, config, split=next(iter(data)), streaming=True)))
        assert first == next(iter(data.values()))[0]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A Hub with `sense/strong` of the grammar and `sense/weak` of answers to its questions."""
    folder = tmp_path_factory.mktemp("sets")
    hub = Hub(folder / "hf_home")
    amounts = ["--invent", "4", "--num-examples", "48", "--num-test", "12", "--num-workers", "1"]
    output = ["--out", str(folder / "strong"), "--push", "sense/strong"]
    hub.run([str(ROOT / "builders" / "strong.py"), *amounts, *output])
    rows = parquet.read_table(folder / "strong" / "default" / TRAIN).to_pylist()
    with (folder / "answers.jsonl").open("w") as file:
        for row in rows:
            asked = {name: row[name] for name in ("db_id", "question", "evidence")}
            for sql in (row["sql"], f"SELECT 'wrong' FROM ({row['sql']})"):
                file.write(json.dumps({**asked, "gold": row["sql"], "pred": sql}) + "\n")
    answers = ["--samples", str(folder / "answers.jsonl"), "--data", str(folder / "strong")]
    output = ["--out", str(folder / "weak"), "--push", "sense/weak"]
    hub.run([str(ROOT / "builders" / "weak.py"), *answers, *output])
    yield hub
    hub.close()


@pytest.mark.slow
def test_every_config_of_both_sets_loads_and_their_cards_are_valid(published: Hub) -> None:
    found = json.loads(published.run(CHECK, token=None).splitlines()[-1])
    assert found["sense/strong default"] == {"train": 36, "test": 12}
    assert found["sense/strong databases"] == {"train": 4}
    assert found["sense/strong rejected"]["train"] > 0
    assert sum(found["sense/weak default"].values()) > 0
    assert {name.split()[1] for name in found} == {
        *("default", "databases", "rejected", "unpaired", "questions", "samples"),
    }


@pytest.mark.slow
@pytest.mark.parametrize("repo_id", ["sense/strong", "sense/weak"])
def test_a_set_is_one_commit_with_its_figures(published: Hub, repo_id: str) -> None:
    assert len(published.titles(repo_id)) == 2  # the first one made the repository
    files = published.files(repo_id)
    card = files["README.md"].decode()
    shown = set(re.findall(r"!\[[^\]]+\]\((figures/[a-z_]+\.png)\)", card))
    assert shown == {path for path in files if path.startswith("figures/")}
    assert {"figures/hardness.png", "figures/lengths.png"} <= shown
    assert all(files[path].startswith(b"\x89PNG") for path in shown)
    listed = json.loads(files["facts.json"])["results"]["files"]
    assert set(listed) == set(files) - {".gitattributes"}


@pytest.mark.slow
def test_splits_of_the_strong_set_share_no_database_and_no_domain(published: Hub) -> None:
    files = published.files("sense/strong")
    train, test = (
        parquet.read_table(BytesIO(files[f"default/{split}-00000-of-00001.parquet"]))
        for split in ("train", "test")
    )
    for column in ("db_id", "domain", "question"):
        assert set(train[column].to_pylist()).isdisjoint(test[column].to_pylist())


@pytest.mark.slow
def test_card_of_the_strong_set_counts_the_candidates_that_it_publishes(published: Hub) -> None:
    facts = json.loads(published.files("sense/strong")["facts.json"])
    rejected = facts["results"]["tallies"]["rejected"]["reason"]
    [dropped] = [funnel["dropped"] for funnel in facts["funnels"] if funnel["name"] == "grammar"]
    assert rejected.keys() <= dropped.keys()
    assert all(count <= dropped[reason] for reason, count in rejected.items())
