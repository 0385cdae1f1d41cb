"""Publishing through the real huggingface_hub client, to a Hub on this machine."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hub import READER, Hub
from test_release import example_row, some_facts, strong_tables, write_strong

from sense.card import ModelText
from sense.database import build_database, database_sha256
from sense.facts import read_facts, write_facts
from sense.prompt import TINY_CONTRACT, save_contract
from sense.publishing.eval_results import Evaluation
from sense.release import write_model

PUSH = """
import sys
from sense.release import push_folder
print(push_folder(*sys.argv[1:]))
"""


def push(hub: Hub, folder: Path, repo_id: str = "sense/strong", repo_type: str = "dataset") -> str:
    """The commit that publishing gives, in a process that talks to the local Hub."""
    return hub.run(["-c", PUSH, str(folder), repo_id, repo_type]).split()[-1]


def push_error(hub: Hub, folder: Path, repo_id: str = "sense/strong") -> str:
    return hub.run(["-c", PUSH, str(folder), repo_id, "dataset"], fails=True).splitlines()[-1]


@pytest.fixture(scope="module")
def strong(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished dataset folder, not to be changed; its databases are those of their scripts."""
    folder = tmp_path_factory.mktemp("built") / "strong"
    extra = folder.parent / "extra.txt"
    extra.write_text("extra\n")
    tables = strong_tables()
    for row in tables["databases"]["train"]:
        row["db_sha256"] = database_sha256(build_database(row["script"], folder.parent / "db"))
    write_strong(folder, tables=tables, files={"figures/extra.txt": extra})
    return folder


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of a few thousand random weights with all that a recipe leaves beside it."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

    folder = tmp_path_factory.mktemp("trained") / "tiny"
    bytes_of_words = Tokenizer(models.BPE())
    bytes_of_words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<pad>", "<eos>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    bytes_of_words.train_from_iterator(["SELECT name FROM city"], trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bytes_of_words, pad_token="<pad>", eos_token="<eos>"
    )
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        max_position_embeddings=512,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    Qwen3ForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    save_contract(TINY_CONTRACT, folder)
    (folder / "training_args.bin").write_bytes(b"may hold a token")
    (folder / "checkpoint-2").mkdir()
    (folder / "checkpoint-2" / "model.safetensors").write_bytes(b"")
    text = ModelText(
        name="Tiny",
        summary="It writes SQL. Its weights are random.",
        license="apache-2.0",
        training="Not trained.",
        limitations=("It knows nothing.",),
        repo_id="ada/tiny",
    )
    line = Evaluation("Tiny", "Spider", "dev", "spider", 100, 0, 0.0, 0.0, 0.037)
    write_model(folder, text, some_facts(), [replace(line, dataset_id="xlangai/spider")])
    return folder


def test_release_is_one_commit_that_loads_like_the_folder(hub: Hub, strong: Path) -> None:
    commit = push(hub, strong)
    assert len(hub.titles("sense/strong")) == 2
    assert hub.titles("sense/strong")[1].startswith("Publish the dataset made by builders/strong")
    assert hub.repo("sense/strong").commits[-1].oid == commit
    published = hub.files("sense/strong")
    assert {path for path in published if path != ".gitattributes"} == {
        path.relative_to(strong).as_posix() for path in strong.rglob("*") if path.is_file()
    }
    printed = hub.run(
        f"""
from datasets import load_dataset
from huggingface_hub import HfApi, snapshot_download
from sense.database import find_database
rows = load_dataset("sense/strong")
local = load_dataset({str(strong)!r})
assert rows["train"][:] == local["train"][:] and rows["test"][:] == local["test"][:]
assert rows["train"].features == local["train"].features
databases = load_dataset("sense/strong", "databases", split="train", revision={commit!r})
stream = load_dataset("sense/strong", split="test", streaming=True)
print(rows.num_rows, databases["db_id"][:], len(list(stream)))
print(sorted(HfApi().list_repo_files("sense/strong", repo_type="dataset"))[1])
print(open(snapshot_download("sense/strong", repo_type="dataset") + "/figures/extra.txt").read())
print(find_database("sense/strong", "world").name)
"""
    )
    assert printed.splitlines() == [
        "{'train': 5, 'test': 3} ['world', 'shop'] 3",
        "README.md",
        "extra",
        "",
        "world.sqlite",
    ]


