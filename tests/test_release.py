import errno
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from datasets import load_dataset
from huggingface_hub import DatasetCard

from sense.card import DatasetText
from sense.example import (
    Example,
    Rejected,
    content_id,
    database_features,
    example_features,
    rejected_features,
    to_row,
)
from sense.facts import Facts, Funnel, collect_facts, file_sha256, read_facts
from sense.publishing.folder import check_dataset, check_folder, release_files
from sense.release import check_output, work_folder, write_dataset

TEXT = DatasetText(
    pretty_name="Strong questions",
    summary="Questions with SQL. They are for training.",
    license="apache-2.0",
    steps=("The grammar sampled SQL.",),
    faults=("Some questions are stiff.",),
    split_by="db_id",
)
FEATURES = {"default": example_features(), "databases": database_features()}


def example_row(number: int, db_id: str = "world", sql: str = "") -> dict[str, Any]:
    return to_row(
        Example(
            db_id=db_id,
            question=f"How many cities are there, {number}?",
            sql=sql or f"SELECT {number}",
            hardness="easy" if number % 2 else "hard",
            gold_status="ok",
            source="grammar",
            db_sha256="00",
            license="apache-2.0",
            features=["aggregate"],
            prompt=[{"role": "user", "content": "How many?"}],
            completion=[{"role": "assistant", "content": f"SELECT {number}"}],
        )
    )


def database_row(db_id: str) -> dict[str, Any]:
    return {
        "db_id": db_id,
        "domain": "geography",
        "db_sha256": "00",
        "script": "CREATE TABLE city (id INTEGER);",
        "source": "grammar",
        "license": "apache-2.0",
        "num_tables": 1,
        "num_rows": 0,
    }


def strong_tables() -> dict[str, dict[str, Any]]:
    return {
        "default": {
            "train": map(example_row, range(5)),
            "test": (example_row(number, "shop") for number in range(3)),
        },
        "databases": {"train": [database_row("world"), database_row("shop")]},
    }


def some_facts(seconds: float = 1.0) -> Facts:
    funnel = Funnel("filter", "questions", read=10, dropped={"empty": 2}, kept=8)
    facts = collect_facts(
        "builders/strong.py",
        seed=1,
        settings={"num_examples": 8},
        funnels=[funnel],
        seconds=seconds,
        argv=["builders/strong.py"],
    )
    return replace(facts, commit="0" * 40, dirty=False)


def write_strong(folder: Path, **changes: Any) -> Facts:
    arguments = {"tables": strong_tables(), "facts": some_facts(), "text": TEXT} | changes
    return write_dataset(folder, features=FEATURES, **arguments)


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_folder_loads_as_it_will_load_from_the_hub(tmp_path: Path) -> None:
    folder, cache = tmp_path / "strong", str(tmp_path / "cache")
    write_strong(folder)
    rows = load_dataset(str(folder), cache_dir=cache)
    assert {split: data.num_rows for split, data in rows.items()} == {"train": 5, "test": 3}
    assert rows["train"][4] == example_row(4)
    assert rows["train"].features == example_features()
    databases = load_dataset(str(folder), "databases", cache_dir=cache)
    assert databases["train"][:]["db_id"] == ["world", "shop"]
    stream = load_dataset(str(folder), split="test", streaming=True)
    assert next(iter(stream)) == example_row(0, "shop")


def test_folder_has_datasets_own_layout_and_nothing_else(tmp_path: Path) -> None:
    figure = tmp_path / "figure.png"
    figure.write_bytes(b"png")
    (tmp_path / "sqlite" / "world").mkdir(parents=True)
    (tmp_path / "sqlite" / "world" / "world.sqlite").write_bytes(b"")
    folder = tmp_path / "out" / "strong"
    facts = write_strong(
        folder, files={"figures/figure.png": figure, "databases": tmp_path / "sqlite"}
    )
    assert release_files(folder) == [
        "README.md",
        "databases/train-00000-of-00001.parquet",
        "databases/world/world.sqlite",
        "default/test-00000-of-00001.parquet",
        "default/train-00000-of-00001.parquet",
        "facts.json",
        "figures/figure.png",
    ]
    assert facts.results["files"] == release_files(folder)
    assert left_in(tmp_path / "out") == ["strong"]


