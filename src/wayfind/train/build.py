"""From a recipe to a folder of shards: TRAIN|VALID|TEST/pairs-NNNNN.jsonl.gz and manifest.json.

The sources are read by tasks; then a single pass over what they left decides each project's part, drops near-duplicates
(what is held out is looked at first, so that it is training that loses a copy), and deals the pairs into shards by the hash
of their content. The same recipe and inputs give the same bytes, whatever the number of processes.
"""

from __future__ import annotations

import glob
import json
import platform
import shutil
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from difflib import get_close_matches
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any

from wayfind import __version__
from wayfind.errors import NotFound, UsageError
from wayfind.evaluate.scratch import GitError, git
from wayfind.model.text import TEXT_VERSION
from wayfind.train.augment import augmented
from wayfind.train.duplicates import KeptOut, Seen, body, code_only, definition_of, library, longest, signature
from wayfind.train.exclude import Excluded, read_excluded
from wayfind.train.pairs import MANIFEST, PARTS, Pair, Part, from_line, manifest_of, text_lines, to_line, write_shard
from wayfind.train.recipe import CodeSearchNet, JsonLines, Recipe, Repositories, TheStack, place, yaml_of
from wayfind.train.sources.codesearchnet import held_out_languages
from wayfind.train.sources.repository import Repository
from wayfind.train.split import part_of, project, settled, with_owner
from wayfind.train.tasks import Done, Task, run_tasks
from wayfind.types import Progress


BUCKETS = ".buckets"
"""Folder in the output with the pairs that are kept, until they lie in shards."""
MOST_REASONS = 8
LISTED = dict.fromkeys(("name", "address", "language", "licence", "commit", "part"), str) | {"leave_out": list, "packages": list}
"""Keys of a repository in a list, and their types. `packages` is what a distribution calls it (`training/packages.py`)."""


@dataclass(frozen=True, slots=True)
class Built:
    """What a build made."""

    folder: Path
    manifest: dict[str, Any]


def build(recipe: Recipe, at: Path, output: Path, *, spill: Path | None = None, processes: int = 1, progress: Progress = lambda stage, done, of: None) -> Built:
    """Make the shards of a recipe, whose paths are relative to the file `at`, in the folder `output`.

    `spill` keeps what was read of each source for the next build; without it, it is deleted at the end.
    Raises NotFound, UsageError, StorageError.
    """
    library()
    started = time.monotonic()
    _check_own(output)
    output.mkdir(parents=True, exist_ok=True)
    excluded = read_excluded(place(recipe.exclude, at) if recipe.exclude else None)
    tasks, missing = tasks_of(recipe, at, excluded)
    kept = spill or output / ".spill"
    done: list[Done] = []
    asked = [*kept_out_tasks(recipe, at), *tasks]  # what cannot be kept out is said before hours of reading
    for ended in run_tasks(asked, recipe, kept, processes):
        done.append(replace(ended, problem=ended.problem.replace(f"{at.parent.resolve()}/", "")))  # the manifest names no place of this machine
        if ended.task.kept_out and ended.problem:
            raise UsageError(f"{ended.task.name}: {ended.problem}; what cannot be read cannot be kept out")
        if isinstance(ended.task.source, Repository) and ended.task.kept_out and not ended.pairs:
            raise UsageError(f"{ended.task.source.folder}: to be kept out, and no definition in it: name the folder with its code, or do not name it")
        progress("reading", len(done), len(asked))
    done.sort(key=lambda one: (one.task.name, one.task.language))
    parts = _parts([one for one in done if not one.task.kept_out], recipe)
    dealer = Dealer(recipe, parts, excluded)
    with Buckets(output / BUCKETS, recipe, sum(one.pairs for one in done)) as buckets:
        for pair in dealer.kept(done, _kept_out_texts(recipe, at), progress):
            buckets.put(pair)
    if not buckets:
        raise UsageError(f"{at}: gives no pair{_reasons(missing, done, dealer)}")
    manifest = _manifest(recipe, done, missing, dealer, buckets, output, progress)
    if spill is None:
        shutil.rmtree(kept)
    return Built(output, manifest | {"seconds": round(time.monotonic() - started, 1)})


