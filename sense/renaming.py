"""Training rows under other names, so that a small model learns to copy names, not the names.

The words of a row's schema are replaced by made-up ones wherever the row says them: in schema,
question and SQL. The meaning stays, and every row has names that no other row has. A model of a
million parameters otherwise learns the names of 1,500 databases by heart before it learns to copy.
"""

import random
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from sense.coinage import KEPT_WORDS
from sense.example import Messages

if TYPE_CHECKING:
    from datasets import Dataset

COMMON_SHARE = 0.01
"""A word in more than this share of the questions belongs to the language, not to a schema."""
REAL_SHARE = 0.3
"""Share of the replacements that are words of other rows; the rest are blends of two of them."""

_WORD = re.compile(r"[A-Z]?[a-z]+")
"""A word or the part of a name: `tin_price`, `TinPrice` and `Tin price` hold two, SELECT none."""


def rename_rows(rows: "Dataset", share: float, seed: int, num_proc: int | None = None) -> "Dataset":
    """The rows, a share of them under other names; prompts must be of style `compact`.

    The same rows, share and seed give the same result.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"renamed_share is {share}; expected a share between 0 and 1")
    texts = [prompt[-1]["content"] for prompt in rows["prompt"]]
    kept = KEPT_WORDS | common_words(text.rsplit("\n", 1)[-1] for text in texts)
    words = sorted({word for text in texts for word in _words(text) if len(word) > 2} - kept)
    if len(words) < 2:
        return rows

    def rename(row: dict[str, Any], index: int) -> dict[str, Messages]:
        rng = random.Random(f"{seed} {index}")
        messages = {"prompt": row["prompt"], "completion": row["completion"]}
        if rng.random() >= share:
            return messages
        schema = row["prompt"][-1]["content"].split("\n", 1)[0]
        names = new_names(sorted(set(_words(schema)) - kept), words, rng)
        return {
            part: [
                {**message, "content": replace_words(message["content"], names)} for message in said
            ]
            for part, said in messages.items()
        }

    return rows.map(rename, with_indices=True, num_proc=num_proc, desc="Renaming")


def new_names(old: Sequence[str], words: Sequence[str], rng: random.Random) -> dict[str, str]:
    """A made-up word for each old one of three or more letters, all different."""
    names: dict[str, str] = {}
    taken = set(old)
    for word in old:
        if len(word) < 3:
            continue
        new = word
        while new in taken:
            new = rng.choice(words)
            if rng.random() >= REAL_SHARE:
                new = new[: rng.randint(2, 4)] + rng.choice(words)[-rng.randint(2, 4) :]
            new = new.rstrip("s") or word  # so that its plural ends in one s
        taken.add(new)
        names[word] = new
    return names


def replace_words(text: str, names: dict[str, str]) -> str:
    """The text with words replaced, plurals and capital letters as before.

    >>> replace_words("SELECT TeaBox FROM tea -- boxes of teas", {"tea": "mur", "box": "flin"})
    'SELECT MurFlin FROM mur -- flins of murs'
    """

    def replaced(match: re.Match[str]) -> str:
        word = match[0].lower()
        new = names.get(word)
        for ending, singular in (("ies", "y"), ("es", ""), ("s", "")):
            stem = word.removesuffix(ending) + singular
            if new is None and word.endswith(ending) and stem in names:
                new = names[stem] + "s"
        if new is None:
            return match[0]
        return new.capitalize() if match[0][0].isupper() else new

    return _WORD.sub(replaced, text)


def common_words(questions: Iterable[str]) -> frozenset[str]:
    """Words in more than `COMMON_SHARE` of the questions."""
    counts: Counter[str] = Counter()
    num = 0
    for question in questions:
        counts.update(set(_words(question)))
        num += 1
    return frozenset(word for word, count in counts.items() if count > COMMON_SHARE * num)


def _renamed(messages: Messages, names: dict[str, str]) -> Messages:
    return [{**said, "content": replace_words(said["content"], names)} for said in messages]


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text)]
