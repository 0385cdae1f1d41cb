"""A question in several sentences: what the person looks at first, then what they want to know."""

from sense.questions.intent import Intent, Measure
from sense.questions.measures import measure_words, names_of, rows_of
from sense.questions.profile import ColumnProfile
from sense.questions.restriction import title
from sense.questions.sentence import Content, Voice, sentence
from sense.questions.wording import has_plural, listed, plural


def tell(intent: Intent, content: Content, voice: Voice) -> str:
    """The rows in a sentence of their own where the intent has such; else its topic.

    content: what the intent asks for in one sentence.
    """
    is_plain = not (intent.joins or intent.group or intent.other or intent.limit)
    request = _request(intent, content.suffix, voice) if is_plain and intent.filters else ""
    if request:
        return f"{_look(rows_of(intent, voice, True), voice)} {request}"
    topic = plural(intent.base.noun)
    if intent.owner:
        topic = plural(intent.owner.owner.noun) + voice.pick(" and their ", " with their ")
        topic += plural(intent.owner.member.noun)
    opening = voice.pick("I have a question about the", "I am looking at the", "This is about the")
    return f"{opening} {topic}. {sentence(content, voice)}"


def _look(rows: str, voice: Voice) -> str:
    opening = voice.pick("Consider the", "Look only at the", "I am interested in the", "Take the")
    return f"{opening} {rows}."


def _request(intent: Intent, suffix: str, voice: Voice) -> str:
    """What is wanted of the rows of the sentence before; "" where that needs them again."""
    first = intent.wanted[0]
    if isinstance(first, Measure) and first.column is None:
        return voice.pick("How many are there?", "Count them.")
    if isinstance(first, Measure) and first.function == "count" and first.column:
        return f"How many different {names_of([first.column])} do they have?"
    if isinstance(first, Measure) and first.column:
        words = [measure_words(w, voice) for w in intent.wanted if isinstance(w, Measure)]
        asked = f"their {listed(words)} {title(first.column)}"
        verb = "are" if len(words) > 1 else "is"
        return voice.pick(f"What {verb} {asked}?", f"Find {asked}.")
    columns = [wanted for wanted in intent.wanted if isinstance(wanted, ColumnProfile)]
    if len(columns) < len(intent.wanted):
        return ""
    if intent.distinct and len(columns) == 1:
        return f"Which different {names_of(columns)} do they have{suffix}?"
    if all(has_plural(title(column)) for column in columns) and voice.chance(0.6):
        verb = voice.pick("Give", "List", "Show")
        return f"{verb} their {names_of(columns)}{suffix}."
    names = listed([title(column) for column in columns])
    return f"{voice.pick('Give', 'List', 'Show')} the {names} of each of them{suffix}."
