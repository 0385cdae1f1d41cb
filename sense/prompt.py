"""The prompt contract: how a question becomes messages, and how SQL comes back out of a completion.

Builders, recipes, evaluation and the Space all call this module. A contract's settings travel with
the model as `sense_prompt.json`; its hash stands in every row, so that no difference stays unseen.
"""

import hashlib
import json
import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path

from sense.example import Messages
from sense.prompts.completion import extract_sql, first_statement
from sense.prompts.handles import decode_sql, encode_sql, handle_text, mentioned_schema
from sense.prompts.linking import ValueLink, value_index
from sense.prompts.mention import SchemaNames
from sense.prompts.pruning import SchemaWords
from sense.schema import SchemaStyle, quote_identifier, read_schema, sample_rows, schema_text
from sense.sqlite.file_state import kept_per_file

__all__ = [  # extract_sql is the way back, so it is found here too
    "CONTRACTS",
    "DEFAULT_CONTRACT",
    "RATIONALE_CONTRACT",
    "TINY_CONTRACT",
    "ContractError",
    "PromptContract",
    "completion_messages",
    "completion_sql",
    "contract_of",
    "extract_sql",
    "load_contract",
    "prompt_messages",
    "save_contract",
]

logger = logging.getLogger(__name__)

CONTRACT_FILE = "sense_prompt.json"

SYSTEM_PROMPT = """\
You translate questions about a SQLite database into SQL. Use only the tables and columns of the \
schema, spell them as it does, and return exactly the columns that the question asks for. \
Answer with a single SELECT statement and nothing else."""

RATIONALE_SYSTEM_PROMPT = """\
You translate questions about a SQLite database into SQL. Use only the tables and columns of the \
schema, spell them as it does, and return exactly the columns that the question asks for. \
Explain in a few sentences which tables, conditions and grouping the question needs, then give a \
single SELECT statement in a block that starts with ```sql and ends with ```."""


class ContractError(ValueError):
    """A model or data set was made with another prompt contract than the one in use."""


