"""Questions answered with SQL, by a local model or a server, one at a time or many in a batch.

from sense.ask import ask, open_writer
writer = open_writer("runs/demo/sense/tiny")
print(ask(writer, "my.sqlite", "How many singers are there?"))
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from sense.example import Messages
from sense.execution import Execution, Limits, execute, open_read_only
from sense.inputs.question import Question
from sense.prompt import PromptContract, completion_sql, prompt_messages
from sense.sampler import Completion

DEMO_MODEL = "runs/demo/sense/tiny"
"""Where `make demo` leaves its final model."""

INTERACTIVE_LIMITS = Limits(
    max_steps=50_000_000,
    max_seconds=5.0,
    max_rows=100_000,
    max_result_bytes=16_000_000,
    max_heap_bytes=256_000_000,
)
"""What one question of a person may use: their patience, and more rows than they will read."""


class Writer(NamedTuple):
    """A model or server that completes prompts, and the contract its prompts follow."""

    name: str
    revision: str
    contract: PromptContract
    complete: Callable[[Sequence[Messages]], list[str]]
    """Greedy completions, one per prompt."""
    sample: Callable[[Sequence[Messages], Sequence[float], int], list[list[Completion]]]
    """(prompts, temperatures, seed) -> the completions of each prompt, one per temperature.

    0 is greedy. A prompt that a server does not answer has none."""


class Answer(NamedTuple):
    """The SQL for a question and what it gave."""

    sql: str
    execution: Execution


def open_writer(model: str = "", base_url: str = "") -> Writer:
    """The model of a folder or Hub id, or the one that an OpenAI-compatible server calls `model`.

    A server says nothing of its prompt contract: it gets that of the folder `model`, or the default
    one where there is no such folder. model: "" for the one that `make demo` made.
    Raises ValueError where no model is named or made, or FileNotFoundError for a folder that is
    none.
    """
    if base_url and not model:
        raise ValueError(
            f"the server at {base_url} may hold several models and none was named; "
            f"choose one of its list at {base_url.rstrip('/')}/models"
        )
    if base_url:
        from sense.servers.chat_writer import server_writer

        return server_writer(model, base_url)
    from sense.sampler import local_writer

    return local_writer(model or _demo_model())


def write_sql(writer: Writer, questions: Sequence[Question]) -> list[str]:
    """One SQL query per question, in their order; prompts follow the writer's contract."""
    prompts = [
        prompt_messages(writer.contract, q.db_path, q.example.question, q.example.evidence)
        for q in questions
    ]
    completions = writer.complete(prompts)
    return [
        completion_sql(writer.contract, prompt, text)
        for prompt, text in zip(prompts, completions, strict=True)
    ]


def ask(writer: Writer, db_path: str | Path, question: str, evidence: str = "") -> Answer:
    """The writer's SQL for one question, and its result within `INTERACTIVE_LIMITS`.

    Raises ValueError for an empty question and DatabaseError for a file that cannot be read.
    """
    if not question.strip():
        raise ValueError("the question is empty; ask something about the database")
    open_read_only(db_path).close()  # a file that cannot be read should not wait for a model
    prompt = prompt_messages(writer.contract, db_path, question, evidence)
    [text] = writer.complete([prompt])
    sql = completion_sql(writer.contract, prompt, text)
    return Answer(sql, execute(db_path, sql, INTERACTIVE_LIMITS))


def _demo_model() -> str:
    if not Path(DEMO_MODEL, "config.json").is_file():
        raise ValueError(
            "no model was named; pass --model FOLDER or --model OWNER/NAME, or run `make demo`, "
            f"whose model in {DEMO_MODEL} is the default"
        )
    return DEMO_MODEL
