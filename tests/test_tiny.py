"""The tokenizer that is made for copying, and the model around it."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sense.tiny import END, PAD, main, make_model, make_tokenizer, training_texts

TEXTS = [
    " tea ( tea_id * , tin_price , tea_title ) | tea_guest ( tea_guest_id * , guest_name )",
    " Show the tin price of the teas whose tea title is 'Iron Wolf'.",
    " SELECT tea.tin_price FROM tea JOIN tea_guest WHERE COUNT(tin_price) > 1145",
] * 3
TOKENIZER = make_tokenizer(TEXTS, vocabulary_size=420)


def tokens(text: str) -> list[str]:
    return [TOKENIZER.decode([i]) for i in TOKENIZER(text)["input_ids"]]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Ünïcødé señor 你好 世界 नमस्ते",
        "_x __a b_ _ c  d   e\n\n f\tg",
        "StudentID2 t1.name = 'O''Brien'",
        " lead",
        "trail ",
        "😀 \u2060 a\u2060b \u2060\u2060 c \u2060_a",
        "naïve e\u0301a a\u00a0b",
        "1 22 333 a1b2 ½ ٣",
        "'s boss's class ss",
    ],
)
def test_any_text_comes_back(text: str) -> None:
    assert TOKENIZER.decode(TOKENIZER(text)["input_ids"]) == text


@given(st.text(max_size=60))
@settings(max_examples=300, deadline=None)
def test_random_text_comes_back(text: str) -> None:
    assert TOKENIZER.decode(TOKENIZER(text)["input_ids"]) == text


@given(st.text(alphabet="aZ_.('\" \n\u20601s", max_size=30))
@settings(max_examples=300, deadline=None)
def test_text_around_the_joiner_comes_back(text: str) -> None:
    assert TOKENIZER.decode(TOKENIZER(text)["input_ids"]) == text


@pytest.mark.parametrize(
    "place", ["the {} of", "({}", "tea.{}", "SELECT {}", "COUNT({})", "'{}'", "\n{}"]
)
def test_a_word_has_the_same_tokens_wherever_it_stands(place: str) -> None:
    ids = TOKENIZER(place.format("tinzoq"))["input_ids"]
    word = TOKENIZER(" tinzoq")["input_ids"]
    assert word in [ids[i : i + len(word)] for i in range(len(ids))]


def test_words_of_a_name_are_the_words_of_the_question() -> None:
    question = TOKENIZER(" tin price")["input_ids"]
    name = TOKENIZER(" tin_price")["input_ids"]
    assert [i for i in name if i in question] == question


def test_a_plural_starts_with_the_tokens_of_its_singular() -> None:
    assert TOKENIZER(" teas")["input_ids"] == [
        *TOKENIZER(" tea")["input_ids"],
        *TOKENIZER("s")["input_ids"],
    ]


def test_digits_stand_alone() -> None:
    assert tokens(" 1145") == [" 1", "1", "4", "5"]


def test_a_handle_is_one_token_wherever_it_stands() -> None:
    texts = [" n1 tea ( n12 tin_price ) ; v1 = 'Oolong'", " SELECT n1.n12 FROM n1 WHERE v1"] * 50
    tokenizer = make_tokenizer(texts)
    ids = tokenizer(" SELECT MAX(n12), n1.n12 FROM n1")["input_ids"]
    words = [tokenizer.decode([i]) for i in ids]
    assert words.count(" n12") == 2
    assert words.count(" n1") == 2
    assert tokenizer.decode(ids) == " SELECT MAX(n12), n1.n12 FROM n1"


def test_prompt_tokens_are_a_prefix_of_prompt_and_completion() -> None:
    prompt = [{"role": "user", "content": "tea ( tea_id )\nHow many?"}]
    answer = [{"role": "assistant", "content": "SELECT COUNT(*) FROM tea"}]
    start = TOKENIZER.apply_chat_template(prompt, add_generation_prompt=True)["input_ids"]
    whole = TOKENIZER.apply_chat_template(prompt + answer)["input_ids"]
    assert whole[: len(start)] == start
    assert TOKENIZER.decode(whole[len(start) :]) == f" SELECT COUNT(*) FROM tea{END}"


def test_special_tokens_have_fixed_ids() -> None:
    assert TOKENIZER.convert_tokens_to_ids([PAD, END]) == [0, 1]
    assert (TOKENIZER.pad_token_id, TOKENIZER.eos_token_id) == (0, 1)


def test_folder_loads_with_transformers_and_is_reproducible(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    for name in ("one", "two"):
        num_parameters = make_model(tmp_path / name, TEXTS, seed=3)
    first, second = tmp_path / "one", tmp_path / "two"
    assert {f.name: f.read_bytes() for f in first.iterdir()} == {
        f.name: f.read_bytes() for f in second.iterdir()
    }
    tokenizer = AutoTokenizer.from_pretrained(first)
    model = AutoModelForCausalLM.from_pretrained(first)
    assert model.num_parameters() == num_parameters
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id == 1
    assert tokenizer.decode(tokenizer("tea.tin_price")["input_ids"]) == "tea.tin_price"
    assert tokenizer.chat_template == TOKENIZER.chat_template


def test_training_texts_are_contents_after_a_space() -> None:
    row = {
        "prompt": [{"role": "user", "content": "tea ( tea_id )"}],
        "completion": [{"role": "assistant", "content": "SELECT 1"}],
    }
    assert list(training_texts([row] * 3, limit=1)) == [" tea ( tea_id )", " SELECT 1"]


def test_command_needs_prompt_and_completion(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.jsonl").write_text('{"question": "How many?"}\n')
    command = [sys.executable, "-m", "sense.tiny", "--data", tmp_path / "data"]
    result = subprocess.run([*command, "--out", tmp_path / "out"], capture_output=True, text=True)
    assert result.returncode == 1
    assert "has no column 'prompt'" in result.stderr
    assert "Traceback" not in result.stderr


def test_command_says_that_a_folder_is_empty(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no rows; expected a folder that a builder"):
        main(["--data", str(tmp_path), "--out", str(tmp_path / "out")])
