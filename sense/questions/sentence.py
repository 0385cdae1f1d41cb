"""What a question asks for, and the sentence that each style makes of it."""

import random
from dataclasses import dataclass
from typing import Literal, TypeAlias

from sense.questions.intent import Condition

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


@dataclass(frozen=True)
class Voice:
    """The style of one question and the source of its variation."""

    style: Style
    rng: random.Random
    loose: Condition | None = None
    """A threshold that is not told: "with a high price"."""

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
    if content.question and (
        voice.style == "interrogative" or (voice.style == "colloquial" and voice.chance(0.5))
    ):
        return _capital(content.question)
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