def _check_own(output: Path) -> None:
    """Raise UsageError where a folder is no build's: what is in it would be lost."""
    if not output.exists() or not any(output.iterdir()):
        return
    if (output / MANIFEST).exists():
        try:
            manifest_of(output)
        except UsageError:
            raise UsageError(f"{output}: its {MANIFEST} is none of pairs, or damaged, so it is not replaced; name a new folder, or delete this one") from None
    elif not any((output / own).exists() for own in (".spill", BUCKETS)):
        raise UsageError(f"{output}: is not empty and holds no {MANIFEST}; name a new folder")


def tasks_of(recipe: Recipe, at: Path, excluded: Excluded) -> tuple[list[Task], dict[str, str]]:
    """The tasks of a recipe, and repositories that give none, each with the reason."""
    tasks: list[Task] = []
    missing: dict[str, str] = {}
    for source in recipe.sources:
        if isinstance(source, Repositories):
            for one in repositories(source, at):
                if excluded.holds_origin(one.name):
                    missing[one.name] = "excluded"
                elif not one.folder.is_dir() and not one.address:
                    missing[one.name] = f"no folder {one.folder.name}"
                else:
                    tasks.append(Task(one, one.name))
        elif isinstance(source, JsonLines):
            tasks.append(Task(replace(source, jsonl=str(place(source.jsonl, at))), source.origin or Path(source.jsonl).name))
        else:
            tasks += _of_languages(source, at)
    tasks = told_apart(tasks)
    names = Counter((task.name, task.language) for task in tasks)
    if twice := next((name for (name, _), times in names.items() if times > 1), None):
        raise UsageError(f"{at}: {twice} is named by two sources; a weight counts more, a copy does not")
    fetched = []
    for task in tasks:
        problem = _fetched(task.source)
        if problem:
            missing[task.name] = problem
        else:
            fetched.append(task)
    return fetched, missing


def told_apart(tasks: Sequence[Task]) -> list[Task]:
    """The tasks, of which folders and files that are called the same have so much of their paths for a name that they differ. What is
    named twice keeps its name."""
    named: defaultdict[str, set[Path]] = defaultdict(set)
    for task in tasks:
        if place := _own_place(task):
            named[task.name].add(place)
    return [_renamed(task, _shortest(place, named[task.name])) if (place := _own_place(task)) and len(named[task.name]) > 1 else task for task in tasks]


def _own_place(task: Task) -> Path | None:
    """The folder or file that a task is called after; None for what has a name of its own."""
    if isinstance(task.source, JsonLines):
        return Path(task.source.jsonl)
    return task.source.folder if isinstance(task.source, Repository) and task.name == task.source.folder.name else None


def _shortest(place: Path, among: Iterable[Path]) -> str:
    """The end of a path that no other one has."""
    others = [other.parts for other in among if other != place]
    size = next(size for size in range(2, len(place.parts) + 1) if all(place.parts[-size:] != other[-size:] for other in others))
    return "/".join(place.parts[-size:])


def _renamed(task: Task, name: str) -> Task:
    return replace(task, name=name, source=replace(task.source, name=name) if isinstance(task.source, Repository) else task.source)


def _of_languages(source: CodeSearchNet | TheStack, at: Path) -> Iterator[Task]:
    key = "codesearchnet" if isinstance(source, CodeSearchNet) else "the_stack"
    folder = place(getattr(source, key), at)
    found = replace(source, **{key: str(folder)}) if folder.is_dir() else source
    yield from (Task(found, key, language) for language in source.languages)


