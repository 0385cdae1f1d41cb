"""The folder of several evaluations: each system's own, and a board of all of them above."""

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from sense.facts import Facts, write_facts
from sense.inputs.predictions import System
from sense.reports.board import (
    Board,
    Evaluations,
    Flip,
    SystemPair,
    make_board,
)
from sense.reports.document import Block, Figure, Heading, Table, Text, to_markdown
from sense.reports.figure import interval_chart, stacked_chart
from sense.reports.mistakes import MAX_KINDS, Mistake, frequent_mistakes
from sense.reports.report import (
    NOT_JUDGED,
    VERDICT_CLASSES,
    error_blocks,
    finished_folder,
    interval,
    percent,
    shares,
    summary_blocks,
    write_evaluation,
    write_report,
)
from sense.scores.outcomes import Outcome, column_text
from sense.scores.samples import answer_rounds

SIGNIFICANT = 0.05
AGAINST_ABOVE = "against the line above (p corrected by Holm)"


class SystemResult(NamedTuple):
    """A system with what became of its answers."""

    system: System
    outcomes: Sequence[Outcome]
    mistakes: Sequence[Mistake] = ()
    """Examples for the report."""
    has_new_answers: bool = False
    """Whether its predictions are to be written too."""


def write_results(
    folder: Path,
    results: Sequence[SystemResult],
    facts: Facts,
    mistakes: Sequence[Mistake] = (),
) -> str:
    """What is printed; writes the folder of an evaluation, or of several with their board above.

    mistakes: examples for the board, of all systems together. The folder must be new or empty, and
    appears when all is written.
    """
    if len(results) == 1:
        [result] = results
        scores = _write_result(folder, result, facts)
        blocks = summary_blocks(scores, result.outcomes, result.system.notes)
        return to_markdown(blocks).rstrip("\n")
    evaluations = {result.system.name: result.outcomes for result in results}
    with finished_folder(folder) as draft:
        for result in results:
            _write_result(draft / result.system.name, result, facts)
        board = _write_board(draft, evaluations, facts, mistakes)
    return to_markdown(ranking_blocks(board)).rstrip("\n")


def write_board(folder: Path, evaluations: Evaluations, facts: Facts) -> Board:
    """`board.json`, `report.md`, `report.html` and `facts.json` in a new folder."""
    with finished_folder(folder) as draft:
        mistakes = frequent_mistakes(itertools.chain(*evaluations.values()))
        return _write_board(draft, evaluations, facts, mistakes)


def _write_result(folder: Path, result: SystemResult, facts: Facts) -> dict[str, Any]:
    rounds = answer_rounds(result.system.predictions, result.system.samples)
    answers = itertools.chain(*zip(*rounds, strict=True))  # those to one question side by side
    predictions = tuple(answers) if result.has_new_answers else ()
    notes = result.system.notes
    return write_evaluation(folder, result.outcomes, facts, predictions, result.mistakes, notes)


