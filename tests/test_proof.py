"""Proofs beside outcomes: which answers have one, and what is said where the search was lost."""

from pathlib import Path

import pytest

from sense.evaluation import evaluate
from sense.inputs.reading import Prediction
from sense.proofs.proof import with_proofs
from sense.witnesses.explanation import SENTENCES
from sense.workers import WorkerFailure

GOLD = "SELECT name FROM city WHERE population > 500000"


def test_a_lost_search_is_counted_beside_the_proofs(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [GOLD, GOLD.replace("500000", "499999"), f"{GOLD} OR 0 > 1", "SELECT 1"]
    rows = [Prediction(i, "world", "Which?", GOLD, answer) for i, answer in enumerate(answers)]
    outcomes = evaluate(rows, {"world": world}, num_workers=0)
    found = [True, False, WorkerFailure("limit", "more than 30 seconds")]
    monkeypatch.setattr("sense.proofs.proof.map_in_workers", lambda *arguments: iter(found))
    shown = with_proofs(outcomes, {"world": world})
    assert [o.reason for o in shown] == ["proved", "equal", "proof_lost", "differs"]
    assert [o.verdict for o in shown] == [o.verdict for o in outcomes]
    assert "proof_lost" in SENTENCES
