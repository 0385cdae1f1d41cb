"""What a question asks for, and the sentence that each style makes of it."""

import random
from dataclasses import dataclass
from typing import Literal, TypeAlias

from sense.questions.intent import Beyond, Condition, Having, Measure

Style: TypeAlias = Literal[
    "interrogative",
    "imperative",
    "formal",
    "colloquial",
    "keyword",
    "several_sentences",
    "vague",
]
STYLES: tuple[Style, ...] = ("interrogative", "imperative", "formal", "colloquial", "keyword")
"""Those of which each question takes one by lot."""
STYLES_SPOKEN: tuple[Style, ...] = (*STYLES, "several_sentences", "vague")
"""Those that may be asked for. A vague question needs evidence that says what is meant."""

Loose: TypeAlias = Condition | Beyond | Having | Measure | int
"""What a question may leave untold: a threshold ("with a high price", "with many hives"), which
measure is meant ("the typical price"), or how many rows ("the few hives with the most frames")."""


@dataclass(frozen=True)
class Voice:
    """The style of one question and the source of its variation."""

    style: Style
    rng: random.Random
    loose: Loose | None = None
    """What is not told."""

    def omits(self, part: Loose) -> bool:
        """Whether the part is what is not told."""
        return self.loose is not None and part == self.loose

    def pick(self, *choices: str) -> str:
        return self.rng.choice(choices)

    def chance(self, share: float) -> bool:
        return self.rng.random() < share


@dataclass(frozen=True)
class Content:
    """What is asked for, before a style turns it into a sentence."""

    text: str
    """A noun phrase with its article."""
    is_many: bool = True
    prefix: str = ""
    """Goes before the sentence: "for each city"."""
    suffix: str = ""
    question: str = ""
    """A direct question that says the same, "" when there is none."""


def sentence(content: Content, voice: Voice) -> str:
    """The content as a question or a request of the voice's style."""
    text, prefix, suffix = content.text, content.prefix, content.suffix
    if voice.style == "keyword":
        return f"{text.removeprefix('the ')}{suffix}{' ' + prefix if prefix else ''}"
    if content.question and voice.style == "interrogative":
        return _capital(content.question)
    if content.question and voice.style == "colloquial" and voice.chance(0.5):
        return f"{voice.pick('Hey,', 'Tell me:')} {content.question}"
    lead = f"{prefix}, " if prefix else ""
    if voice.style == "interrogative":
        return _capital(f"{lead}what {'are' if content.is_many else 'is'} {text}{suffix}?")
    if voice.style == "imperative":
        verbs = ("list" if content.is_many else "find", "show", "give")
        return _capital(f"{lead}{voice.pick(*verbs)} {text}{suffix}.")
    if voice.style == "formal":
        verbs = ("provide", "report", "return" if content.is_many else "determine")
        return _capital(f"{lead}please {voice.pick(*verbs)} {text}{suffix}.")
    opening = voice.pick(
        "can you tell me", "could you show me", "I'd like to know", "I need", "tell me"
    )
    return _capital(f"{lead}{opening} {text}{suffix}{'?' if ' you ' in opening else '.'}")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