def _write_board(
    folder: Path, evaluations: Evaluations, facts: Facts, mistakes: Sequence[Mistake]
) -> Board:
    board = make_board(evaluations)
    content = {
        "systems": board.scores,
        "pairs": [pair._asdict() for pair in board.pairs],
        "flips": [flip._asdict() for flip in board.flips],
    }
    (folder / "board.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    write_report(folder, board_title(board), board_blocks(board, mistakes))
    write_facts(replace(facts, results=content), folder)
    return board


def line_by_line(board: Board, names: Iterable[str]) -> str:
    """A Markdown table of the systems of a board in the given order, each against the one above it.

    Tests are those of the board, so that their p-values are corrected for all its pairs. Each is
    preceded by how many questions only this system gets right, and only the one above.
    """
    pairs = {frozenset((pair.better, pair.worse)): pair for pair in board.pairs}
    rows: list[tuple[str, ...]] = []
    above = ""
    for name in names:
        scores = board.scores[name]
        against = _against(pairs[frozenset((name, above))], name) if above else ""
        rows.append((name, f"{scores['num']:,}", percent(scores), interval(scores), against))
        above = name
    header = ("system", " questions", " accuracy", "95 % interval", AGAINST_ABOVE)
    primary = next(iter(board.scores[above]["columns"]))
    blocks: list[Block] = [Text(f"Rule: {column_text(primary)}."), Table(header, tuple(rows))]
    return to_markdown(blocks).rstrip("\n")


def _against(pair: SystemPair, name: str) -> str:
    gained, lost = pair.only_better, pair.only_worse
    if name == pair.worse:
        gained, lost = lost, gained
    return f"+{gained} -{lost}, p = {pair.corrected:.2g}"


def board_title(board: Board) -> str:
    num_questions = next(iter(board.scores.values()))["num_questions"]
    return f"{len(board.scores)} systems on {num_questions:,} questions"


def board_blocks(board: Board, mistakes: Sequence[Mistake] = ()) -> list[Block]:
    """What the report of several systems says."""
    return [
        *ranking_blocks(board),
        *_hardness_blocks(board.scores),
        *_verdict_blocks(board.scores),
        *_error_blocks(board.scores, mistakes),
    ]


def ranking_blocks(board: Board) -> list[Block]:
    """The systems by every column, which differences are significant, and which rankings flip."""
    first = next(iter(board.scores.values()))
    columns = list(first["columns"])
    return [
        Heading(board_title(board), 1),
        Text("Columns, the first one ranks:", tuple(f"{c}: {column_text(c)}" for c in columns)),
        _systems_table(board.scores),
        *_not_counted(columns, first),
        *_unknown_as_wrong(board.scores),
        Figure(
            interval_chart("Accuracy by system", shares(board.scores)),
            f"Accuracy by {columns[0]}, %, with 95 % intervals (Wilson)",
        ),
        *_pair_blocks(board.pairs),
        *(_flip_blocks(board.flips, columns) if len(columns) > 1 else []),
    ]


def _systems_table(scores: Mapping[str, Mapping[str, Any]]) -> Table:
    columns = list(next(iter(scores.values()))["columns"])
    rows = tuple(
        (
            name,
            f"{found['num']:,}",
            *(_share_cell(found["columns"][column]) for column in columns),
        )
        for name, found in scores.items()
    )
    return Table(("system", " questions", *(f" {column}" for column in columns)), rows)


def _not_counted(columns: Sequence[str], scores: Mapping[str, Any]) -> list[Block]:
    """What is left out of columns whose rule says nothing where gold cannot judge."""
    return [
        Text(
            f"{column} does not count {num:,} of {scores['num_questions']:,} questions, whose gold "
            "cannot judge: see the report of each system."
        )
        for column in columns
        if (num := scores["columns"][column]["num_not_counted"])
    ]


def _unknown_as_wrong(scores: Mapping[str, Mapping[str, Any]]) -> list[Block]:
    """How many answers of each system the strict rule counts as wrong without a proof."""
    counts = {name: found.get("num_unknown_as_wrong", 0) for name, found in scores.items()}
    if not any(counts.values()):
        return []
    listed = ", ".join(f"{name} {num:,}" for name, num in counts.items())
    return [Text(f"Counted as wrong by the strict rule though the verdict is `unknown`: {listed}.")]


def _hardness_blocks(scores: Mapping[str, Mapping[str, Any]]) -> list[Block]:
    sizes = next(iter(scores.values()))["by_hardness"]
    rows = tuple(
        (name, *(_share_cell(found["by_hardness"].get(level)) for level in sizes))
        for name, found in scores.items()
    )
    header = ("system", *(f" {level} ({row['num']:,})" for level, row in sizes.items()))
    return [
        Heading("By hardness"),
        Table(header, rows),
        Figure(
            interval_chart("Accuracy by hardness and system", shares(_by_level(scores))),
            "Accuracy by hardness and system, %",
        ),
    ]


def _share_cell(row: Mapping[str, Any] | None) -> str:
    """Accuracy and interval; "" where the system has no question that counts."""
    if not row:
        return ""
    return f"{percent(row)} ({interval(row).removesuffix(' %')})"


def _by_level(scores: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """A row per level and system, the systems of a level together."""
    levels = list(next(iter(scores.values()))["by_hardness"])
    return {
        f"{level}, {name}": found["by_hardness"][level]
        for level in levels
        for name, found in scores.items()
        if level in found["by_hardness"]
    }


def _verdict_blocks(scores: Mapping[str, Mapping[str, Any]]) -> list[Block]:
    counts = {
        name: [found["verdicts"].get(verdict, 0) for verdict in VERDICT_CLASSES]
        for name, found in scores.items()
        if "verdicts" in found
    }
    if not counts:
        return [Text(NOT_JUDGED)]
    rows = tuple((name, *(f"{num:,}" for num in numbers)) for name, numbers in counts.items())
    chart = stacked_chart("Verdicts by system", counts, list(VERDICT_CLASSES.values()))
    return [
        Heading("Verdicts"),
        Table(("system", *(f" {verdict}" for verdict in VERDICT_CLASSES)), rows),
        Figure(chart, f"Verdicts: {' / '.join(VERDICT_CLASSES)}"),
    ]


def _pair_blocks(pairs: Sequence[SystemPair]) -> list[Block]:
    num = sum(pair.corrected < SIGNIFICANT for pair in pairs)
    rows = tuple(
        (
            pair.better,
            pair.worse,
            f"{pair.only_better:,}",
            f"{pair.only_worse:,}",
            f"{pair.p_value:.2g}",
            f"{pair.corrected:.2g}",
            "**yes**" if pair.corrected < SIGNIFICANT else "no",
        )
        for pair in pairs
    )
    header = ("better", "worse", " only better", " only worse", " p", " corrected p", "significant")
    return [
        Heading("Which differences are significant"),
        Text(
            f"{num} of {len(pairs)} pairs differ at 5 %: exact McNemar test, corrected by Holm "
            "over all pairs. Counted are questions that only one of the two gets right."
        ),
        Table(header, rows),
    ]


def _flip_blocks(flips: Sequence[Flip], columns: Sequence[str]) -> list[Block]:
    header = ("ahead", "behind", f" by {columns[0]}", "column that says otherwise", " by it")
    rows = tuple(
        (
            flip.first,
            flip.second,
            f"{100 * flip.difference:+.1f}",
            flip.column,
            f"{100 * flip.other_difference:+.1f}",
        )
        for flip in flips
    )
    said = f"{len(flips)} pairs are ranked otherwise by another column, in points:"
    table: list[Block] = [Text(said), Table(header, rows)]
    none: list[Block] = [Text("No column ranks two systems otherwise.")]
    return [Heading("Which rankings flip"), *(table if flips else none)]


def _error_blocks(
    scores: Mapping[str, Mapping[str, Any]], mistakes: Sequence[Mistake]
) -> list[Block]:
    """Error kinds of each system beside each other, then the kinds of all with their examples."""
    total: Counter[str] = Counter()
    for found in scores.values():
        total.update(found.get("error_kinds", {}))
    kinds = [kind for kind, _ in total.most_common(MAX_KINDS)]
    num_double_quoted = sum(f.get("num_double_quoted_literals", 0) for f in scores.values())
    blocks = error_blocks(dict(total.most_common()), mistakes, num_double_quoted)
    if not blocks:
        return []
    rows = tuple(
        (name, *(f"{found['error_kinds'].get(kind, 0):,}" for kind in kinds))
        for name, found in scores.items()
        if "error_kinds" in found
    )
    heading, *rest = blocks
    return [heading, Table(("system", *(f" {kind}" for kind in kinds)), rows), *rest]
