"""Queries and files that try to write, to escape, to hang or to exhaust, and how each must end."""

from pathlib import Path
from typing import Literal, NamedTuple

from sense.execution import DatabaseError, Limits, Status, execute

LIMITS = Limits(
    max_steps=2_000_000,
    max_seconds=20,
    max_rows=10_000,
    max_result_bytes=4_000_000,
    max_heap_bytes=200_000_000,
)
NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
SLOW_TEXT = "replace(hex(zeroblob(1900000)), '0', 'a')"


_SLOW_LIKE = f"{SLOW_TEXT} LIKE '%{'a' * 900}b'"
_SLOW_GLOB = f"{SLOW_TEXT} GLOB '*{'a' * 900}b'"


class Attack(NamedTuple):
    """One query on one of the files of `hostile`; `{folder}` in it is the folder of the file."""

    name: str
    sql: str
    status: Status | Literal["unreadable"]
    """`unreadable`: the file is at fault, which the caller is told by DatabaseError."""
    database: str = "world"
    rows: tuple[tuple[object, ...], ...] = ()
    """What a query that is harmless after all must return."""


def ended(attack: Attack, folder: Path) -> tuple[str, tuple[tuple[object, ...], ...]]:
    """How the attack ends on the file in the folder."""
    try:
        sql = attack.sql.replace("{folder}", str(folder))
        execution = execute(folder / f"{attack.database}.sqlite", sql, LIMITS)
    except DatabaseError:
        return "unreadable", ()
    assert execution.error or execution.status == "ok"
    return execution.status, execution.rows


def _doubled(levels: int) -> str:
    """Common table expressions of which each reads the one before twice."""
    parts = ["c0(i) AS (SELECT 1)"]
    parts += [
        f"c{n}(i) AS (SELECT * FROM c{n - 1} UNION ALL SELECT * FROM c{n - 1})"
        for n in range(1, levels)
    ]
    return f"WITH {', '.join(parts)} SELECT count(*) FROM c{levels - 1}"


WRITES = [
    Attack("delete", "DELETE FROM city", "refused"),
    Attack(
        "insert returning", "INSERT INTO city VALUES (9, 'Oz', 'FRA', 1) RETURNING id", "refused"
    ),
    Attack("update in CTE", "WITH x AS (SELECT 1) UPDATE city SET id = 9 RETURNING id", "refused"),
    Attack("replace", "REPLACE INTO city VALUES (1, 'x', 'FRA', 1)", "refused"),
    Attack(
        "upsert", "INSERT INTO city SELECT * FROM city WHERE 1 ON CONFLICT DO NOTHING", "refused"
    ),
    Attack("drop", "DROP TABLE city", "refused"),
    Attack("alter", "ALTER TABLE city RENAME TO town", "refused"),
    Attack("temporary table", "CREATE TEMP TABLE t AS SELECT 1", "refused"),
    Attack(
        "temporary trigger", "CREATE TEMP TRIGGER g DELETE ON city BEGIN SELECT 1; END", "refused"
    ),
    Attack("create view", "CREATE VIEW v AS SELECT 1", "refused"),
    Attack("create index", "CREATE INDEX i ON city(name)", "refused"),
    Attack("virtual table", "CREATE VIRTUAL TABLE v USING fts5(a)", "refused"),
    Attack("schema table", "UPDATE sqlite_schema SET sql = ''", "error"),
    Attack("begin", "BEGIN IMMEDIATE", "refused"),
    Attack("savepoint", "SAVEPOINT s", "refused"),
    Attack("reindex", "REINDEX", "refused"),
    Attack("analyze", "ANALYZE", "refused"),
    Attack("second statement", "SELECT 1; DROP TABLE city", "refused"),
    Attack("two queries", "SELECT 1; SELECT 2", "refused"),
    Attack("hidden in a comment", "SELECT 1 /* ; */; -- ;\nDELETE FROM city", "refused"),
    Attack("explain", "EXPLAIN SELECT 1", "refused"),
    Attack("explain query plan", "EXPLAIN QUERY PLAN DELETE FROM city", "refused"),
    Attack("full-text command", "INSERT INTO note(note) VALUES ('rebuild')", "refused", "notes"),
    Attack("shadow table", "UPDATE note_content SET c0 = 'x'", "error", "notes"),
    Attack("drop shadow table", "DROP TABLE note_data", "refused", "notes"),
    Attack("view with trigger", "INSERT INTO loud VALUES (1)", "refused", "views"),
]

