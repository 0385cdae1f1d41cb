"""The folder of an evaluation: its scores, every outcome, and a report for people in two forms."""

import contextlib
import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sense.facts import Facts, write_facts
from sense.inputs.reading import Prediction
from sense.reports.document import Block, Code, Figure, Heading, Table, Text, to_html, to_markdown
from sense.reports.figure import Share, count_chart, interval_chart, stacked_chart
from sense.reports.mistakes import MAX_KINDS, Mistake
from sense.scores.outcomes import Outcome, column_text, summarize, to_row
from sense.shown import counted, shortened

NOT_JUDGED = (
    "Only the official scores were asked for: no gold was checked, and nothing is said of whether "
    "an answer is right by our own rule."
)
MAX_EXAMPLES = 3
"""Of golds that cannot judge and predictions that are no query, per kind."""
MAX_CELL_CHARS = 100
VERDICT_CLASSES = {"correct": "right", "incorrect": "wrong", "unknown": "open"}
BIRD_SCORES = {
    "soft_f1": ("soft F1", "bird-bench/mini_dev@4d970a9"),
    "ves": ("VES", "AlibabaResearch/DAMO-ConvAI@483554e"),
    "r_ves": ("R-VES", "bird-bench/mini_dev@4d970a9"),
}
"""Name and version; times hold for this machine only."""