def test_facts_count_what_was_written(tmp_path: Path) -> None:
    facts = write_strong(tmp_path / "strong")
    train = facts.results["splits"]["default"]["train"]
    assert (train["num_rows"], train["num_databases"]) == (5, 1)
    assert facts.results["tallies"]["default"]["hardness"] == {"easy": 3, "hard": 5}
    assert read_facts(tmp_path / "strong") == facts


def test_facts_may_be_collected_after_the_last_row(tmp_path: Path) -> None:
    funnel = Funnel("read")

    def rows() -> Iterator[dict[str, Any]]:
        for number in range(4):
            funnel.keep()
            yield example_row(number)

    facts = write_dataset(
        tmp_path / "strong",
        {"default": {"train": rows()}},
        FEATURES,
        lambda: collect_facts("b.py", seed=1, settings={}, funnels=[funnel]),
        TEXT,
    )
    assert facts.funnels[0].kept == 4


def test_two_runs_write_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_strong(tmp_path / name / "strong", facts=some_facts(seconds=len(name)))
    for name in release_files(tmp_path / "a" / "strong"):
        first, second = (tmp_path / run / "strong" / name for run in ("a", "b"))
        assert first.read_bytes() == second.read_bytes() or name == "facts.json", name


def test_batches_are_cut_by_rows_and_width_not_by_the_reader(tmp_path: Path) -> None:
    wide = [database_row(f"db{n}") | {"script": "x" * 1_400_000} for n in range(26)]
    rows = [example_row(0, f"db{n}") for n in range(26)]
    for name, tables in (("list", wide), ("iterator", iter(wide))):
        write_strong(
            tmp_path / name,
            tables={"default": {"train": rows}, "databases": {"train": tables}},
        )
    files = [
        tmp_path / name / "databases/train-00000-of-00001.parquet" for name in ("list", "iterator")
    ]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_long_split_lies_in_several_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sense.publishing.parquet.SHARD_CHARS", 2_000)
    rows = [example_row(n) | {"evidence": "x" * 1_000} for n in range(7)]
    for row in rows:
        row["id"] = content_id(row["db_id"], row["question"], row["evidence"], row["sql"])
    facts = write_strong(tmp_path / "strong", tables={"default": {"train": rows}})
    names = [f"default/train-0000{n}-of-00004.parquet" for n in range(4)]
    assert [name for name in release_files(tmp_path / "strong") if "default" in name] == names
    written = facts.results["splits"]["default"]["train"]
    assert written["sha256"] == [file_sha256(tmp_path / "strong" / name) for name in names]
    assert written["num_rows"] == 7
    [data_files] = DatasetCard.load(tmp_path / "strong" / "README.md").data["configs"][0][
        "data_files"
    ]
    assert data_files == {"split": "train", "path": names}
    loaded = load_dataset(
        str(tmp_path / "strong"), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert loaded["id"] == [row["id"] for row in rows]


def test_memory_stays_flat_as_rows_grow(tmp_path: Path) -> None:
    code = """
import resource, sys
from pathlib import Path
from sense.example import database_features
from sense.publishing.parquet import write_parquet
def rows(num):
    for n in range(num):
        yield {"db_id": f"db{n}", "domain": "d", "db_sha256": "0", "script": f"{n:09}" * 10_000,
               "source": "s", "license": "l", "num_tables": 1, "num_rows": 1}
write_parquet(Path(sys.argv[1]), "default", "train", rows(200), database_features())
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
write_parquet(Path(sys.argv[1]), "default", "test", rows(4000), database_features())
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 150_000  # kB, while 360 MB of text pass through


def test_existing_output_is_refused_before_any_row_is_read(tmp_path: Path) -> None:
    (tmp_path / "strong").mkdir()
    (tmp_path / "strong" / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"already exists; choose another folder or delete "):
        write_strong(tmp_path / "strong")
    assert left_in(tmp_path / "strong") == ["notes.txt"]


def test_only_a_finished_set_is_to_be_published_as_it_is(tmp_path: Path) -> None:
    write_strong(tmp_path / "strong")
    with pytest.raises(FileExistsError, match=r"sense\.release .* OWNER/NAME"):
        check_output(tmp_path / "strong")
    with pytest.raises(FileExistsError, match=r"another folder or delete it$"):
        check_output(tmp_path / "strong", is_published=False)


def test_empty_folder_may_be_filled(tmp_path: Path) -> None:
    (tmp_path / "strong").mkdir()
    write_strong(tmp_path / "strong")
    assert (tmp_path / "strong" / "README.md").is_file()


def test_output_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="cannot be created"):
        check_output(tmp_path / "file" / "strong")


def test_work_folder_lies_beside_the_output(tmp_path: Path) -> None:
    assert work_folder(tmp_path / "strong") == tmp_path / "strong.work"


def test_a_file_in_place_of_the_work_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "strong.work").touch()
    with pytest.raises(FileExistsError, match=r"strong\.work is a file where work .* move it"):
        work_folder(tmp_path / "strong")
    assert check_output(tmp_path / "strong") == tmp_path / "strong"


def test_failing_rows_leave_nothing(tmp_path: Path) -> None:
    def rows() -> Iterator[dict[str, Any]]:
        yield example_row(1)
        raise RuntimeError("teacher went away")

    with pytest.raises(RuntimeError, match="teacher went away"):
        write_strong(tmp_path / "strong", tables={"default": {"train": rows()}})
    assert left_in(tmp_path) == []


def test_full_disk_is_explained_and_leaves_nothing(tmp_path: Path) -> None:
    def rows() -> Iterator[dict[str, Any]]:
        yield example_row(1)
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="nothing was left there: make room") as caught:
        write_strong(tmp_path / "strong", tables={"default": {"train": rows()}})
    assert caught.value.errno == errno.ENOSPC
    assert left_in(tmp_path) == []


def test_limit_of_file_size_met_by_the_parquet_writer_is_explained(tmp_path: Path) -> None:
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from test_release import *\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "rows = (example_row(n, sql=str(n) * 5000) for n in range(20_000))\n"
        "write_strong(Path(sys.argv[1]) / 'strong', tables={'default': {'train': rows}})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent,
    )
    assert "nothing was left there: make room" in done.stderr
    assert left_in(tmp_path) == []


def test_killed_run_leaves_no_output_and_the_next_one_succeeds(tmp_path: Path) -> None:
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from test_release import *\n"
        "def rows():\n"
        "    for n in range(3000):\n"
        "        yield example_row(n)\n"
        "    print('written', flush=True)\n"
        "    time.sleep(60)\n"
        "write_strong(Path(sys.argv[1]) / 'strong', tables={'default': {'train': rows()}})\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "written\n"
        time.sleep(0.1)
        child.send_signal(signal.SIGKILL)
    assert not (tmp_path / "strong").exists()
    write_strong(tmp_path / "strong")
    assert left_in(tmp_path) == ["strong"]


def test_split_without_rows_is_left_out(tmp_path: Path) -> None:
    tables = {"default": {"train": [example_row(1)], "test": []}, "databases": {"train": []}}
    facts = write_strong(tmp_path / "strong", tables=tables)
    assert {config: list(s) for config, s in facts.results["splits"].items()} == {
        "default": ["train"]
    }
    rows = load_dataset(str(tmp_path / "strong"), cache_dir=str(tmp_path / "cache"))
    assert list(rows) == ["train"]


def test_dataset_without_a_row_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="config 'default' would hold no row"):
        write_strong(tmp_path / "strong", tables={"default": {"train": []}})
    assert left_in(tmp_path) == []


def test_row_with_other_columns_is_named(tmp_path: Path) -> None:
    wrong = example_row(1) | {"query": "SELECT 1"}
    del wrong["sql"]
    with pytest.raises(ValueError) as caught:
        write_strong(tmp_path / "s", tables={"default": {"train": [example_row(0), wrong]}})
    assert str(caught.value) == (
        "row 1 of config 'default', split 'train' lacks the columns ['sql'] and has the unknown "
        "columns ['query']; make rows with sense.example.to_row or give the features that fit"
    )


def test_row_that_the_viewer_would_leave_out_is_an_error(tmp_path: Path) -> None:
    tables = {"default": {"train": [example_row(0) | {"question": "x" * 1_600_000}]}}
    with pytest.raises(ValueError, match=r"has 1,600,\d+ characters; the Hub's viewer shows none"):
        write_strong(tmp_path / "strong", tables=tables)


def test_constructs_and_lengths_of_rows_are_counted(tmp_path: Path) -> None:
    rows = [example_row(1), example_row(2, sql="SELECT a, b FROM t WHERE c")]
    tables = {**strong_tables(), "default": {"train": rows}}
    results = write_strong(tmp_path / "strong", tables=tables).results
    assert results["tallies"]["default"]["features"] == {"aggregate": 2}
    assert results["lengths"]["default"] == {"question": {"6": 2}, "sql": {"0": 1, "20": 1}}


@pytest.mark.parametrize("number", ["many", 1.5])
def test_value_of_another_type_is_an_error(tmp_path: Path, number: object) -> None:
    rows = [database_row("town"), database_row("world") | {"num_tables": number}]
    with pytest.raises(ValueError, match="holds a value of another type"):
        write_strong(
            tmp_path / "s",
            tables={"default": {"train": [example_row(0)]}, "databases": {"train": rows}},
        )


def test_no_part_of_a_value_is_dropped(tmp_path: Path) -> None:
    row = example_row(0) | {"prompt": [{"role": "user", "content": "How many?", "name": "Ann"}]}
    with pytest.raises(ValueError, match="holds a value of another type"):
        write_strong(tmp_path / "s", tables={"default": {"train": [example_row(1), row]}})


def test_duplicate_id_is_an_error(tmp_path: Path) -> None:
    tables = {"default": {"train": [example_row(1)], "test": [example_row(1)]}}
    with pytest.raises(ValueError, match=r"id [0-9a-f]{64} occurs twice in config 'default'"):
        write_strong(tmp_path / "strong", tables=tables)


def test_ids_are_compared_in_parts_that_hold_all_equal_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sense.publishing.folder.IDS_AT_A_TIME", 2)
    rows = [example_row(number) for number in range(9)]
    write_strong(tmp_path / "whole", tables={"default": {"train": rows}})
    for number in (0, 4, 8):
        with pytest.raises(ValueError, match=f"id {rows[number]['id']} occurs twice"):
            write_strong(
                tmp_path / str(number), tables={"default": {"train": [*rows, rows[number]]}}
            )


def test_database_in_two_splits_is_an_error(tmp_path: Path) -> None:
    tables = {"default": {"train": [example_row(1)], "test": [example_row(2)]}}
    with pytest.raises(ValueError, match="db_id 'world' is in the splits 'train' and 'test'"):
        write_strong(tmp_path / "strong", tables=tables)


def test_domain_in_two_splits_is_an_error(tmp_path: Path) -> None:
    def tables(*domains: str) -> dict[str, dict[str, Any]]:
        rows = [example_row(1) | {"domain": domains[0]}]
        others = [example_row(2, "shop") | {"domain": domains[1]}]
        return {**strong_tables(), "default": {"train": rows, "test": others}}

    with pytest.raises(ValueError, match="domain 'trade' is in the splits 'train' and 'test'"):
        write_strong(tmp_path / "strong", tables=tables("trade", "trade"))
    write_strong(tmp_path / "apart", tables=tables("trade", "geography"))
    write_strong(tmp_path / "unknown", tables=tables("", ""))


def test_rejected_candidates_keep_to_the_split_of_their_database(tmp_path: Path) -> None:
    def write(name: str, split: str) -> Facts:
        candidate = Rejected("0/shop/0 1", "empty_result", "grammar", "grammar", "mit")
        elsewhere = replace(candidate, candidate="9", db_id="proposed_and_not_kept")
        rows = {split: [to_row(replace(candidate, db_id="shop")), to_row(elsewhere)]}
        return write_dataset(
            tmp_path / name,
            {**strong_tables(), "rejected": rows},
            {**FEATURES, "rejected": rejected_features()},
            some_facts(),
            TEXT,
        )

    message = "'shop' is in the splits 'test' of config 'default' .* and 'train' of config 'rejec"
    with pytest.raises(ValueError, match=message):
        write("mixed", "train")
    assert write("apart", "test").results["splits"]["rejected"]["test"]["num_rows"] == 2
    loaded = load_dataset(str(tmp_path / "apart"), "rejected", cache_dir=str(tmp_path / "cache"))
    assert loaded["test"]["reason"][:] == ["empty_result", "empty_result"]


def test_template_in_two_splits_is_an_error_when_the_card_promises_otherwise(
    tmp_path: Path,
) -> None:
    text = DatasetText("A", "B. C.", "mit", ("d",), ("e",), split_by="sql_template")
    tables = {
        "default": {
            "train": [example_row(1, sql="SELECT name FROM city WHERE id = 1")],
            "test": [example_row(2, sql="SELECT name FROM city WHERE id = 2")],
        }
    }
    with pytest.raises(ValueError, match=r"sql_template .* is in the splits 'train' and 'test'"):
        write_strong(tmp_path / "strong", tables=tables, text=text)
    tables["default"]["test"] = [example_row(2, sql="SELECT id FROM city")]
    write_strong(tmp_path / "strong", tables=tables, text=text)


def test_example_without_its_database_is_an_error(tmp_path: Path) -> None:
    tables = strong_tables() | {"databases": {"train": [database_row("world")]}}
    with pytest.raises(ValueError, match="uses 'shop', which its config 'databases' does not hold"):
        write_strong(tmp_path / "strong", tables=tables)


def test_folder_changed_by_hand_is_found_out(tmp_path: Path) -> None:
    folder = tmp_path / "strong"
    write_strong(folder)
    path = folder / "facts.json"
    facts = json.loads(path.read_text())
    facts["results"]["splits"]["default"]["train"]["num_rows"] = 6
    path.write_text(json.dumps(facts))
    with pytest.raises(ValueError, match=r"but facts\.json counts"):
        check_dataset(folder)
    (folder / "default" / "train-00000-of-00001.parquet").write_bytes(b"no parquet")
    with pytest.raises(ValueError, match=r"load_dataset.* fails"):
        check_dataset(folder)


def test_folder_that_is_no_release_says_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# No front matter\n")
    with pytest.raises(ValueError, match=r"lacks facts.json, sense_prompt.json, \*config.json"):
        check_folder(tmp_path, "model")
    (tmp_path / "facts.json").write_text("{}")
    with pytest.raises(ValueError, match="has no front matter"):
        check_folder(tmp_path, "dataset")


def test_files_that_stay_on_this_machine(tmp_path: Path) -> None:
    for name in (
        *("README.md", ".eval_results/spider.yaml", "model.safetensors", "training_args.bin"),
        *("checkpoint-10/optimizer.pt", "__pycache__/a.pyc", ".cache/x", "sub/.DS_Store"),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert release_files(tmp_path) == [
        ".eval_results/spider.yaml",
        "README.md",
        "model.safetensors",
    ]


def test_ids_are_content_hashes() -> None:
    row = example_row(1)
    assert row["id"] == content_id("world", row["question"], "", "SELECT 1")


def test_folder_name_with_spaces_and_letters_beyond_ascii(tmp_path: Path) -> None:
    folder = tmp_path / "données fortes (1)"
    write_strong(folder)
    assert left_in(tmp_path) == [folder.name]


def test_folder_that_datasets_could_not_load_is_refused_early(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"has one of \* \? \[ \] in its path"):
        check_output(tmp_path / "strong [1]")


def test_missing_folder_is_named_before_token_and_network(tmp_path: Path) -> None:
    folder = tmp_path / "nope"
    command = [sys.executable, "-m", "sense.release", str(folder), "ada/strong"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: no folder at {folder}; expected a dataset folder")