ESCAPES = [
    Attack("attach", "ATTACH DATABASE '{folder}/stolen.sqlite' AS x", "refused"),
    Attack("attach by URI", "ATTACH 'file:{folder}/x.sqlite?mode=rwc' AS x", "refused"),
    Attack("detach", "DETACH DATABASE main", "refused"),
    Attack("vacuum", "VACUUM", "refused"),
    Attack("vacuum into", "VACUUM INTO '{folder}/stolen.sqlite'", "refused"),
    Attack("query_only", "PRAGMA query_only = OFF", "refused"),
    Attack("journal_mode", "PRAGMA journal_mode = WAL", "refused"),
    Attack("writable_schema", "PRAGMA writable_schema = ON", "refused"),
    Attack("temp_store_directory", "PRAGMA temp_store_directory = '{folder}'", "refused"),
    Attack("hard_heap_limit", "PRAGMA hard_heap_limit = 0", "refused"),
    Attack("mmap_size", "PRAGMA mmap_size = 1000000000", "refused"),
    Attack("pragma that reads", "PRAGMA page_count", "refused"),
    Attack("pragma function", "SELECT * FROM pragma_table_info('city')", "refused"),
    Attack("list of files", "SELECT file FROM pragma_database_list", "refused"),
    Attack("pages", "SELECT * FROM dbstat", "refused"),
    Attack("raw pages", "SELECT data FROM sqlite_dbpage", "error"),
    Attack("load_extension", "SELECT load_extension('{folder}/evil.so')", "refused"),
    Attack("load_extension, odd case", "SELECT Load_Extension('x', 'y')", "refused"),
    Attack("tokenizer", "SELECT fts3_tokenizer('simple')", "refused"),
    Attack("tokenizer, set", "SELECT fts3_tokenizer('simple', x'00')", "refused"),
    Attack("log", "SELECT sqlite_log(1, 'x')", "refused"),
    Attack("build", "SELECT sqlite_compileoption_get(0)", "refused"),
    Attack("index pointer", "SELECT fts5(NULL)", "refused"),
    Attack("readfile", "SELECT readfile('/etc/passwd')", "error"),
    Attack("writefile", "SELECT writefile('{folder}/stolen', 'x')", "error"),
    Attack("edit", "SELECT edit('x', 'vi')", "error"),
    Attack("list of a folder", "SELECT * FROM fsdir('/etc')", "error"),
    Attack("view of a function", "SELECT * FROM loader", "error", "views"),
    Attack("view of a file", "SELECT * FROM stolen", "error", "views"),
    Attack("view of pages", "SELECT * FROM pages", "error", "views"),
    Attack("full-text optimize", "SELECT optimize(old) FROM old", "refused", "notes"),
]

HANGS = [
    Attack("endless count", NUMBERS + "SELECT count(*) FROM n", "limit"),
    Attack("endless rows", NUMBERS + "SELECT i FROM n", "limit"),
    Attack("endless sort", NUMBERS + "SELECT i FROM n ORDER BY i", "limit"),
    Attack("endless distinct", NUMBERS + "SELECT DISTINCT i FROM n", "limit"),
    Attack("endless window", NUMBERS + "SELECT sum(i) OVER () FROM n", "limit"),
    Attack("endless view", "SELECT * FROM endless", "limit", "views"),
    Attack(
        "cartesian count",
        "SELECT count(*) FROM " + ", ".join(f"city c{i}" for i in range(9)),
        "limit",
    ),
    Attack("cartesian rows", "SELECT * FROM " + ", ".join(f"city c{i}" for i in range(6)), "limit"),
    Attack("cartesian view", "SELECT count(*) FROM wide, wide AS w", "limit", "views"),
    Attack("doubling CTEs", _doubled(40), "error"),
    Attack("doubling views", "SELECT count(*) FROM twice17", "error", "views"),
    Attack("costly column", "SELECT max(b) FROM heavy", "limit", "views"),
]

