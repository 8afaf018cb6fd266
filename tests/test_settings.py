"""Settings: which of flag, environment, repository, user and default wins, and what a repository may not say."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import LIBRARY, plant

from wayfind.config import SETTINGS, default_home, found, project_file, read_file, value_of
from wayfind.errors import UsageError


@pytest.fixture(autouse=True)
def own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's settings file of this test; none yet."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for setting in SETTINGS.values():
        if setting.name != "home":
            monkeypatch.delenv(setting.environment, raising=False)
    return tmp_path / "config" / "wayfind" / "config.toml"


@pytest.fixture
def repo(tmp_path: Path, library: Path) -> Path:
    return Path(shutil.copytree(library, tmp_path / "repo"))


def wayfind(*arguments: str, cwd: Path, env: dict | None = None) -> subprocess.CompletedProcess:
    line = [sys.executable, "-W", "error", "-m", "wayfind", *arguments]
    plain = {"WAYFIND_MODEL": "none", "WAYFIND_BACKGROUND_VECTORS": "off"}  # no process outlives its test
    return subprocess.run(line, capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd=cwd, env={**os.environ, **plain, **(env or {})}, check=False)


def results(*arguments: str, cwd: Path, env: dict | None = None) -> int:
    return len(json.loads(wayfind("search", "book reader title", *arguments, "--json", cwd=cwd, env=env).stdout)["results"])


def test_a_flag_beats_the_environment_beats_the_repository_beats_the_user_beats_the_default(repo: Path, own_settings: Path) -> None:
    assert results(cwd=repo) > 4
    plant(own_settings.parent, {"config.toml": "top-k = 4\n"})
    assert results(cwd=repo) == 4
    plant(repo, {".wayfind/config.toml": "top-k = 3\n"})
    assert results(cwd=repo) == 3
    assert results(cwd=repo, env={"WAYFIND_TOP_K": "2"}) == 2
    assert results("-k", "1", cwd=repo, env={"WAYFIND_TOP_K": "2"}) == 1
    assert results("-k", "10", cwd=repo) > 4  # also where the flag says what the default is


def test_each_origin_is_told(repo: Path, own_settings: Path) -> None:
    plant(own_settings.parent, {"config.toml": "commits = 7\n"})
    plant(repo, {".wayfind/config.toml": 'explain = "none"\n'})
    rows = dict(row.split(" = ") for row in wayfind("config", "--show-origin", cwd=repo, env={"WAYFIND_TOP_K": "3"}).stdout.splitlines())
    origins = {name: row[row.index("(") :] for name, row in rows.items()}
    assert origins["top-k"] == "(environment WAYFIND_TOP_K)" and origins["max-tokens"] == "(default)"
    assert origins["commits"] == f"({own_settings})" and origins["explain"] == f"({repo / '.wayfind' / 'config.toml'})"
    assert origins["home"] == "(environment WAYFIND_HOME)" and set(rows) == set(SETTINGS)


def test_the_settings_are_those_of_the_repository_that_is_asked(repo: Path, tmp_path: Path) -> None:
    plant(repo, {".wayfind/config.toml": "top-k = 2\n"})
    assert results(str(repo), cwd=tmp_path) == 2


@pytest.mark.parametrize(("setting", "argument"), [("top-k = 1", "related"), ('explain = "none"', "explain")])
def test_related_and_explain_have_them_too(setting: str, argument: str, repo: Path) -> None:
    plant(repo, {".wayfind/config.toml": setting + "\n"})
    answer = json.loads(wayfind(argument, "loans.py:25", ".", "--json", cwd=repo).stdout)
    assert len(answer["results"]) == 1 and (argument != "explain" or not answer["results"][0]["explanation"]["text"])


def test_eval_judges_as_many_results_as_ever(repo: Path) -> None:
    given = ("eval", ".", "--kinds", "docstring", "--systems", "random", "--json")
    plain = json.loads(wayfind(*given, cwd=repo).stdout)
    assert json.loads(wayfind(*given, cwd=repo, env={"WAYFIND_TOP_K": "1"}).stdout)["k"] == plain["k"] == 10


# Files


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("topk = 3\n", "no setting is called 'topk'; did you mean top-k?"),
        ("TOP_K = 3\n", "did you mean top-k?"),
        ("zzzzzz = 3\n", "there are top-k, "),
        ('top-k = "many"\n', "top-k = 'many': expected a whole number from 1 to 1,000"),
        ("top-k = true\n", "expected a whole number"),
        ("top-k = 0\n", "expected a whole number"),
        ('explain = "loud"\n', "expected source, generated, auto or none"),
        ("top-k = = 3\n", "config.toml"),
        ("[search]\ntop-k = 3\n", "no setting is called 'search'"),
        ("x" * 70_000, "70,000 bytes"),
    ],
)
@pytest.mark.parametrize("whose", ["user", "project"])
def test_what_cannot_be_is_an_error_that_names_the_file(content: str, said: str, whose: str, repo: Path, own_settings: Path) -> None:
    file = own_settings if whose == "user" else repo / ".wayfind" / "config.toml"
    plant(file.parent, {file.name: content})
    with pytest.raises(UsageError) as error:
        value_of("top-k", repo)
    assert said in str(error.value) and str(file) in str(error.value)


def test_a_variable_that_cannot_be_is_an_error_that_names_it(repo: Path) -> None:
    ran = wayfind("search", "book", cwd=repo, env={"WAYFIND_TOP_K": "many"})
    assert ran.returncode == 2 and "WAYFIND_TOP_K=many: expected a whole number" in ran.stderr


@pytest.mark.parametrize("line", ['home = "/elsewhere"', "jobs = 64", 'color = "always"', 'cache-limit = "1"'])
def test_a_repository_may_not_set_what_is_the_machines(line: str, repo: Path) -> None:
    plant(repo, {".wayfind/config.toml": line + "\n"})
    ran = wayfind("search", "book", cwd=repo)
    assert ran.returncode == 2 and "a repository may not set" in ran.stderr
    name = line.partition(" ")[0]
    assert wayfind("config", "set", name, "1", "--project", cwd=repo).returncode == 2
    assert wayfind("config", "unset", name, "--project", cwd=repo).returncode == 0
    assert wayfind("search", "book", cwd=repo).returncode == 0


def test_a_link_or_a_pipe_of_a_repository_is_not_read(repo: Path, tmp_path: Path) -> None:
    secret = plant(tmp_path, {"secret": "password = 1\n"}) / "secret"
    (repo / ".wayfind").mkdir()
    (repo / ".wayfind" / "config.toml").symlink_to(secret)
    assert project_file(repo) is None
    (repo / ".wayfind" / "config.toml").unlink()
    os.mkfifo(repo / ".wayfind" / "config.toml")
    assert project_file(repo) is None


def test_the_file_of_a_folder_above_the_repository_is_none_of_its_own(tmp_path: Path) -> None:
    plant(tmp_path, {".wayfind/config.toml": "top-k = 3\n", "repo/.git/HEAD": "", "repo/src/a.py": "", "plain/a.py": ""})
    assert project_file(tmp_path / "repo" / "src") is None and project_file(tmp_path / "plain") is None
    own = plant(tmp_path / "repo", {".wayfind/config.toml": ""}) / ".wayfind" / "config.toml"
    assert project_file(tmp_path / "repo" / "src") == own


def test_a_changed_file_is_read_again(own_settings: Path) -> None:
    for number in (3, 44):
        plant(own_settings.parent, {"config.toml": f"top-k = {number}\n"})
        assert found("top-k").value == number


# Those that the package reads itself


def test_the_folder_of_indexes_is_the_users_unless_the_environment_says_another(own_settings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(own_settings.parent, {"config.toml": f'home = "{tmp_path}/kept"\n'})
    assert default_home() == Path(os.environ["WAYFIND_HOME"])
    monkeypatch.delenv("WAYFIND_HOME")
    assert default_home() == tmp_path / "kept"
    own_settings.unlink()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert default_home() == tmp_path / "cache" / "wayfind"


def test_the_repository_says_how_many_commits_are_read(tmp_path: Path) -> None:
    root = plant(tmp_path / "repo", LIBRARY)
    git = ["git", "-C", str(root), "-c", "user.name=A", "-c", "user.email=a@example.org"]
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    for number in range(4):
        plant(root, {"loans.py": LIBRARY["loans.py"] + f"\n\ndef extra{number}():\n    pass\n"})
        subprocess.run([*git, "add", "."], check=True)
        subprocess.run([*git, "commit", "-q", "-m", f"change {number}"], check=True)
    plant(root, {".wayfind/config.toml": "commits = 2\n"})
    assert wayfind("index", cwd=root).returncode == 0
    assert json.loads(wayfind("status", "--json", cwd=root).stdout)["commits"] == 2


# config get, set, unset


def test_set_and_unset_keep_comments_and_order(own_settings: Path, repo: Path) -> None:
    plant(own_settings.parent, {"config.toml": '# mine\ncolor = "never"  # why\n\ntop-k = 3\n'})
    assert wayfind("config", "set", "top-k", "4", cwd=repo).returncode == 0
    assert wayfind("config", "set", "explain", "none", cwd=repo).returncode == 0
    assert own_settings.read_text() == '# mine\ncolor = "never"  # why\n\ntop-k = 4\nexplain = "none"\n'
    assert wayfind("config", "get", "top-k", cwd=repo).stdout == "4\n"
    assert wayfind("config", "unset", "top-k", cwd=repo).returncode == 0
    assert wayfind("config", "unset", "top-k", cwd=repo).returncode == 1
    assert own_settings.read_text() == '# mine\ncolor = "never"  # why\n\nexplain = "none"\n'


def test_set_in_the_project_writes_into_the_repository(repo: Path) -> None:
    (repo / ".git").mkdir()
    assert wayfind("config", "set", "top-k", "2", "--project", cwd=repo / "docs").returncode == 0
    assert (repo / ".wayfind" / "config.toml").read_text() == "top-k = 2\n" and results(cwd=repo) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("get",), "name a setting"),
        (("set", "top-k"), "write: wayfind config set NAME VALUE"),
        (("get", "top-k", "3"), "write: wayfind config get NAME"),
        (("get", "topk"), "did you mean top-k?"),
        (("set", "top-k", "many"), "top-k = many: expected a whole number"),
    ],
)
def test_config_says_what_to_write(arguments: tuple[str, ...], said: str, repo: Path, own_settings: Path) -> None:
    ran = wayfind("config", *arguments, cwd=repo)
    assert ran.returncode == 2 and said in ran.stderr and not own_settings.exists()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can become somebody else")
def test_settings_in_a_folder_that_one_may_not_enter_are_none(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    (closed / "wayfind").mkdir(parents=True)
    (closed / "wayfind" / "config.toml").write_text('explain = "source"\n')
    closed.chmod(0o700)
    os.seteuid(65534)
    try:
        assert read_file(closed / "wayfind" / "config.toml", in_project=False) == {}
    finally:
        os.seteuid(0)
    assert read_file(closed / "wayfind" / "config.toml", in_project=False) == {"explain": "source"}
