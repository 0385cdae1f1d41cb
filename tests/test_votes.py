"""Questions of a teacher that are kept, mended or dropped by answers given without its SQL."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from chat_server import Body, ChatServer, Fault, status
from test_builders_strong import ONE_KIND, teacher_answer
from test_teaching import SHOTS

from sense.chat import Chat
from sense.coverage.plan import read_plan
from sense.example import to_example
from sense.journal import Journal
from sense.prompt import DEFAULT_CONTRACT
from sense.servers.reply_cache import ReplyCache
from sense.servers.server import Server
from sense.teaching.planning import Teaching, teacher_coverage
from sense.teaching.proposals import ProposalSet, make_proposals

JOIN = "FROM maker AS m JOIN piece AS p ON p.id = m.piece_id WHERE m.code_{n} = 'X{n}'"
GOLD = f"SELECT count(*) {JOIN}"
OTHER = f"SELECT count(DISTINCT p.id) {JOIN}"


def answer(request: Body) -> str | Fault:
    """The teacher's SQL, or as a voter what the number in the question decides."""
    if request["messages"][0]["content"] != DEFAULT_CONTRACT.system:
        return teacher_answer(request)
    question = request["messages"][-1]["content"].rpartition("Question")[2]
    n = int(re.findall(r"code X(\d+)", question)[-1])
    assert "count" not in question
    kind = n % 3
    if kind == 1 and n % 2:
        return status(400, "content filter")
    texts = {0: GOLD, 1: "SELECT nothing FROM maker", 2: f"```sql\n{OTHER};\n```"}
    return texts[kind].format(n=n)


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with ChatServer(answer) as found:
        yield found


def number(row: dict[str, str]) -> int:
    return int(re.findall(r"code X(\d+)", row["question"])[0])


def test_answers_without_sight_of_gold_keep_mend_or_drop_a_pair(
    server: ChatServer, tmp_path: Path
) -> None:
    (tmp_path / "plan.yaml").write_text(ONE_KIND)
    cache = ReplyCache(tmp_path / "replies.sqlite")
    with (
        Chat(Server("m", server.base_url, first_wait_seconds=0.01), cache) as chat,
        Journal(tmp_path / "journal.jsonl", {}) as journal,
    ):
        found = make_set(chat, journal, tmp_path / "plan.yaml")
        num_sent = len(server.requests)
        again = make_set(chat, journal, tmp_path / "plan.yaml")
        rows = list(found.rows("train"))
        assert len(server.requests) == num_sent
        assert list(again.rows("train")) == rows
        dropped = [row for row in found.rejected("train") if row["reason"] == "no_agreement"]
    assert len(rows) == 8
    for row in rows:
        n = number(row)
        gold = {0: GOLD, 2: OTHER}[n % 3].format(n=n)
        assert row["sql"] == gold
        assert row["completion"][0]["content"] == gold
        assert ("distinct" in row["features"]) == (n % 3 == 2)
        assert row["id"] == to_example(row).id
    assert found.votes == Counter("kept" if number(row) % 3 == 0 else "repaired" for row in rows)
    assert found.votes["repaired"] > 0
    assert found.funnel.dropped["no_agreement"] == len(dropped) > 0
    assert all("CREATE TABLE piece" in row["script"] for row in dropped)
    assert {row["detail"] for row in dropped} == {"0 of 0 as gold, 0 otherwise"}
    assert all(number(row) % 2 == 0 for row in dropped)
    assert found.funnel.dropped["server_http_400"] > 0


def make_set(chat: Chat, journal: Journal, plan: Path) -> ProposalSet:
    teaching = Teaching(
        SHOTS, 1.0, 4_096, DEFAULT_CONTRACT, "other", 3, {"invent": 1.0}, num_votes=5
    )
    found = ProposalSet(8, teacher_coverage(read_plan(plan), 8, teaching), journal)
    make_proposals(found, chat, teaching, num_workers=0)
    return found
