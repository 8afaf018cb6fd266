"""Who imports whom, and what importing costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import wayfind

PACKAGE = Path(wayfind.__file__).parent
ORDER = ["types", "errors", "files", "config", "corpus", "model", "index", "search", "api", "evaluate", "train", "serve"]
"""A room may import from those before it (evaluate and serve through `wayfind` itself, which is api)."""


def room(module: str) -> str:
    return module.split(".")[1] if module.count(".") else "api"


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module and node.module.split(".")[0] == "wayfind":
            names = [f"{node.module}.{alias.name}" for alias in node.names] if node.module == "wayfind" else [node.module]
            found |= set(names)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.split(".")[0] == "wayfind"}
    return found


def test_imports_go_one_way():
    wrong = []
    for path in sorted(PACKAGE.rglob("*.py")):
        own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if own in ("__init__", "__main__"):
            continue
        for module in imports(path):
            named = room(module)
            if named in ORDER and ORDER.index(named) > ORDER.index(own) and named != "__version__":
                wrong.append(f"{path.relative_to(PACKAGE)} imports {module}")
    assert not wrong


def test_no_module_reads_pickles_and_only_serving_opens_sockets_and_only_training_loads_torch():
    forbidden = {"pickle", "marshal", "shelve", "socket", "urllib.request", "http.client", "requests", "torch"}
    allowed = {"train": {"torch"}, "serve": {"socket"}}
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).parts[0]
        for node in ast.walk(ast.parse(path.read_text())):
            names = {alias.name for alias in node.names} if isinstance(node, ast.Import) else {node.module} if isinstance(node, ast.ImportFrom) else set()
            assert not names & (forbidden - allowed.get(room, set())), path


def test_importing_wayfind_loads_neither_numpy_nor_a_grammar():
    code = "import sys, wayfind; print([m for m in ('numpy', 'tree_sitter', 'sqlite3', 'torch', 'click') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_the_main_job_works_with_sockets_blocked(tmp_path):
    (tmp_path / "repo").mkdir()
    (tmp_path / "repo" / "a.py").write_text("def open_door(key):\n    return key.turn()\n")
    code = (
        "import socket, sys\n"
        "def refuse(*a, **k): raise AssertionError('network used')\n"
        "socket.socket = refuse; socket.create_connection = refuse; socket.getaddrinfo = refuse\n"
        "import wayfind\n"
        "print(wayfind.open(sys.argv[1], home=sys.argv[2]).search('open the door').results[0].symbol)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "repo", tmp_path / "home"], capture_output=True, text=True)
    assert done.stdout.strip() == "open_door", done.stderr