BOMBS = [
    Attack("random bytes", "SELECT hex(randomblob(400000000))", "limit"),
    Attack("zero bytes", "SELECT length(zeroblob(2000000000))", "limit"),
    Attack("printf width", "SELECT printf('%999999999d', 1)", "limit"),
    Attack("printf precision", "SELECT printf('%.999999999f', 1.0)", "limit"),
    Attack("printf star", "SELECT format('%*s', 999999999, 'x')", "limit"),
    Attack(
        "replace by more",
        "SELECT replace(hex(zeroblob(400000)), '0', hex(zeroblob(400000)))",
        "limit",
    ),
    Attack(
        "replace chain",
        "SELECT " + "replace(" * 9 + "hex(zeroblob(9))" + ", '0', '0000000000')" * 9,
        "limit",
    ),
    Attack("concatenation", NUMBERS + "SELECT group_concat(hex(zeroblob(100000))) FROM n", "limit"),
    Attack("JSON array", NUMBERS + "SELECT json_group_array(hex(zeroblob(9999))) FROM n", "limit"),
    Attack("quote", "SELECT quote(zeroblob(3999999))", "limit"),
    Attack("fat rows", NUMBERS + "SELECT hex(zeroblob(100000)) FROM n", "limit"),
    Attack("fat sort", NUMBERS + "SELECT i, zeroblob(1000000) z FROM n ORDER BY z, -i", "limit"),
    Attack("long statement", "SELECT 1 -- " + "x" * 2_000_000, "limit"),
    Attack("long program", " UNION ALL ".join(["SELECT * FROM bulky"] * 10), "limit", "views"),
    Attack("long pattern", "SELECT name FROM city WHERE name LIKE '" + "%a" * 600 + "'", "limit"),
]

TEXTS = [
    Attack("nothing", "", "error"),
    Attack("comment", "-- nothing", "error"),
    Attack("semicolon", ";", "error"),
    Attack("prose", "Sure! The query is: SELECT 1", "error"),
    Attack("typo", "SELEC name FROM city", "error"),
    Attack("unknown table", "SELECT nope.* FROM city", "error"),
    Attack("parameter", "SELECT ?", "error"),
    Attack("named parameter", "SELECT :name, @x, $y", "error"),
    Attack("NUL before a statement", "SELECT 1 \0; DROP TABLE city", "error"),
    Attack("NUL in a string", "SELECT 'a\0b'", "error"),
    Attack("lone surrogate", "SELECT '\ud800'", "error"),
    Attack("unfinished string", "SELECT 'x", "error"),
    Attack("brackets", "SELECT " + "(" * 5000 + "1" + ")" * 5000, "error"),
    Attack("subqueries", "SELECT " + "(SELECT " * 2000 + "1" + ")" * 2000, "error"),
    Attack("nested calls", "SELECT " + "abs(" * 2000 + "1" + ")" * 2000, "error"),
    Attack("nested cases", "SELECT " + "CASE WHEN 1 THEN " * 2000 + "1" + " END" * 2000, "error"),
    Attack("minus signs", "SELECT " + "- " * 20_000 + "1", "error"),
    Attack("negations", "SELECT " + "NOT " * 20_000 + "1", "error"),
    Attack("sum of 10,000", "SELECT " + "+".join(["1"] * 10_000), "error"),
    Attack("10,000 conditions", "SELECT 1 WHERE " + " OR ".join(["0"] * 10_000), "error"),
    Attack("10,000 unions", " UNION ALL ".join(["SELECT 1"] * 10_000), "error"),
    Attack("10,000 columns", "SELECT " + ",".join(["1"] * 10_000), "error"),
    Attack("10,000 arguments", "SELECT max(" + ",".join(["1"] * 10_000) + ")", "error"),
    Attack("100 joins", "SELECT 1 FROM " + ", ".join(f"city c{i}" for i in range(100)), "error"),
    Attack("deep JSON", "SELECT json('" + "[" * 100_000 + "]" * 100_000 + "')", "error"),
    Attack("circular view", "SELECT * FROM ring", "error", "views"),
    Attack("view of a lost table", "SELECT * FROM orphan", "error", "views"),
    Attack("lost module", "SELECT * FROM zipped", "error", "modules"),
    Attack("integer overflow", "SELECT abs(-9223372036854775807 - 1)", "error"),
    Attack("sum overflow", "SELECT sum(9223372036854775807) FROM city", "error"),
    Attack("bad JSON", "SELECT json_extract('{', '$.a')", "error"),
    Attack("bad date", "SELECT date('99999-99-99')", "ok", rows=((None,),)),
    Attack("LIKE with wildcards", f"SELECT {SLOW_TEXT} LIKE '{'%a' * 20}%b'", "ok", rows=((0,),)),
    Attack("GLOB with wildcards", f"SELECT {SLOW_TEXT} GLOB '{'*a' * 20}*b'", "ok", rows=((0,),)),
    Attack(
        "list of 10,000",
        f"SELECT 7 IN ({','.join(map(str, range(10_000)))})",
        "ok",
        rows=((1,),),
    ),
    Attack(
        "huge integers",
        "SELECT 9223372036854775808, -99999999999999999999",
        "ok",
        rows=((9.223372036854775808e18, -1e20),),
    ),
    Attack(
        "integer wrap", "SELECT 9223372036854775807 + 1", "ok", rows=((9.223372036854775808e18,),)
    ),
    Attack("infinity", "SELECT 1e999, -1e999", "ok", rows=((float("inf"), float("-inf")),)),
    Attack(
        "not a number", "SELECT 1e999 - 1e999, 0.0 / 0, 1 / 0", "ok", rows=((None, None, None),)
    ),
    Attack("NUL from a function", "SELECT char(97, 0, 98)", "ok", rows=(("a\0b",),)),
    Attack("surrogate from a function", "SELECT char(55296)", "ok", rows=(("\\xed\\xa0\\x80",),)),
    Attack(
        "text of bytes", "SELECT CAST(x'ff41' AS TEXT), x'ff'", "ok", rows=(("\\xffA", b"\xff"),)
    ),
    Attack("byte order mark", "\ufeffSELECT 1", "ok", rows=((1,),)),
    Attack("tautology", "SELECT count(*) FROM city WHERE id = 0 OR 1 --", "ok", rows=((8,),)),
]

