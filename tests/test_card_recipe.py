"""recipes/card.py: only the scores of the model itself get into its card."""

import runpy
import sys
from pathlib import Path

import pytest
import yaml
from hub import Hub
from huggingface_hub import ModelCard, parse_eval_result_entries

from sense.card import ModelText
from sense.facts import Input, collect_facts, read_facts
from sense.prompt import TINY_CONTRACT, save_contract
from sense.publishing.source import dataset_source, model_source
from sense.release import write_model
from sense.reports.report import write_evaluation
from sense.scores.outcomes import Outcome

RECIPE = str(Path(__file__).parents[1] / "recipes" / "card.py")
OUTCOME = Outcome(
    0, "world", "How many?", "easy", "", "", 1, "correct", "equal", "ok", {"strict": 1}
)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    from safetensors.numpy import save_file

    folder = tmp_path / "model"
    folder.mkdir()
    save_file({}, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text("{}")
    (folder / "tokenizer.json").write_text("{}")
    save_contract(TINY_CONTRACT, folder)
    text = ModelText("tiny", "It answers. It was trained.", "apache-2.0", "SFT.", ("It errs.",))
    write_model(folder, text, collect_facts("recipes/sft.py", seed=0, settings={}))
    return folder


def write_scores(folder: Path, *inputs: Input, **settings: str) -> Path:
    facts = collect_facts("recipes/evaluate.py", seed=0, settings=settings, inputs=inputs)
    write_evaluation(folder, [OUTCOME], facts)
    return folder


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", [RECIPE, *map(str, arguments)])
    runpy.run_path(RECIPE, run_name="__main__")


def test_scores_of_the_model_stand_in_its_card(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = write_scores(tmp_path / "own", model_source(str(model)), split="test")
    other = write_scores(tmp_path / "other", Input("nearest", "baseline"), split="test")
    run(monkeypatch, model, "--benchmark", "sense/strong", f"own={own}", f"nearest={other}")
    card = (model / "README.md").read_text()
    assert "| **own** | sense/strong | test | strict | 1 | 1 | 100.0 % |" in card
    assert "| nearest | sense/strong | test | strict | 1 | 1 | 100.0 % |" in card


def test_released_model_carries_the_results_that_the_hub_lists(
    model: Path, tmp_path: Path, hub: Hub
) -> None:
    questions = Input("sense/strong", "dataset", revision="c" * 40)
    own = write_scores(tmp_path / "own", model_source(str(model)), questions, split="test")
    other = write_scores(tmp_path / "other", Input("nearest", "baseline"), questions, split="test")
    scores = [f"own={own}", f"nearest={other}"]
    benchmark = ["--benchmark", "strong set"]
    hub.run([RECIPE, str(model), *benchmark, *scores, "--push", "ada/tiny"])
    published = hub.files("ada/tiny", "model")
    [name] = [path for path in published if path.startswith(".eval_results/")]
    assert name == ".eval_results/sense--strong.yaml"
    [entry] = parse_eval_result_entries(yaml.safe_load(published[name]))
    assert (entry.dataset_id, entry.task_id, entry.value) == ("sense/strong", "test_strict", 100.0)
    assert (entry.dataset_revision, entry.date) == ("c" * 40, read_facts(own).run["date"])
    [result] = ModelCard(published["README.md"].decode()).data.eval_results
    assert (result.dataset_type, result.dataset_name) == ("sense/strong", "strong set")


@pytest.mark.parametrize(
    "source",
    [Input("model", "model", sha256="a" * 64), Input("m", "model"), Input("nearest", "baseline")],
    ids=["other weights", "server", "baseline"],
)
def test_scores_of_anything_else_are_refused(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: Input
) -> None:
    scores = write_scores(tmp_path / "scores", source, split="test")
    with pytest.raises(SystemExit, match=f"are not those of .*made from {source.name}"):
        run(monkeypatch, model, "--benchmark", "sense/strong", f"own={scores}")


def test_scores_without_a_split_are_refused(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = write_scores(tmp_path / "scores", model_source(str(model)))
    with pytest.raises(SystemExit, match="does not say which split"):
        run(monkeypatch, model, "--benchmark", "sense/strong", f"own={scores}")


def test_a_set_is_named_by_its_folder_and_facts(tmp_path: Path) -> None:
    (tmp_path / "facts.json").write_text("{}")
    assert dataset_source(str(tmp_path)) == Input(
        tmp_path.name,
        "dataset",
        sha256="44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
    )
    (tmp_path / "facts.json").write_text("abc")
    with pytest.raises(ValueError, match=r"facts.json is not JSON.*build the set anew"):
        dataset_source(str(tmp_path))
