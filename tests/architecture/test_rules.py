"""Rules of the source tree that no linter states, read from the syntax tree of every module of ours.

A rule is a function from a parsed module to the lines that break it. Each test gives its rule's reason and lists every
violation as ``path:line``. The last test plants violations, so that a rule which finds nothing is known to look.
"""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parents[2]
GENERATED = "libs/liangfa_protos/"
MAY_COMMIT = ("libs/liangfa_kit/store/", "libs/liangfa_kit/messaging/local.py")
MAY_READ_THE_CLOCK = ("libs/liangfa_kit/clock.py",)
MAY_READ_THE_ENVIRONMENT = ("libs/liangfa_kit/settings.py",)
CLOCKS = {
    "datetime.datetime.now",
    "datetime.datetime.utcnow",
    "datetime.datetime.today",
    "datetime.date.today",
    "time.time",
    "time.time_ns",
}
ENVIRONMENT = {"os.environ", "os.environb", "os.getenv", "os.getenvb"}
NAMELESS = {"utils", "helpers", "common", "base", "manager", "core", "impl", "misc"}
LONGEST_FILE = 500
LONGEST_FUNCTION = 60
COMMIT_STATEMENT = re.compile(r"\bCOMMIT\b|^\s*(?i:commit)\s*(?:;|$|(?i:transaction)\b)")

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Module:
    """One source file: its path from the root of the project, with forward slashes, and its text."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree."""
        return ast.parse(self.text, filename=self.path)

    @cached_property
    def imported(self) -> dict[str, str]:
        """What each imported name stands for, so that an alias hides nothing: ``{"dt": "datetime.datetime"}``."""
        names: dict[str, str] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    top = alias.name.split(".", maxsplit=1)[0]
                    names[alias.asname or top] = alias.name if alias.asname else top
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        return names

    def dotted(self, node: ast.AST) -> str | None:
        """The full name an expression spells (``os.environ``), or None when it does not start at an imported name."""
        if isinstance(node, ast.Name):
            return self.imported.get(node.id)
        if isinstance(node, ast.Attribute) and (owner := self.dotted(node.value)):
            return f"{owner}.{node.attr}"
        return None

    def lines_naming(self, names: set[str]) -> Iterator[int]:
        """The lines that import or mention one of ``names``, called or passed on as a function."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom):
                if any(f"{node.module}.{alias.name}" in names for alias in node.names):
                    yield node.lineno
            elif isinstance(node, ast.Attribute | ast.Name) and self.dotted(node) in names:
                yield node.lineno


Rule = Callable[[Module], Iterator[int]]


def commits(module: Module) -> Iterator[int]:
    """Lines that call ``.commit(`` or hold a COMMIT statement; docstrings may speak of commits."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(module.tree)
        if isinstance(node, DOCUMENTED) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(module.tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="commit")):
                yield node.lineno
            case ast.Constant(value=str(text)) if id(node) not in docstrings and COMMIT_STATEMENT.search(text):
                yield node.lineno
            case _:
                pass


def clock_readings(module: Module) -> Iterator[int]:
    """Lines that read the wall clock; ``time.monotonic`` and ``time.perf_counter`` measure and are free."""
    return module.lines_naming(CLOCKS)


def environment_readings(module: Module) -> Iterator[int]:
    """Lines that read the process environment."""
    return module.lines_naming(ENVIRONMENT)


def nameless_modules(module: Module) -> Iterator[int]:
    """Line 1 of a module that carries, or lies in a package that carries, a name without content."""
    if NAMELESS & set(PurePosixPath(module.path).with_suffix("").parts):
        yield 1


def lines_too_many(module: Module) -> Iterator[int]:
    """The first line past the longest file."""
    if len(module.text.splitlines()) > LONGEST_FILE:
        yield LONGEST_FILE + 1


def long_functions(module: Module) -> Iterator[int]:
    """The ``def`` lines of functions that are too long, docstring counted and decorators not."""
    for node in ast.walk(module.tree):
        if isinstance(node, FUNCTIONS) and (node.end_lineno or 0) - node.lineno + 1 > LONGEST_FUNCTION:
            yield node.lineno


def undocumented(module: Module) -> Iterator[int]:
    """The public classes, functions and methods without a docstring; overloads and overrides have theirs elsewhere."""
    waiting: list[ast.Module | ast.ClassDef] = [module.tree]
    while waiting:
        for node in waiting.pop().body:
            if not isinstance(node, (ast.ClassDef, *FUNCTIONS)) or node.name.startswith("_"):
                continue
            if isinstance(node, ast.ClassDef):
                waiting.append(node)
            marks = {module.dotted(decorator) for decorator in node.decorator_list}
            if not ast.get_docstring(node) and not marks & {"typing.overload", "typing.override"}:
                yield node.lineno


