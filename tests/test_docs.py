"""The documents: every link, path, command, flag and snippet in them is true of the code."""

import ast
import contextlib
import functools
import importlib
import importlib.util
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCUMENTS = sorted(
    [
        *(README, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", ROOT / "space" / "README.md"),
        *(ROOT / "recipes").rglob("README.md"),
    ]
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FOLDERS = "builders|cards|recipes|sense|space|tests"
PATH = re.compile(rf"(?:{FOLDERS})/[\w./-]*")
HUB_IDS = re.compile(r"sense/[a-z0-9-]+")
EXAMPLE = "## An example of the method"

documents = pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix()
)


def blocks(text: str) -> list[tuple[str, str]]:
    """(language, content) of each fenced block."""
    return [(match[1], match[2]) for match in FENCE.finditer(text)]


def inline_codes(text: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", FENCE.sub("", text))


def commands(text: str) -> Iterator[list[str]]:
    """The words of each command of ours in a document, environment variables left out."""
    indented = re.findall(r"^ {4}(\S.*)$", FENCE.sub("", text), re.MULTILINE)
    shell = [content for language, content in blocks(text) if language == "bash"]
    lines = [line for content in shell for line in content.replace("\\\n", " ").splitlines()]
    for line in [*lines, *indented, *inline_codes(text)]:
        if not re.match(r"(?:[A-Z_]+=\S+ )*(?:python|accelerate|make) ", line):
            continue
        words = shlex.split(line)
        while "=" in words[0]:
            words.pop(0)
        yield words


ALL_COMMANDS = sorted({tuple(words) for path in DOCUMENTS for words in commands(path.read_text())})


@functools.cache
def script(path: str) -> ModuleType:
    """A script as a module, not run."""
    spec = importlib.util.spec_from_file_location(Path(path).stem + "_script", ROOT / path)
    assert spec and spec.loader, path
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@functools.cache
def help_of(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, *words, "--help"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout


def check_flags(words: list[str], arguments: list[str]) -> None:
    known = re.findall(r"--[\w-]+", help_of(*words))
    unknown = [word for word in arguments if word.startswith("--") and word not in known]
    assert not unknown, f"{' '.join(words)} has no {unknown}"


def check_launch(arguments: list[str]) -> None:
    """A training command: accelerate's own flags, then a script with its settings."""
    from accelerate.commands.launch import launch_command_parser
    from trl import DPOConfig, SFTConfig

    from sense.models.smoothing import DPOArguments
    from sense.models.training import SFTArguments, parse_recipe

    launch = launch_command_parser().parse_args(arguments)
    assert not launch.config_file or (ROOT / launch.config_file).is_file()
    classes: dict[str, tuple[type, type]] = {
        "recipes/sft.py": (SFTArguments, SFTConfig),
        "recipes/dpo.py": (DPOArguments, DPOConfig),
    }
    default = script(launch.training_script).DEFAULT_RECIPE
    parse_recipe(
        *classes[launch.training_script], default, [*launch.training_script_args, "--use_cpu"]
    )


def test_documents_have_commands() -> None:
    assert ("make", "demo") in ALL_COMMANDS
    assert len(ALL_COMMANDS) > 30


@pytest.mark.parametrize("words", ALL_COMMANDS, ids=" ".join)
def test_command_is_accepted(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    program, *arguments = words
    if program == "make":
        targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
        variables = {word.split("=")[0] for word in arguments if "=" in word}
        assert {word for word in arguments if "=" not in word} <= targets | {"..."}
        assert variables <= {"PYTHON", "DEMO_OUT"}
    elif program == "accelerate":
        assert arguments.pop(0) == "launch"
        check_launch(arguments)
    elif arguments[0] == "-m":
        command = arguments[:3] if arguments[1] == "sense" else arguments[:2]
        check_flags(command, arguments[len(command) :])
    elif arguments[0] != "-c":
        module = script(arguments[0])
        if not hasattr(module, "parse_arguments"):
            check_flags(arguments[:1], arguments[1:])
            return
        monkeypatch.setattr(sys, "argv", arguments)
        try:
            module.parse_arguments()
        except SystemExit as stop:
            pytest.fail(f"{' '.join(words)} ends with {stop.code}")


@documents
def test_links_to_files_resolve(document: Path) -> None:
    text = FENCE.sub("", document.read_text())
    links = re.findall(r"\]\(([^)]+)\)", text) + re.findall(r'src="([^"]+)"', text)
    for link in links:
        if link.startswith("https://"):
            continue
        name, _, anchor = link.partition("#")
        target = document.parent / name if name else document
        assert target.exists(), link
        if anchor:
            titles = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
            assert anchor in slugs, link


@documents
def test_paths_exist(document: Path) -> None:
    for code in inline_codes(document.read_text()):
        if PATH.fullmatch(code) and not HUB_IDS.fullmatch(code):
            assert (ROOT / code).exists(), code


@documents
def test_python_snippets_compile_and_import_what_exists(document: Path) -> None:
    for language, content in blocks(document.read_text()):
        if language != "python":
            continue
        for node in ast.walk(ast.parse(content)):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("sense"):
                module = importlib.import_module(str(node.module))
                for alias in node.names:
                    assert hasattr(module, alias.name), f"{node.module}.{alias.name}"


@pytest.mark.slow
def test_the_example_prints_what_the_readme_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Question, wrong answer, verdict and pair, block after block in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    section = README.read_text().split(EXAMPLE)[1].split("\n## ")[0]
    shown, printed = [], io.StringIO()
    for language, content in blocks(section):
        if language == "text":
            shown.append(content)
        elif language == "python":
            with contextlib.redirect_stdout(printed):
                exec(compile(content, "README.md", "exec"), {})
        else:
            [words] = commands(f"```bash\n{content}```")
            done = subprocess.run(
                [sys.executable, str(ROOT / words[1]), *words[2:]],
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
            assert done.returncode == 0, done.stderr
    assert len(shown) == 2
    assert printed.getvalue() == "".join(shown)


def test_every_module_has_its_place_in_the_readme() -> None:
    table = README.read_text().split("| modules of `sense` |")[1].split("\n## ")[0]
    cells = [row.split("|")[1] for row in table.splitlines() if row.startswith("| ")]
    named = []
    for cell in cells:
        for part in cell.split(";"):
            names = re.findall(r"`(\w+)`", part)
            folder = "".join(re.findall(r"in `(\w+/)`:", part))
            named += [f"{folder}{name}.py" for name in names]
    modules = [path.relative_to(ROOT / "sense") for path in (ROOT / "sense").rglob("*.py")]
    shown = {path.as_posix() for path in modules if not path.stem.startswith("__")}
    assert sorted(named) == sorted(shown)


def test_environment_variables_are_those_of_the_code() -> None:
    table = README.read_text().split("## Environment variables")[1].split("\n## ")[0]
    named = set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE))
    scripts = [path for folder in FOLDERS.split("|") for path in (ROOT / folder).rglob("*.py")]
    code = "\n".join(path.read_text() for path in scripts if path != Path(__file__))
    read = re.findall(r'environ(?:\.get\(\s*|\[)"((?:SENSE|DEMO)_\w+)"', code)
    demo = re.findall(r"\$\{(OUT|DEMO_\w+):-", (ROOT / "recipes" / "tiny" / "demo.sh").read_text())
    assert named >= {*read, *demo}
    assert named <= {*read, *demo, "DEMO_SERVE", "HF_TOKEN", "OPENAI_API_KEY"}


def test_nothing_names_the_place_where_it_was_written() -> None:
    """No path of a workplace and no host of a package index in any tracked file."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    hosts = ("python" + "hosted.org", "pypi" + ".org", "npmjs" + ".org")
    place = re.compile(r"(?<![\w./}])/" + "work/|" + "|".join(map(re.escape, hosts)))
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if not path.is_file() or path.suffix in {".png", ".sqlite", ".parquet"}:
            continue
        found = place.search(path.read_text("utf-8", errors="replace"))
        assert not found, f"{name}: {found[0] if found else ''}"