@dataclass(frozen=True)
class PromptContract:
    """Everything that decides the text of a prompt and the form of its completion."""

    system: str = SYSTEM_PROMPT
    """The system message, "" for none."""
    style: SchemaStyle = "ddl"
    num_sample_rows: int = 3
    """Rows shown per table in style `ddl`; fewer where the schema is long. 0 = none."""
    max_cell_chars: int = 40
    """A longer text in a sample row is cut."""
    max_schema_chars: int = 8_000
    """The schema is pruned towards the question beyond this length: about 2,500 tokens."""
    num_values: int = 5
    """Most literals of the question that are looked up in the data. 0 = none."""
    handles: bool = False
    """Whether names and literals give way to handles, see `sense.prompts.handles`; in
    place of `style`."""
    rationale: bool = False
    """Whether completions hold a rationale and then the SQL in a block, or SQL alone."""
    version: int = 1
    """Version of the text around these settings; raised when this module words it otherwise."""

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the settings, in hex."""
        text = json.dumps(asdict(self), ensure_ascii=False, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


DEFAULT_CONTRACT = PromptContract()
RATIONALE_CONTRACT = PromptContract(system=RATIONALE_SYSTEM_PROMPT, rationale=True)
TINY_CONTRACT = PromptContract(
    system="", style="compact", num_sample_rows=0, max_schema_chars=200, num_values=3, handles=True
)

CONTRACTS = {
    "default": DEFAULT_CONTRACT,
    "rationale": RATIONALE_CONTRACT,
    "tiny": TINY_CONTRACT,
}
"""The contracts by the names that builders take."""


def prompt_messages(
    contract: PromptContract, db_path: str | Path, question: str, evidence: str = ""
) -> Messages:
    """The messages that ask the question over the database."""
    source = _prompt_source(db_path)
    # BIRD's evidence spells out literals and columns: it steers pruning and lookup as well.
    about = f"{question}\n{evidence}" if evidence else question
    num_values = contract.num_values
    links = value_index(db_path).links(about, num_values) if num_values else []
    if contract.handles:
        content = source.handle_text(contract, question, evidence, links)
        return [*_system(contract), {"role": "user", "content": content}]
    text, links = source.shown(contract, about, links)
    write = _compact_content if contract.style == "compact" else _ddl_content
    content = write(text, links, " ".join(question.split()), " ".join(evidence.split()))
    return [*_system(contract), {"role": "user", "content": content}]


def completion_messages(
    contract: PromptContract, prompt: Messages, sql: str, reasoning: str = ""
) -> Messages:
    """The answer to the prompt as one assistant message: SQL alone, or where the contract asks for
    a rationale the reasoning and then the SQL in a block. A closing semicolon is left out.
    """
    content = first_statement(sql)
    if contract.handles:
        content = encode_sql(content, prompt[-1]["content"])
    if contract.rationale:
        runs = [len(run) for run in re.findall("`+", content)]
        fence = "`" * max(3, max(runs, default=0) + 1)
        content = f"{reasoning.strip()}\n\n{fence}sql\n{content}\n{fence}".lstrip()
    return [{"role": "assistant", "content": content}]


def completion_sql(contract: PromptContract, prompt: Messages, completion: str) -> str:
    """The SQL that a completion of the prompt means, see `extract_sql`."""
    sql = extract_sql(completion)
    return decode_sql(sql, prompt[-1]["content"]) if contract.handles else sql


def save_contract(contract: PromptContract, folder: str | Path) -> Path:
    """Writes `sense_prompt.json` into the folder of a model and returns its path."""
    path = Path(folder) / CONTRACT_FILE
    settings = {"hash": contract.hash, **asdict(contract)}
    path.write_text(json.dumps(settings, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return path


def load_contract(model: str | Path, revision: str | None = None) -> PromptContract:
    """The contract of a model, a folder or a Hub id; the default one, with a notice, without it."""
    path = _contract_path(model, revision)
    if path is None:
        logger.info("%s has no %s: the default prompt contract is used", model, CONTRACT_FILE)
        return DEFAULT_CONTRACT
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ContractError(
            f"{path} is not JSON: {error}; restore it from the model's repository"
        ) from error
    return _contract_from(settings, path)


def contract_of(
    hashes: Iterable[str], name: str, of_model: PromptContract | None = None
) -> PromptContract:
    """The contract that all prompts of a set follow, by their `prompt_hash`.

    It is one of `CONTRACTS` or lies in the folder `name` as `sense_prompt.json`; of_model: that of
    a model that reads the prompts, where it must be the same one. Raises ContractError.
    """
    found = sorted(set(hashes))
    if len(found) != 1:
        raise ContractError(
            f"{name} mixes the prompt contracts {', '.join(sorted(map(_contract_name, found)))}; "
            "build it with one"
        )
    [wanted] = found
    known = {c.hash: c for c in [*CONTRACTS.values(), *([of_model] if of_model else [])]}
    if of_model is not None and of_model.hash != wanted:
        raise ContractError(
            f"the prompts of {name} follow contract {_contract_name(wanted)}, those that the model "
            f"was trained on {_contract_name(of_model.hash)}"
            f"{_differences(of_model, known.get(wanted))}; build the set again for this model, or "
            "take a model that was trained on this set"
        )
    if wanted in known:
        return known[wanted]
    if Path(name, CONTRACT_FILE).is_file() and (contract := load_contract(name)).hash == wanted:
        return contract
    raise ContractError(
        f"the prompts of {name} follow contract {_contract_name(wanted)}, which this version of "
        "sense-kit does not know; build it again, or use the version that built it"
    )


class _PromptSource:
    """What prompts over one database file share."""

    def __init__(self, db_path: str | Path) -> None:
        self._db_path = db_path
        self.schema = read_schema(db_path)
        self._texts: dict[tuple[str, int, int, int], str | None] = {}

    @cached_property
    def words(self) -> SchemaWords:
        return SchemaWords(self.schema)

    @cached_property
    def names(self) -> SchemaNames:
        return SchemaNames(self.schema)

    def handle_text(
        self, contract: PromptContract, question: str, evidence: str, links: list[ValueLink]
    ) -> str:
        """The content of a prompt in handles."""
        asked = " ".join(f"{evidence} {question}".split())
        mentions = self.names.mentions(asked)
        schema = mentioned_schema(self.schema, mentions, links)
        if not schema.tables:
            schema = self.words.prune(asked, contract.max_schema_chars, "compact", links)
        return handle_text(schema, mentions, links, asked)

    def shown(
        self, contract: PromptContract, question: str, links: list[ValueLink]
    ) -> tuple[str, list[ValueLink]]:
        """The text of the schema, and the links into the part of it that is shown."""
        key = (
            contract.style,
            contract.num_sample_rows,
            contract.max_cell_chars,
            contract.max_schema_chars,
        )
        if key not in self._texts:
            self._texts[key] = self._full_text(contract)
        full = self._texts[key]
        if full is not None:
            return full, links
        pruned = self.words.prune(question, contract.max_schema_chars, contract.style, links)
        columns = {(table.name, c.name) for table in pruned.tables for c in table.columns}
        kept = [link for link in links if (link.table, link.column) in columns]
        return schema_text(pruned, contract.style), kept

    def _full_text(self, contract: PromptContract) -> str | None:
        """The whole schema with as many sample rows as fit; None when it does not fit without."""
        num_rows = contract.num_sample_rows if contract.style == "ddl" else 0
        samples = {}
        if num_rows:
            samples = sample_rows(self._db_path, self.schema, num_rows, contract.max_cell_chars)
        for n in range(num_rows, -1, -1):
            shown = {name: rows[:n] for name, rows in samples.items()}
            text = schema_text(self.schema, contract.style, shown)
            if len(text) <= contract.max_schema_chars:
                return text
        return None


_prompt_source = kept_per_file(256)(_PromptSource)


def _system(contract: PromptContract) -> Messages:
    return [{"role": "system", "content": contract.system}] if contract.system else []


def _ddl_content(text: str, links: Sequence[ValueLink], question: str, evidence: str) -> str:
    parts = [f"Schema:\n{text}"]
    if links:
        values = "\n".join(f"{quote_identifier(link.table)}.{_condition(link)}" for link in links)
        parts.append(f"Values in the data:\n{values}")
    if evidence:
        parts.append(f"Evidence: {evidence}")
    return "\n\n".join([*parts, f"Question: {question}"])


def _compact_content(text: str, links: Sequence[ValueLink], question: str, evidence: str) -> str:
    values = "".join(f" ; {_condition(link)}" for link in links)
    return "\n".join(part for part in (text + values, evidence, question) if part)


def _condition(link: ValueLink) -> str:
    literal = link.value.replace("'", "''")
    return f"{quote_identifier(link.column)} = '{literal}'"


def _contract_path(model: str | Path, revision: str | None) -> Path | None:
    if Path(model).is_dir():
        path = Path(model) / CONTRACT_FILE
        return path if path.is_file() else None
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(str(model), CONTRACT_FILE, revision=revision))
    except LocalEntryNotFoundError:  # no network and not in the cache: nobody knows
        raise
    except EntryNotFoundError:
        return None


def _contract_from(settings: object, path: Path) -> PromptContract:
    names = {f.name for f in fields(PromptContract)}
    found = set(settings) - {"hash"} if isinstance(settings, dict) else set()
    if not isinstance(settings, dict) or found != names:
        raise ContractError(
            f"{path} has the settings {sorted(found - names)} that this version does not know and "
            f"lacks {sorted(names - found)}; use the version of sense-kit that wrote it"
        )
    contract = PromptContract(**{name: settings[name] for name in names})
    if contract.hash != settings.get("hash"):
        raise ContractError(
            f"{path} has hash {settings.get('hash')}, but its settings have {contract.hash}: "
            "it was edited after the model was trained; restore it from the model's repository"
        )
    return contract


def _contract_name(hash: str) -> str:
    """What a person calls the contract: its name, else the start of its hash."""
    names = {contract.hash: f"'{name}'" for name, contract in CONTRACTS.items()}
    return names.get(hash, hash[:12] or "(none)")


def _differences(of_model: PromptContract, of_data: PromptContract | None) -> str:
    """In which settings two contracts differ, as the end of a sentence; "" where one is unknown."""
    if of_data is None:
        return ""
    pairs = [(f.name, getattr(of_model, f.name), getattr(of_data, f.name)) for f in fields(of_data)]
    shown = [
        f"{name} (model {_short(ours)}, set {_short(theirs)})"
        for name, ours, theirs in pairs
        if ours != theirs
    ]
    return f", which differs in {', '.join(shown)}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