def repositories(source: Repositories, at: Path) -> list[Repository]:
    """The repositories of a source, of its part, by name. Raises UsageError where a part or a weight is of none."""
    folders = place(source.folders, at) if source.folders else at.parent
    if isinstance(source.repositories, str):
        listed = _list_of(place(source.repositories, at))
        found = [_listed(one, folders, source, at) for one in listed if not source.part or one.get("part") == source.part]
        if not found:
            raise UsageError(f"{source.repositories}: no repository of part {source.part}; there is {', '.join(sorted({str(one.get('part')) for one in listed})) or 'none'}")
        names = [str(one["name"]) for one in listed]
    else:
        found = [_named(one, folders, source, at) for one in source.repositories]
        names = [one.name for one in found]
    for name in source.weights:
        if name not in names:
            near = get_close_matches(name, names, 1)
            raise UsageError(f"{at}: weights: no repository of the source is called `{name}`" + (f"; did you mean `{near[0]}`?" if near else ""))
    return sorted(found, key=lambda one: one.name)


def _list_of(path: Path) -> list[dict[str, Any]]:
    values = yaml_of(path, "list of repositories")
    values = values.get("repositories") if isinstance(values, dict) else values
    if not isinstance(values, list) or not all(isinstance(one, dict) and one.get("name") for one in values):
        raise UsageError(f"{path}: expected a list of mappings with `name`, and {', '.join(f'`{key}`' for key in LISTED if key != 'name')} where known")
    for number, one in enumerate(values):
        _check_listed(one, f"{path}: {one['name'] if isinstance(one['name'], str) else number}")
    return values


def _check_listed(one: dict[Any, Any], where: str) -> None:
    """Raise UsageError on a key of a repository that a list has not, or a value of another type: it would act on nothing."""
    for key, value in one.items():
        if key not in LISTED:
            near = get_close_matches(str(key), LISTED, 1)
            raise UsageError(f"{where}: unknown key `{key}`" + (f"; did you mean `{near[0]}`?" if near else f"; known are {', '.join(LISTED)}"))
        if value is not None and not isinstance(value, LISTED[key]):
            raise UsageError(f"{where}: {key} must be {'a text; put it in quotes' if LISTED[key] is str else 'a list of paths'}, found {value!r}")


def _listed(one: dict[str, Any], folders: Path, source: Repositories, at: Path) -> Repository:
    name = str(one["name"])
    weight = source.weights.get(name, source.weight)
    licence = str(one.get("licence") or source.licence)
    known = {key: str(one.get(key) or "") for key in ("language", "commit", "address")}
    return Repository(name, folders / name.replace("/", "+"), licence, weight=weight, leave_out=tuple(map(str, one.get("leave_out") or ())), **known)


def _named(given: str, folders: Path, source: Repositories, at: Path) -> Repository:
    """A repository that is given by its folder or its address."""
    is_address = "://" in given or given.startswith("git@")
    if is_address:
        *_, owner, last = ["", *given.rstrip("/").removesuffix(".git").replace(":", "/").split("/")]
        name = named if (named := with_owner(last)) != last else f"{owner}/{last}".lstrip("/")
    else:
        name = with_owner(place(given, at).name)
    folder = folders / name.replace("/", "+") if is_address else place(given, at)
    return Repository(name, folder, source.licence, weight=source.weights.get(name, source.weight), address=given if is_address else "")


def _fetched(source: Any) -> str:
    """Clone a repository that has an address and is not there. Returns why that failed, if it did."""
    if not isinstance(source, Repository) or source.folder.is_dir():
        return ""
    source.folder.parent.mkdir(parents=True, exist_ok=True)
    partial = source.folder.with_name(f"{source.folder.name}.partial")  # what a build that was killed left is no clone
    shutil.rmtree(partial, ignore_errors=True)
    try:
        git(partial.parent, "clone", "--quiet", source.address, str(partial))
        if source.commit:
            git(partial, "checkout", "--quiet", source.commit)
    except GitError as problem:
        shutil.rmtree(partial, ignore_errors=True)
        return f"not to be had: {problem}"
    partial.rename(source.folder)
    return ""


def _kept_out_places(recipe: Recipe, at: Path) -> list[Path]:
    """What is to be kept out, patterns resolved, by name. Raises NotFound where a place is not there."""
    found: list[Path] = []
    for given in recipe.duplicates.keep_out:
        pattern = str(place(given, at))
        here = sorted(map(Path, glob.glob(pattern))) if glob.has_magic(pattern) else [Path(pattern)]
        if not here or not here[0].exists():
            raise NotFound(f"{given}: to be kept out of the data, and not there")
        found += here
    return sorted(set(found))