def test_rerun_without_changes_makes_no_commit(hub: Hub, strong: Path, tmp_path: Path) -> None:
    first = push(hub, strong)
    later = tmp_path / "strong"
    shutil.copytree(strong, later)
    facts = read_facts(later)
    write_facts(replace(facts, run={"date": "2030-01-01", "seconds": 99.0}), later)
    assert push(hub, later) == first
    assert len(hub.titles("sense/strong")) == 2


def test_new_rows_replace_old_files_and_leave_those_of_others(
    hub: Hub,
    strong: Path,
    tmp_path: Path,
) -> None:
    push(hub, strong)
    hub.run(
        "from huggingface_hub import HfApi\n"
        "HfApi().upload_file(path_or_fileobj=b'x', path_in_repo='notes.txt', "
        "repo_id='sense/strong', repo_type='dataset', commit_message='Add notes')"
    )
    tables = strong_tables()
    tables["default"]["train"] = [example_row(number) for number in range(7)]
    del tables["databases"]
    write_strong(tmp_path / "strong", tables=tables)
    commit = push(hub, tmp_path / "strong")
    assert hub.titles("sense/strong")[2:] == ["Add notes", hub.titles("sense/strong")[-1]]
    assert hub.repo("sense/strong").commits[-1].oid == commit
    assert sorted(hub.files("sense/strong")) == [
        ".gitattributes",
        "README.md",
        "default/test-00000-of-00001.parquet",
        "default/train-00000-of-00001.parquet",
        "facts.json",
        "notes.txt",
    ]


def test_change_by_another_meanwhile_stops_the_commit(hub: Hub, strong: Path) -> None:
    def interfere() -> None:
        repo = hub.repo("sense/strong")
        repo.commit("Somebody else", dict(repo.commits[-1].files))

    hub.before_commit = interfere
    error = push_error(hub, strong)
    assert "sense/strong was changed by someone else after commit" in error
    assert hub.titles("sense/strong") == ["initial commit", "Somebody else"]


def test_copy_that_differs_is_found_when_read_back(hub: Hub, strong: Path) -> None:
    def spoil() -> None:
        hub.objects = dict.fromkeys(hub.objects, b"spoilt")

    hub.before_commit = spoil
    assert "does not hold what was pushed: 'databases/train-" in push_error(hub, strong)


def test_folder_of_the_same_name_does_not_stand_in_for_the_hub(
    hub: Hub, strong: Path, tmp_path: Path
) -> None:
    (tmp_path / "sense" / "strong").mkdir(parents=True)
    hub.run(
        f"import os, sys; os.chdir({str(tmp_path)!r}); sys.argv += [{str(strong)!r}, "
        f"'sense/strong']\n{PUSH}"
    )
    read = [line for line in hub.requests if line.startswith("GET") and "parquet" in line]
    assert len(read) == 3


def test_broken_folder_never_reaches_the_hub(hub: Hub, strong: Path, tmp_path: Path) -> None:
    write_strong(tmp_path / "strong")
    (tmp_path / "strong" / "default" / "test-00000-of-00001.parquet").unlink()
    assert "ValueError: load_dataset(" in push_error(hub, tmp_path / "strong")
    assert not hub.repos


def test_push_that_cannot_work_fails_before_work_starts(hub: Hub) -> None:
    printed = hub.run(
        """
from sense.release import PushError, check_push
check_push("ada/strong")
check_push("sense/strong")
for repo_id, token in [
    ("sense/strong", "hf_stale"), ("sense/strong", "hf_reader"), ("grace/strong", None),
    ("strong", None), ("a/b/c", None),
]:
    try:
        check_push(repo_id, token)
    except PushError as error:
        print(error)
"""
    ).splitlines()
    assert len(printed) == 5
    assert "does not know the token; run `hf auth login`" in printed[0]
    assert "the token of user 'ada' may only read" in printed[1]
    assert printed[2] == (
        "publishing grace/strong: user 'ada' cannot write for 'grace'; expected one of 'ada', "
        "'sense'"
    )
    assert printed[3] == "'strong' is no name of a Hub repository; expected OWNER/NAME"
    assert printed[4] == "'a/b/c' is no name of a Hub repository; expected OWNER/NAME"
    assert not hub.repos