def our_modules() -> list[Module]:
    """Every module under libs/ and services/ but the generated ones."""
    found = [
        Module(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
        for top in ("libs", "services")
        for path in sorted((ROOT / top).rglob("*.py"))
    ]
    return [module for module in found if not module.path.startswith(GENERATED)]


def broken(rule: Rule, because: str, *, allowed: tuple[str, ...] = ()) -> str:
    """What pytest shows: the reason, then each violation as ``path:line``; empty when the rule is kept."""
    places = [
        f"{module.path}:{line}"
        for module in our_modules()
        if not module.path.startswith(allowed)
        for line in sorted(set(rule(module)))
    ]
    return "\n".join([f"because {because}", *places]) if places else ""


def test_the_rules_are_read_over_both_trees() -> None:
    """Libraries and services are found, and generated code is not."""
    paths = [module.path for module in our_modules()]
    assert {path.split("/")[0] for path in paths} == {"libs", "services"}
    assert not [path for path in paths if "liangfa_protos" in path]
    for allowed in (*MAY_COMMIT, *MAY_READ_THE_CLOCK):
        assert any(path.startswith(allowed) for path in paths), f"an exception is made for {allowed}, which is gone"


def test_only_the_store_and_the_local_broker_commit() -> None:
    """No COMMIT statement and no call of ``.commit(`` stands elsewhere."""
    because = "a command is answered only after its train has committed; a second place to commit breaks that order"
    assert not (report := broken(commits, because, allowed=MAY_COMMIT)), report


def test_only_the_clock_module_reads_the_wall_clock() -> None:
    """Time reaches everything else as a value or through the clock that was passed in."""
    because = "a legal deadline must be computed the same way again in a test and in a replay"
    assert not (report := broken(clock_readings, because, allowed=MAY_READ_THE_CLOCK)), report


def test_only_the_settings_module_reads_the_environment() -> None:
    """Nothing else looks at environment variables."""
    because = "settings are built once in the composition root, so that nothing else depends on who started the process"
    assert not (report := broken(environment_readings, because, allowed=MAY_READ_THE_ENVIRONMENT)), report


def test_every_module_is_named_after_what_it_holds() -> None:
    """No module or package is called utils, helpers, common, base, manager, core, impl or misc."""
    because = "a name without content attracts code without a place"
    assert not (report := broken(nameless_modules, because)), report


def test_no_file_is_longer_than_five_hundred_lines() -> None:
    """A file can be read in one sitting."""
    because = "a longer file holds more than one subject, and a reviewer no longer reads it whole"
    assert not (report := broken(lines_too_many, because)), report


def test_no_function_is_longer_than_sixty_lines() -> None:
    """A function fits on a screen."""
    because = "ruff's own measures of size are off here, and a function past one screen hides its exits"
    assert not (report := broken(long_functions, because)), report


def test_every_public_class_and_function_has_a_docstring() -> None:
    """The contract stands where the name is defined."""
    because = "units, time zones, errors and the source of a legal rule are nowhere else to be read"
    assert not (report := broken(undocumented, because)), report


@pytest.mark.parametrize(
    ("rule", "path", "text", "lines"),
    [
        (
            commits,
            "a.py",
            '"""COMMIT, in prose."""\nc.commit()\nx("COMMIT")\nx("commit;")\nx("commit train")',
            [2, 3, 4],
        ),
        (clock_readings, "a.py", "from datetime import datetime as dt\nimport time\ndt.now(tz)\ntime.time()", [3, 4]),
        (clock_readings, "a.py", "import datetime\ndatetime.date.today()\ndatetime.datetime.utcnow()", [2, 3]),
        (clock_readings, "a.py", "import time\ntime.monotonic()\ntime.perf_counter()\nclock.now()", []),
        (environment_readings, "a.py", "import os as o\no.environ['A']\no.getenv('A')\no.fspath(p)", [2, 3]),
        (environment_readings, "a.py", "from os import environ", [1]),
        (nameless_modules, "libs/a/utils/b.py", "", [1]),
        (nameless_modules, "libs/a/baseline.py", "", []),
        (lines_too_many, "a.py", "\n" * 500, []),
        (lines_too_many, "a.py", "\n" * 501, [501]),
        (long_functions, "a.py", "def f():\n" + "    x\n" * 59, []),
        (long_functions, "a.py", "async def f():\n" + "    x\n" * 60, [1]),
        (undocumented, "a.py", "class A:\n    '''.'''\n    def b(self): ...\n    def _c(self): ...", [3]),
        (undocumented, "a.py", "def f():\n    '''.'''\n    def g(): ...\ndef h(): ...\nclass _I: ...", [4]),
    ],
)
def test_each_rule_finds_a_planted_violation(rule: Rule, path: str, text: str, lines: list[int]) -> None:
    """A rule reports exactly the lines that break it."""
    assert sorted(set(rule(Module(path, text)))) == lines