def kept_out_tasks(recipe: Recipe, at: Path) -> list[Task]:
    """What reads the code that no pair may be like: folders, and the test rows of CodeSearchNet where its published files are there."""
    folders = [Task(Repository(path.name, path), f"kept-out {path.name}", kept_out=True) for path in _kept_out_places(recipe, at) if path.is_dir()]
    published = {place(source.codesearchnet, at) for source in recipe.sources if isinstance(source, CodeSearchNet)}
    rows = [Task(CodeSearchNet(str(folder)), "codesearchnet test", language, kept_out=True) for folder in sorted(published) for language in held_out_languages(folder)]
    return folders + rows


def _kept_out_texts(recipe: Recipe, at: Path) -> Iterator[str]:
    """The codes of the files of JSON lines, packed by gzip or plain, that are kept out."""
    for path in _kept_out_places(recipe, at):
        if path.is_file():
            number = 0
            for number, line in text_lines(path):
                try:
                    yield str(json.loads(line)["code"])
                except (ValueError, KeyError, TypeError, RecursionError):
                    raise UsageError(f"{path}:{number}: to be kept out; expected an object with `code`") from None
            if not number:
                raise UsageError(f"{path}: to be kept out, and without a line; write or fetch the file again")


def _parts(done: Iterable[Done], recipe: Recipe) -> dict[str, Part]:
    """Project -> its part: by the hash of its name, or as a source published it where that holds it out further."""
    given = [(origin, part) for one in done for origin, part in one.origins.items() if origin]
    drawn = [(origin, part_of(origin, recipe.split.valid, recipe.split.test, recipe.seed)) for origin, _ in given]
    return settled([*given, *drawn])


class Dealer:
    """Decides which pairs stay. Counts what is dropped, and what stays by kind, language and origin."""

    def __init__(self, recipe: Recipe, parts: dict[str, Part], excluded: Excluded):
        self.recipe, self.parts, self.excluded = recipe, parts, excluded
        self.dropped: Counter[str] = Counter()
        self.by_origin: dict[str, dict[str, Any]] = {}
        self.licences: Counter[str] = Counter()
        """Licence -> pairs under it."""
        self.gave: Counter[tuple[str, str]] = Counter()
        """Name and language of a task -> pairs of it that stay."""

    def kept(self, done: Sequence[Done], texts: Iterable[str], progress: Progress) -> Iterator[Pair]:
        """The pairs that stay, each in its part: test first, then valid, then train."""
        kept_out, codes = KeptOut(self.recipe.duplicates.keep_out_threshold), (pair.code for one in done if one.task.kept_out for pair in one.read())
        for text in chain(texts, codes):
            kept_out.add(code_only(text))
        seen = Seen(self.recipe.duplicates.threshold)
        for part in reversed(PARTS):
            for number, one in enumerate(done):
                if not one.task.kept_out and any(not origin or self.parts[project(origin)] == part for origin in one.origins):
                    yield from self._of(one, part, kept_out, seen)
                progress(f"comparing ({part})", number + 1, len(done))

    def _of(self, one: Done, part: Part, kept_out: KeptOut, seen: Seen) -> Iterator[Pair]:
        groups: defaultdict[tuple[str, ...], list[Pair]] = defaultdict(list)
        for pair in one.read():
            if part == (self.parts[project(pair.origin)] if pair.origin else pair.part):
                placed = replace(pair, part=part, origin=pair.origin or _name_of(one.task))
                groups[definition_of(placed)].append(placed)
        fresh = []
        for key in sorted(groups):
            pairs = groups[key]
            if reason := self._problem(pairs, kept_out, seen, fresh):
                self.dropped[reason] += len(pairs)
                continue
            yield from pairs
            self._count(one, pairs)
        for made in fresh:
            seen.add(made)

    def _problem(self, pairs: Sequence[Pair], kept_out: KeptOut, seen: Seen, fresh: list) -> str | None:
        if self.excluded.holds_origin(pairs[0].origin) or self.excluded.holds_path(pairs[0].path):
            return "from an excluded project"
        text = code_only(longest(map(body, pairs)))
        made = signature(text)
        if kept_out.holds(text, made, within=pairs[0].kind == "comment"):
            return "near-duplicate of what is kept out"
        if seen.holds(made):
            return "near-duplicate"
        if pairs[0].kind == "comment":  # blocks of one function lie within each other and within the function
            fresh.append(made)
        else:
            seen.add(made)
        return None

    def _count(self, one: Done, pairs: Sequence[Pair]) -> None:
        self.gave[one.task.name, one.task.language] += len(pairs)
        for pair in pairs:
            self.licences[pair.licence or "unknown"] += 1
            entry = self.by_origin.setdefault(pair.origin, {"pairs": 0, "licence": pair.licence, "source": _source_of(one.task), "part": pair.part})
            entry["pairs"] += 1
            for name, value in (("part", pair.part), ("licence", pair.licence)):
                if entry[name] != value:
                    entry[name] = "several"  # lines of no origin, each with its own part; files under licences of their own