FILES = [
    Attack("zero-length file", "SELECT 1", "unreadable", "empty"),
    Attack("cut short", "SELECT 1", "unreadable", "truncated"),
    Attack("noise in its pages", "SELECT * FROM city", "unreadable", "noise"),
    Attack("format of the future", "SELECT 1", "unreadable", "future"),
    Attack("schema that is no SQL", "SELECT 1", "unreadable", "malformed"),
    Attack("root page beyond the end", "SELECT * FROM city", "unreadable", "rootless"),
    Attack("page that is its own child", "SELECT count(*) FROM city", "unreadable", "cyclic"),
    Attack("live write-ahead log", "SELECT 1", "unreadable", "walled"),
    Attack("hot journal", "SELECT 1", "unreadable", "journalled"),
    Attack("write-ahead log, closed", "SELECT count(*) FROM city", "ok", "unwalled", ((8,),)),
    Attack("locked by a writer", "SELECT count(*) FROM city", "ok", "locked", ((8,),)),
    Attack("bytes as text", "SELECT name FROM person", "ok", "latin", (("M\\xfcller",),)),
    Attack("text as bytes", "SELECT upper(name) FROM person", "ok", "latin", (("M\\xfcLLER",),)),
    Attack(
        "blobs",
        "SELECT data, data = 'ab', data LIKE 'a%' FROM file",
        "ok",
        "blobs",
        ((b"ab", 0, 0),),
    ),
    Attack("blob of 3 MB", "SELECT length(big) FROM file", "ok", "blobs", ((3_000_000,),)),
    Attack("blobs beyond the limit", "SELECT big, big FROM file", "limit", "blobs"),
    Attack("trigger that is not run", "SELECT count(*) FROM city", "ok", "views", ((8,),)),
    Attack("full text", "SELECT body FROM note WHERE note MATCH 'tea'", "ok", "notes", (("tea",),)),
    Attack("full text, bad", "SELECT body FROM note WHERE note MATCH 'AND ('", "error", "notes"),
    Attack("shadow table, read", "SELECT c0 FROM note_content LIMIT 1", "ok", "notes", (("tea",),)),
]

STUCK = [
    Attack("search", "SELECT instr(zeroblob(3900000), zeroblob(1900000) || x'01')", "limit"),
    Attack("LIKE", f"SELECT {' OR '.join([_SLOW_LIKE] * 20)}", "limit"),
    Attack("GLOB", f"SELECT {' OR '.join([_SLOW_GLOB] * 20)}", "limit"),
    Attack("trim", f"SELECT trim({SLOW_TEXT}, hex(zeroblob(1900000)) || 'a')", "limit"),
]
"""One operation of SQLite that runs for minutes, where no limit looks: only a kill ends it."""

ATTACKS = [*WRITES, *ESCAPES, *HANGS, *BOMBS, *TEXTS, *FILES]