def write_evaluation(
    folder: Path,
    outcomes: Sequence[Outcome],
    facts: Facts,
    predictions: Sequence[Prediction] = (),
    mistakes: Sequence[Mistake] = (),
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """The scores; writes them with the outcomes and the report.

    facts: those of the run, whose results become the scores; predictions: written beside them
    where there are any; mistakes and notes: for the report. The folder must be new or empty, and
    appears when all is written.
    """
    scores = summarize(outcomes)
    blocks = evaluation_blocks(scores, outcomes, mistakes, notes)
    with finished_folder(folder) as draft:
        _write_lines(draft / "per_example.jsonl", map(to_row, outcomes))
        if predictions:
            _write_lines(draft / "predictions.jsonl", (p._asdict() for p in predictions))
        (draft / "scores.json").write_text(json.dumps(scores, indent=2) + "\n", encoding="utf-8")
        write_report(draft, title_of(scores), blocks)
        write_facts(replace(facts, results=scores), draft)
    return scores


@contextlib.contextmanager
def finished_folder(folder: Path) -> Iterator[Path]:
    """A folder to write in, which takes the place of `folder` when all went well."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as name:
        draft = Path(name, "draft")
        draft.mkdir()
        yield draft
        draft.replace(folder)


def write_report(folder: Path, title: str, blocks: Sequence[Block]) -> None:
    """`report.md`, and `report.html` with the figures; title: of the page."""
    (folder / "report.md").write_text(to_markdown(blocks), encoding="utf-8")
    (folder / "report.html").write_text(to_html(title, blocks), encoding="utf-8")


def title_of(scores: Mapping[str, Any]) -> str:
    """
    >>> title_of({"metric": "test_suite_accuracy"})
    'Test-suite accuracy'
    """
    is_suite = scores["metric"] == "test_suite_accuracy"
    return "Test-suite accuracy" if is_suite else "Execution accuracy"


def evaluation_blocks(
    scores: Mapping[str, Any],
    outcomes: Sequence[Outcome],
    mistakes: Sequence[Mistake] = (),
    notes: Sequence[str] = (),
) -> list[Block]:
    """What the report of one system says."""
    return [
        *summary_blocks(scores, outcomes, notes),
        *error_blocks(
            scores.get("error_kinds", {}), mistakes, scores.get("num_double_quoted_literals", 0)
        ),
        *_database_blocks(scores),
    ]


def summary_blocks(
    scores: Mapping[str, Any], outcomes: Sequence[Outcome], notes: Sequence[str] = ()
) -> list[Block]:
    """Accuracy, verdicts, and what was wrong with golds and predictions."""
    return [
        *_accuracy_blocks(scores),
        *_verdict_blocks(scores),
        *_input_blocks(outcomes, notes),
    ]


def _accuracy_blocks(scores: Mapping[str, Any]) -> list[Block]:
    """Title, rule, and accuracy by hardness in every column."""
    columns = scores["columns"]
    primary = next(iter(columns))
    blocks: list[Block] = [
        Heading(title_of(scores), 1),
        Text(
            f"Rule: {column_text(primary)}. {counted(scores['num'], 'question')} over "
            f"{counted(scores['num_databases'], 'database')}; intervals are Wilson's, 95 %."
        ),
    ]
    if scores["num_not_counted"]:
        blocks.append(
            Text(
                f"Not counted: {scores['num_not_counted']:,} of {scores['num_questions']:,} "
                "questions, whose gold cannot judge; see below."
            )
        )
    if num := scores.get("num_unknown_as_wrong"):
        blocks.append(
            Text(
                f"Counted as wrong by the strict rule: {counted(num, 'answer')} whose verdict is "
                "`unknown`, since nothing shows that they are right; see the reasons below."
            )
        )
    rows = {**scores["by_hardness"], "**all**": scores}
    blocks += [
        Table(
            ("hardness", " questions", " correct", " accuracy", "95 % interval"),
            tuple((name, *_score_cells(row)) for name, row in rows.items()),
        ),
        Figure(interval_chart("Accuracy by hardness", shares(rows)), "Accuracy by hardness, %"),
    ]
    if len(columns) > 1:
        blocks += [Heading("By every rule"), _columns_table(columns)]
    if "bird" in scores:
        blocks += [Heading("By BIRD's other scores"), _bird_table(scores["bird"])]
        if num := scores["bird"]["unfinished"]:
            blocks.append(
                Text(
                    f"{counted(num, 'answer')} without one of these scores, because a worker was "
                    "lost or Python's own SQLite did not run a query: left out of its mean."
                )
            )
    if "samples" in scores:
        blocks += _sample_blocks(scores["samples"])
    if num := scores["num_without_hardness"]:
        blocks.append(Text(f"Golds that are no query and have no hardness: {num}."))
    return blocks


def _sample_blocks(found: Mapping[str, Any]) -> list[Block]:
    rows = tuple(
        (k, *("none" if v is None else f"{100 * v:.1f} %" for v in (share, found["maj_at_k"][k])))
        for k, share in found["pass_at_k"].items()
    )
    return [
        Heading("By several answers to each question"),
        Text(
            f"{counted(found['num_samples'], 'answer')} to each of "
            f"{counted(found['num'], 'question')}. The scores above are those of the first "
            "answers; pass@k says how often one of k is right, maj@k how often the first of those "
            "whose rows most of k share."
        ),
        Table((" k", " pass@k", " maj@k"), rows),
    ]


def shares(rows: Mapping[str, Mapping[str, Any]]) -> list[Share]:
    """Rows of a chart; those without a question are left out."""
    return [
        Share(name.strip("*"), row["accuracy"], row["low"], row["high"])
        for name, row in rows.items()
        if row["accuracy"] is not None
    ]


def percent(row: Mapping[str, Any]) -> str:
    """
    >>> percent({"accuracy": 0.5})
    '50.0 %'
    """
    return "none" if row["accuracy"] is None else f"{100 * row['accuracy']:.1f} %"


def interval(row: Mapping[str, Any]) -> str:
    return f"{100 * row['low']:.1f} to {100 * row['high']:.1f} %"


def error_blocks(
    kinds: Mapping[str, int], mistakes: Sequence[Mistake], num_double_quoted: int
) -> list[Block]:
    """How often each error kind occurs, and an example of the most frequent ones."""
    if not kinds:
        return []
    total = sum(kinds.values())
    frequent = dict(list(kinds.items())[:MAX_KINDS])
    others = total - sum(frequent.values())
    listed = frequent | ({f"{len(kinds) - MAX_KINDS} other kinds": others} if others else {})
    blocks: list[Block] = [
        Heading("Errors"),
        Text(
            f"{total:,} answers were judged incorrect. An answer with several errors is named by "
            "its gravest."
        ),
        Table(
            ("error kind", " answers", " share"),
            tuple((kind, f"{num:,}", f"{100 * num / total:.1f} %") for kind, num in listed.items()),
        ),
        Figure(count_chart("Most frequent error kinds", frequent), "Most frequent error kinds"),
    ]
    if num_double_quoted:
        blocks.append(
            Text(
                f"{num_double_quoted:,} predictions have text in double quotes that names no "
                "column, which SQLite takes for a string (`double_quoted_literal`); other "
                "databases refuse them."
            )
        )
    for mistake in mistakes:
        blocks += [
            Heading(f"{mistake.kind}: {mistake.num:,}", 3),
            Text(f"{mistake.outcome.question or 'No question'} (db_id {mistake.outcome.db_id})"),
            Code("gold", mistake.outcome.gold_sql),
            Code("prediction", mistake.outcome.predicted_sql),
        ]
        if mistake.witness:
            blocks.append(Code("witness", mistake.witness))
    return blocks


def _verdict_blocks(scores: Mapping[str, Any]) -> list[Block]:
    if "verdicts" not in scores:
        return [Text(NOT_JUDGED), *_unfinished(scores)]
    from sense.witnesses.explanation import SENTENCES  # it reads SQL, as what only scores does not

    verdicts = [scores["verdicts"].get(name, 0) for name in VERDICT_CLASSES]
    chart = stacked_chart("Verdicts", {"all": verdicts}, list(VERDICT_CLASSES.values()))
    blocks: list[Block] = [
        Heading("Verdicts"),
        Figure(chart, f"Verdicts: {' / '.join(VERDICT_CLASSES)}"),
    ]
    blocks += [
        _counts_table("verdict", scores["verdicts"]),
        Table(
            ("reason", " questions", "meaning"),
            tuple(
                (name, f"{num:,}", SENTENCES.get(name, ""))
                for name, num in scores["reasons"].items()
            ),
        ),
        _counts_table("gold status", scores["gold_statuses"]),
        *_unfinished(scores),
    ]
    return blocks


def _unfinished(scores: Mapping[str, Any]) -> list[Block]:
    return [
        Text(
            f"{num:,} answers count as wrong by {rule} because a query did not end in our "
            "time; the official script has no limit that works."
        )
        for rule, num in scores["unfinished"].items()
    ]


def _input_blocks(outcomes: Sequence[Outcome], notes: Sequence[str]) -> list[Block]:
    """Golds that cannot judge, predictions that are no query, and oddities of the files."""
    blocks: list[Block] = []
    golds = [
        (o.gold_status, o.idx, o.gold_sql) for o in outcomes if o.gold_status not in ("", "ok")
    ]
    if golds:
        blocks += [
            Heading("Golds that cannot judge"),
            Text(
                "Their verdict is `unknown` and the strict rule does not count them; official "
                "rules do, as their scripts would."
            ),
            _examples_table("gold status", golds),
        ]
    forms = [(o.form, o.idx, o.predicted_sql) for o in outcomes if o.form != "query"]
    if forms:
        blocks += [
            Heading("Predictions that are not one query"),
            Text(
                "They were run as shown. `--extract-sql`, unless it was given, takes SQL out of "
                "prose and fences."
            ),
            _examples_table("form", forms),
        ]
    if notes:
        blocks += [Heading("Notes on the input"), Text("", tuple(notes))]
    return blocks


def _counts_table(name: str, counts: Mapping[str, int]) -> Table:
    return Table((name, " questions"), tuple((key, f"{num:,}") for key, num in counts.items()))


def _examples_table(name: str, found: Sequence[tuple[str, int, str]]) -> Table:
    """Kind, how many, and the first texts of each kind with their idx."""
    rows = []
    for kind, num in Counter(kind for kind, _, _ in found).most_common():
        first = [(idx, sql) for other, idx, sql in found if other == kind][:MAX_EXAMPLES]
        shown = "; ".join(f"{idx}: {_code(sql)}" for idx, sql in first)
        rows.append((kind, f"{num:,}", shown))
    return Table((name, " questions", "the first, by idx"), tuple(rows))


def _database_blocks(scores: Mapping[str, Any]) -> list[Block]:
    rows = scores["by_database"]
    if len(rows) < 2:
        return []
    return [
        Heading("By database"),
        Text(
            "Questions about one database are right or wrong together. For other databases such as "
            f"these, accuracy lies within {100 * scores['low_by_database']:.1f} to "
            f"{100 * scores['high_by_database']:.1f} % (95 %, bootstrap over databases)."
        ),
        Table(
            ("db_id", " questions", " correct", " accuracy", "95 % interval"),
            tuple((name, *_score_cells(row)) for name, row in rows.items()),
        ),
    ]


def _columns_table(columns: Mapping[str, Mapping[str, Any]]) -> Table:
    levels = list(dict.fromkeys(level for row in columns.values() for level in row["by_hardness"]))
    rows = []
    for name, found in columns.items():
        by_level = [found["by_hardness"].get(level) for level in levels]
        cells = [percent(row) if row else "" for row in by_level]
        rows.append((name, f"{found['num']:,}", *cells, percent(found), interval(found)))
    header = ("rule", " questions", *(f" {level}" for level in levels), " all", "95 % interval")
    return Table(header, tuple(rows))


def _bird_table(found: Mapping[str, float | None]) -> Table:
    rows = tuple(
        (f"{name}, as in {source}", "not timed" if found[key] is None else f"{found[key]:.2f}")
        for key, (name, source) in BIRD_SCORES.items()
    )
    return Table(("score", " in %"), rows)


def _score_cells(row: Mapping[str, Any]) -> tuple[str, str, str, str]:
    return f"{row['num']:,}", f"{row['num_correct']:,}", percent(row), interval(row)


def _write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """One JSON object per line; half a character, which JSON may hold, stays as its escape."""
    with path.open("w", encoding="utf-8", errors="backslashreplace") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _code(text: str) -> str:
    """The start of a text as code in a cell.

    >>> _code("")
    'nothing'
    """
    shown = shortened(" ".join(text.split()), MAX_CELL_CHARS)
    return f"`{shown.replace('`', chr(39))}`" if shown else "nothing"