def _name_of(task: Task) -> str:
    """The origin that is written where a pair has none."""
    folder, slash, last = task.name.rpartition("/")
    return folder + slash + last.partition(".")[0] if isinstance(task.source, JsonLines) else task.name


def _source_of(task: Task) -> str:
    return task.source.address or "folder" if isinstance(task.source, Repository) else task.name


class Buckets:
    """Deals pairs into shards by the hash of their content, on disk, so that no more than one shard is in memory."""

    def __init__(self, folder: Path, recipe: Recipe, pairs: int):
        self.folder, self.recipe = folder, recipe
        self.counts = {part: max(1, -(-int(pairs * share) // recipe.shard_pairs)) for part, share in _shares(recipe).items()}
        self._files: dict[tuple[Part, int], Any] = {}
        self._open = ExitStack()

    def __enter__(self) -> Buckets:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def put(self, pair: Pair) -> None:
        number = int(pair.id[:8], 16) % self.counts[pair.part]
        key = (pair.part, number)
        if key not in self._files:
            self._files[key] = self._open.enter_context(open(self.folder / f"{pair.part}-{number:05d}", "w", encoding="utf-8", errors="replace"))
        self._files[key].write(to_line(pair) + "\n")

    def __len__(self) -> int:
        return len(self._files)

    def shards(self) -> Iterator[tuple[Part, list[Pair]]]:
        """The pairs of each shard in the order of their hashes, each once; training pairs augmented."""
        for part, number in sorted(self._files, key=lambda key: (PARTS.index(key[0]), key[1])):
            lines = (self.folder / f"{part}-{number:05d}").read_text(encoding="utf-8").split("\n")[:-1]
            pairs = {pair.id: pair for pair in map(from_line, lines)}
            ordered = [pairs[key] for key in sorted(pairs)]
            yield part, [augmented(pair, self.recipe.augment, self.recipe.seed) for pair in ordered] if part == "train" else ordered


def _shares(recipe: Recipe) -> dict[Part, float]:
    return {"train": 1.0, "valid": recipe.split.valid, "test": recipe.split.test}


def _manifest(recipe: Recipe, done: Sequence[Done], missing: dict[str, str], dealer: Dealer, buckets: Buckets, output: Path, progress: Progress) -> dict[str, Any]:
    """Write the shards, then the manifest that names them. Returns the manifest."""
    counts: defaultdict[str, dict[str, Counter[str]]] = defaultdict(lambda: {"kind": Counter(), "language": Counter()})
    listed: dict[str, dict[str, Any]] = {}
    (output / MANIFEST).unlink(missing_ok=True)  # so that a folder that is half replaced is none
    for shard in [shard for part in PARTS for shard in (output / part).glob("pairs-*.jsonl.gz")]:
        shard.unlink()
    numbers: Counter[str] = Counter()
    for part, pairs in buckets.shards():
        name = f"{part}/pairs-{numbers[part]:05d}.jsonl.gz"
        numbers[part] += 1
        listed[name] = {"pairs": len(pairs), "sha256": write_shard(output / name, map(to_line, pairs))}
        for pair in pairs:
            counts[part]["kind"][pair.kind] += 1
            counts[part]["language"][pair.language] += 1
        progress("writing", len(listed), sum(buckets.counts.values()))
    dropped = _dropped(done, dealer)
    configuration = _placeless(recipe.as_mapping())
    manifest = {
        "name": recipe.name,
        "configuration": configuration,
        "configuration_sha256": sha256(json.dumps(configuration, sort_keys=True).encode()).hexdigest(),
        "versions": {"wayfind": __version__, "text": TEXT_VERSION, "python": platform.python_version(), "rensa": _version("rensa")},
        "pairs": {part: sum(shard["pairs"] for name, shard in listed.items() if name.startswith(f"{part}/")) for part in PARTS},
        "kinds": {part: dict(counts[part]["kind"].most_common()) for part in counts},
        "languages": {part: dict(counts[part]["language"].most_common()) for part in counts},
        "dropped": dict(sorted(dropped.items())),
        "licences": dict(dealer.licences.most_common()),
        "commits": {one.task.name: one.commit for one in done if one.commit and not one.task.kept_out},
        "other_commits": {one.task.name: one.task.source.commit for one in done if isinstance(one.task.source, Repository) and one.task.source.commit not in ("", one.commit)},
        "missing": _missing(missing, done),
        "empty": _empty(done, dealer),
        "kept_out": {one.task.source.name if isinstance(one.task.source, Repository) else f"{one.task.name} {one.task.language}": one.pairs for one in done if one.task.kept_out},
        "origins": dict(sorted(dealer.by_origin.items())),
        "shards": listed,
    }
    (output / MANIFEST).write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    shutil.rmtree(buckets.folder)
    return manifest


def _placeless(value: Any) -> Any:
    """A configuration without the places of one machine: of an absolute path its last part, nothing of where clones lie."""
    if isinstance(value, dict):
        return {key: "" if key == "folders" and Path(inner).is_absolute() else _placeless(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_placeless(inner) for inner in value]
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value


def _missing(missing: dict[str, str], done: Iterable[Done]) -> dict[str, str]:
    """Source, or language of one -> why it gave nothing."""
    return missing | {f"{one.task.name} {one.task.language}".rstrip(): one.problem for one in done if one.problem}


def _empty(done: Iterable[Done], dealer: Dealer) -> dict[str, str]:
    """Source, or language of one, that was read and gave no pair that stays -> why, as far as it is known."""
    return {f"{one.task.name} {one.task.language}".rstrip(): _why_empty(one) for one in done if not (one.task.kept_out or one.problem or dealer.gave[one.task.name, one.task.language])}


def _why_empty(one: Done) -> str:
    if one.pairs:
        return f"all of its {one.pairs} pairs were left out; see dropped"
    if one.dropped:
        return "left out: " + ", ".join(f"{reason} {count}" for reason, count in one.dropped.most_common(MOST_REASONS))
    if isinstance(one.task.source, Repository) and (one.task.source.folder / "objects").is_dir():
        return "a repository without a work tree; clone it, or name it by its address (file://…)"
    return "there is no code in it that a question could be made of" if isinstance(one.task.source, Repository) else "there is no pair in it"


def _dropped(done: Iterable[Done], dealer: Dealer) -> Counter[str]:
    found = Counter(dealer.dropped)
    for one in done:
        found.update(one.dropped)
    return found


def _reasons(missing: dict[str, str], done: Sequence[Done], dealer: Dealer) -> str:
    """What a build without a pair met, for its error."""
    told = [f"{name}: {why}" for name, why in (_missing(missing, done) | _empty(done, dealer)).items()]
    told += [f"{count} left out as {reason}" for reason, count in _dropped(done, dealer).most_common()]
    return "; " + "; ".join(told[:MOST_REASONS])


def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return ""