@pytest.mark.parametrize(
    ("token", "offline", "message"),
    [
        (None, False, "needs a Hub token and none was found; run `hf auth login` or set HF_TOKEN"),
        ("hf_writer", True, "cannot be published while HF_HUB_OFFLINE is set; unset it"),
    ],
)
def test_push_without_token_or_network_says_so(
    hub: Hub,
    token: str | None,
    offline: bool,
    message: str,
) -> None:
    code = "from sense.release import check_push; check_push('ada/strong')"
    assert message in hub.run(code, token=token, offline=offline, fails=True)
    assert not hub.requests


def test_hub_that_is_away_is_said(hub: Hub) -> None:
    hub.close()
    code = "from sense.release import check_push; check_push('ada/strong')"
    assert "cannot be reached" in hub.run(code, fails=True)


def test_folder_loads_offline(hub: Hub, strong: Path) -> None:
    code = f"from datasets import load_dataset; print(load_dataset({str(strong)!r}).num_rows)"
    assert hub.run(code, token=None, offline=True) == "{'train': 5, 'test': 3}\n"
    assert not hub.requests


def test_command_publishes_a_finished_folder(hub: Hub, strong: Path) -> None:
    command = ["-m", "sense.release", str(strong), "ada/strong", "--private"]
    printed = hub.run(command)
    assert printed == f"ada/strong at {hub.repo('ada/strong').commits[-1].oid}\n"
    assert hub.repo("ada/strong").private
    error = hub.run(command, token=READER, fails=True)
    assert error.endswith("https://huggingface.co/settings/tokens\n")
    assert "Traceback" not in error


def test_space_is_published_once(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("---\ntitle: SENSE\nsdk: gradio\n---\n")
    (tmp_path / "app.py").write_text("print('hello')\n")
    first = push(hub, tmp_path, "ada/demo", "space")
    assert hub.titles("ada/demo", "space") == ["initial commit", "Publish the Space"]
    assert push(hub, tmp_path, "ada/demo", "space") == first


def test_refusal_by_the_hub_says_that_the_folder_is_safe(hub: Hub, strong: Path) -> None:
    hub.before_commit = lambda: hub.repos.clear()
    error = push_error(hub, strong)
    assert "sense/strong was not published: 404 Client Error" in error
    assert f"publish it later with `python -m sense.release {strong} sense/strong" in error


@pytest.mark.slow
def test_model_is_one_commit_and_its_quick_start_runs(
    hub: Hub,
    tiny_model: Path,
    world: Path,
) -> None:
    push(hub, tiny_model, "ada/tiny", "model")
    assert len(hub.titles("ada/tiny", "model")) == 2
    published = hub.files("ada/tiny", "model")
    assert {".eval_results/xlangai--spider.yaml", "README.md", "facts.json"} <= set(published)
    assert {"model.safetensors", "sense_prompt.json", "tokenizer.json"} <= set(published)
    assert not [path for path in published if "checkpoint" in path or path.endswith(".bin")]
    listed = set(json.loads(published["facts.json"])["results"]["files"])
    assert listed == set(published) - {".gitattributes"}
    assert (
        push(hub, tiny_model, "ada/tiny", "model") == hub.repo("ada/tiny", "model").commits[1].oid
    )

    code = re.search(r"```python\n(.+?)```", published["README.md"].decode(), re.DOTALL)
    assert code is not None
    printed = hub.run(code[1].replace("my.sqlite", str(world)), token=None)
    assert "Execution(status=" in printed
    assert hub.run(
        "from transformers import pipeline\n"
        "print(pipeline('text-generation', 'ada/tiny').model.config.hidden_size)",
        token=None,
    ).endswith("16\n")
