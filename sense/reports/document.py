"""A report as a list of blocks, written as Markdown or as one self-contained HTML page.

The page loads nothing: its style stands in it, its figures are inline SVG, and it has no script.
"""

import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple, TypeAlias

STYLE = """
:root { color-scheme: light dark; --ink: #1c2230; --soft: #5b6472; --line: #d9dee6;
  --paper: #ffffff; --shade: #f4f6f9; --bar: #3565c9; --right: #2e8b57; --wrong: #c2513f;
  --open: #b8bec8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --soft: #9aa3b2; --line: #39404d;
  --paper: #151922; --shade: #1e2430; --bar: #7ba2f0; --right: #5fbf8c; --wrong: #e58473;
  --open: #59616f; } }
body { margin: 0 auto; max-width: 62rem; padding: 2rem 1.2rem 4rem; background: var(--paper);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
h1, h2, h3 { line-height: 1.25; margin: 2.2em 0 .6em; } h1 { margin-top: 0; }
table { border-collapse: collapse; margin: 1em 0; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; }
th, td { border-bottom: 1px solid var(--line); padding: .3em .8em; text-align: left; }
th { color: var(--soft); font-weight: 600; } .r { text-align: right; }
pre { background: var(--shade); padding: .7em 1em; overflow-x: auto; font-size: .86rem;
  white-space: pre-wrap; }
pre b { color: var(--soft); font-weight: 400; display: block; }
figure { margin: 1.2em 0; } figcaption { color: var(--soft); font-size: .9rem; }
svg { max-width: 100%; height: auto; }
svg text { fill: var(--ink); font: 13px system-ui, sans-serif; }
svg .soft { fill: var(--soft); } svg .grid { stroke: var(--line); } svg .bar { fill: var(--bar); }
svg .mark { stroke: var(--ink); stroke-width: 1.5; } svg .right { fill: var(--right); }
svg .wrong { fill: var(--wrong); } svg .open { fill: var(--open); }
"""


CODE = re.compile("`([^`]+)`")
SQL_LABELS = ("gold", "prediction")
"""Labels of `Code` that is SQL."""


class Heading(NamedTuple):
    """A title; level 1 is the page's own."""

    text: str
    level: int = 2


class Text(NamedTuple):
    """A paragraph, or as many lines of a list as it has items."""

    text: str
    items: tuple[str, ...] = ()


class Table(NamedTuple):
    """Rows below a header; the columns whose header starts with a space stand flush right."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Code(NamedTuple):
    """Text as it stands, such as SQL, with a word that says what it is."""

    label: str
    text: str


class Figure(NamedTuple):
    """An SVG element, which Markdown leaves out: a table beside it says the same."""

    svg: str
    caption: str


Block: TypeAlias = Heading | Text | Table | Code | Figure


def to_markdown(blocks: Iterable[Block]) -> str:
    r"""
    >>> table = Table(("rule", " right"), (("a|b", "3"),))
    >>> print(to_markdown([Heading("Scores", 1), table]), end="")
    # Scores
    <BLANKLINE>
    | rule | right |
    |---|---:|
    | a\|b | 3 |
    """
    parts = [_markdown(block) for block in blocks]
    return _encodable("\n\n".join(part for part in parts if part) + "\n")


def to_html(title: str, blocks: Iterable[Block]) -> str:
    """A whole page.

    >>> "<p>1 &lt; 2</p>" in to_html("Scores", [Text("1 < 2")])
    True
    """
    body = "\n".join(_html(block) for block in blocks)
    return _encodable(
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _encodable(text: str) -> str:
    r"""The text without halves of characters, which JSON may hold and UTF-8 may not.

    >>> print(_encodable("a\ud800"))
    a\ud800
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _markdown(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {text}"
        case Text(text, items):
            return "\n".join(
                [*([text, ""] if text and items else [text] if text else [])]
                + [f"- {item}" for item in items]
            )
        case Table(header, rows):
            rule = "|".join("---:" if name.startswith(" ") else "---" for name in header)
            return "\n".join([_line(header), f"|{rule}|", *map(_line, rows)])
        case Code(label, text):
            fence = "`" * max(3, _longest_run(text, "`") + 1)
            return f"{label}:\n\n{fence}{'sql' if label in SQL_LABELS else 'text'}\n{text}\n{fence}"
        case Figure():
            return ""


def _line(cells: Sequence[str]) -> str:
    """One line of a table: a bar would end its cell, a line break the table."""
    shown = (" ".join(cell.split()).replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(shown)} |"


def _longest_run(text: str, mark: str) -> int:
    longest = 0
    while mark * (longest + 1) in text:
        longest += 1
    return longest


def _html(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"<h{level}>{escape(text)}</h{level}>"
        case Text(text, items):
            listed = "".join(f"<li>{_inline(item)}</li>" for item in items)
            paragraph = f"<p>{_inline(text)}</p>" if text else ""
            return paragraph + (f"<ul>{listed}</ul>" if items else "")
        case Table(header, rows):
            sides = [' class="r"' if name.startswith(" ") else "" for name in header]
            head = "".join(
                f"<th{side}>{escape(name.strip())}</th>"
                for side, name in zip(sides, header, strict=True)
            )
            lines = "".join(
                "<tr>"
                + "".join(
                    f"<td{side}>{_inline(cell)}</td>" for side, cell in zip(sides, row, strict=True)
                )
                + "</tr>\n"
                for row in rows
            )
            return (
                f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n'
                f"<tbody>\n{lines}</tbody>\n</table></div>"
            )
        case Code(label, text):
            return f"<pre><b>{escape(label)}</b>{escape(text)}</pre>"
        case Figure(svg, caption):
            return f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>"


def _inline(text: str) -> str:
    """Escaped, with Markdown's `code` and, as a whole, **bold**."""
    if len(text) > 4 and text.startswith("**") and text.endswith("**"):
        return f"<b>{escape(text[2:-2])}</b>"
    return CODE.sub(r"<code>\1</code>", escape(text))
