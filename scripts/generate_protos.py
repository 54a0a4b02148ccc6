"""Generate libs/liangfa_protos from protos/; with --check, lint, guard against breaking changes and compare.

Generated code is committed: readable, greppable, and no toolchain is needed to run the tests.
"""

from __future__ import annotations

import filecmp
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "protos"
TARGET = ROOT / "libs" / "liangfa_protos"
BIN = Path(sys.executable).parent


def generate(into: Path) -> None:
    """Write the generated package `liangfa_protos` into the folder `into`."""
    files = sorted(str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.proto"))
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{SOURCE}", f"--python_out={into}"]
    command += [f"--grpc_python_out={into}", f"--mypy_out=quiet:{into}", f"--mypy_grpc_out=quiet:{into}", *files]
    subprocess.run(command, check=True, cwd=ROOT, env={"PATH": f"{BIN}:/usr/bin:/bin"})
    package = into / "liangfa_protos"
    for folder in [package, *(path for path in package.rglob("*") if path.is_dir())]:
        (folder / "__init__.py").write_text('"""Generated from protos/: do not edit."""\n')
    (package / "py.typed").touch()


def differences(made: Path, kept: Path) -> list[str]:
    """Return the files that differ between two trees."""
    names = {p.relative_to(made) for p in made.rglob("*") if p.is_file()}
    names |= {p.relative_to(kept) for p in kept.rglob("*") if p.is_file() and "__pycache__" not in p.parts}

    def same(name: Path) -> bool:
        mine, theirs = made / name, kept / name
        return mine.exists() and theirs.exists() and filecmp.cmp(mine, theirs, shallow=False)

    return sorted(str(name) for name in names if not same(name))


def published() -> str | None:
    """Return the commit whose protos must not be broken: main on the server, else the last commit here."""
    for reference in ("origin/main", "HEAD"):
        name = ["git", "rev-parse", "--verify", "--quiet", f"{reference}:protos"]
        if subprocess.run(name, cwd=ROOT, capture_output=True, check=False).returncode == 0:
            return reference
    return None


def check() -> int:
    """Lint the protos, compare them with the published ones, and compare the generated code with a fresh one."""
    commands = [["lint"], ["format", "--diff", "--exit-code"]]
    base = published()
    if base is not None:
        commands.append(["breaking", "--against", f".git#ref={base}"])
    for arguments in commands:
        if subprocess.run([str(BIN / "buf"), *arguments], cwd=ROOT, check=False).returncode:
            return 1
    with tempfile.TemporaryDirectory() as name:
        generate(Path(name))
        stale = differences(Path(name) / "liangfa_protos", TARGET)
    if stale:
        print("Generated code is not up to date; run `make protos`:", *stale, sep="\n  ")
    return bool(stale) or describe("--check")


def describe(*arguments: str) -> int:
    """Write (or check) the document of the events, which is made from the generated code."""
    return subprocess.run(
        [sys.executable, "scripts/generate_asyncapi.py", *arguments], cwd=ROOT, check=False
    ).returncode


def main() -> int:
    """Run as a script."""
    if "--check" in sys.argv:
        return check()
    with tempfile.TemporaryDirectory() as name:
        generate(Path(name))
        shutil.rmtree(TARGET, ignore_errors=True)
        shutil.copytree(Path(name) / "liangfa_protos", TARGET)
    return describe()


if __name__ == "__main__":
    sys.exit(main())
