"""What a data set is made of: a YAML file in, frozen records out. An unknown key is an error that names the nearest key.

Paths in the file are relative to it. What it does not say has the defaults given here.
"""

from __future__ import annotations

import re
import types
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from wayfind.corpus.languages import LANGUAGES, canonical
from wayfind.errors import NotFound, UsageError
from wayfind.train.augment import Augment
from wayfind.train.pairs import KINDS
from wayfind.train.sources.repository import Limits

_Record = TypeVar("_Record")
EXPONENT = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)[eE][-+]?\d+")
"""A number to YAML 1.2, and a text to the parser, which reads YAML 1.1: 1e-3, 2.0e5."""
LANGUAGE_NAMES = tuple(language.name for language in LANGUAGES)


@dataclass(frozen=True, slots=True)
class Repositories:
    """Trees of code: a list in a file, or folders and git addresses."""

    repositories: str | list[str]
    """A YAML file of mappings (name, address, language, licence, commit, part), or folders and addresses."""
    part: str = ""
    """Of a file's repositories only those of this part."""
    folders: str = ""
    """Where clones named `owner+name` lie; what is not there is cloned into it if it has an address, else reported."""
    licence: str = ""
    weight: float = 1.0
    weights: dict[str, float] = field(default_factory=dict)
    """Repository -> weight in place of `weight`."""


@dataclass(frozen=True, slots=True)
class CodeSearchNet:
    """CodeSearchNet: a folder with its published files, or a name on the hub. Its test part is never read for training."""

    codesearchnet: str
    languages: list[str] = field(default_factory=lambda: ["go", "java", "javascript", "php", "python", "ruby"])
    cap: int = 0
    """Pairs a language at most, 0 for all."""
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class TheStack:
    """The Stack (deduplicated): a folder of parquet or JSON lines, or a name on the hub, which is streamed."""

    the_stack: str
    languages: list[str] = field(default_factory=lambda: ["python", "javascript", "typescript", "java", "go", "rust"])
    cap: int = 50_000
    """Pairs a language at most."""
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class JsonLines:
    """Pairs of one's own: one a line, `query` and `code` at least."""

    jsonl: str
    origin: str = ""
    """For lines without one, which are then one project; empty: each of them has a part of its own, and the file's name is noted."""
    licence: str = ""
    weight: float = 1.0


SOURCES = {"repositories": Repositories, "codesearchnet": CodeSearchNet, "the_stack": TheStack, "jsonl": JsonLines}
Source = Repositories | CodeSearchNet | TheStack | JsonLines


@dataclass(frozen=True, slots=True)
class Split:
    """Shares of all projects that are held out."""

    valid: float = 0.02
    test: float = 0.02


@dataclass(frozen=True, slots=True)
class Duplicates:
    """When two codes count as the same, and what no pair may be like."""

    threshold: float = 0.8
    """Jaccard similarity of their token runs."""
    keep_out: list[str] = field(default_factory=list)
    """Folders (patterns with * too; repositories without a tree as well) and files of JSON lines with `code`."""
    keep_out_threshold: float = 0.7


@dataclass(frozen=True, slots=True)
class Recipe:
    """A configuration of `wayfind data build`."""

    name: str
    sources: list[Source]
    seed: int = 0
    kinds: list[str] = field(default_factory=lambda: [kind for kind in KINDS if kind != "pair"])
    limits: Limits = field(default_factory=Limits)
    split: Split = field(default_factory=Split)
    duplicates: Duplicates = field(default_factory=Duplicates)
    exclude: str = ""
    """File with the projects that nothing may come from."""
    augment: Augment = field(default_factory=Augment)
    language_weights: dict[str, float] = field(default_factory=dict)
    """Language -> factor of the weight of its pairs."""
    shard_pairs: int = 20_000

    def as_mapping(self) -> dict[str, Any]:
        """The recipe with every default written out."""
        return asdict(self)


def read_recipe(path: Path) -> Recipe:
    """The recipe of a file. Raises NotFound, UsageError."""
    values = yaml_of(path)
    if not isinstance(values, dict):
        raise UsageError(f"{path}: expected a mapping with `name` and a list of `sources`")
    check_keys(Recipe, values, str(path))
    if not isinstance(values.get("sources"), list) or not values["sources"]:
        raise UsageError(f"{path}: expected `name` and a list of `sources`, at least one of {', '.join(SOURCES)}")
    sources = [_source(one, f"{path}: sources[{number}]") for number, one in enumerate(values["sources"])]
    recipe = record(Recipe, {**values, "sources": sources}, str(path))
    _checked(recipe, path)
    return recipe


def yaml_of(path: Path, what: str = "configuration") -> Any:
    """What a YAML file says. Raises NotFound, UsageError where it is no text or no YAML, or a mapping has a key twice."""
    import yaml

    class Loader(yaml.SafeLoader):
        def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
            node, seen = super().compose_mapping_node(anchor), set()
            for key, _ in node.value:
                if (named := (key.tag, str(key.value))) in seen and key.value != "<<":
                    raise yaml.composer.ComposerError(None, None, f"the key `{key.value}` is there twice, of which the last alone would act", key.start_mark)
                seen.add(named)
            return node

    if not path.is_file():
        raise NotFound(f"{path}: no such {what}")
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader)
    except (ValueError, RecursionError, yaml.YAMLError) as problem:  # a date that is none is a ValueError
        raise UsageError(f"{path}: not YAML: {' '.join(str(problem).split())}") from None


def place(given: str, recipe: Path) -> Path:
    """A path of a recipe: relative to the folder in which the recipe lies."""
    return (recipe.parent / Path(given).expanduser()).resolve()


def with_places(recipe: Recipe, folders: str | None, keep_out: list[str]) -> Recipe:
    """The recipe with what differs from machine to machine: where the clones lie, and what else is to be kept out."""
    sources = [replace(one, folders=folders) if folders and isinstance(one, Repositories) else one for one in recipe.sources]
    kept = [*recipe.duplicates.keep_out, *keep_out]
    return replace(recipe, sources=sources, duplicates=replace(recipe.duplicates, keep_out=kept))


def record(kind: type[_Record], values: Any, where: str) -> _Record:
    """The record of given values. Raises UsageError on an unknown key (with the nearest), a missing one or a wrong type."""
    if not isinstance(values, dict):
        raise UsageError(f"{where}: expected a mapping, found {type(values).__name__}")
    check_keys(kind, values, where)
    known, hints = {one.name: one for one in fields(kind)}, get_type_hints(kind)
    for name, one in known.items():
        if name not in values and one.default is MISSING and one.default_factory is MISSING:
            raise UsageError(f"{where}: `{name}` is missing")
    return kind(**{key: _value(hints[key], value, f"{where}: {key}") for key, value in values.items()})


def check_keys(kind: type, values: Mapping[str, Any], where: str) -> None:
    """Raise UsageError on a key that the record has not, with the nearest one."""
    known = [one.name for one in fields(kind)]
    for key in values:
        if key not in known:
            near = get_close_matches(str(key), known, 1)
            raise UsageError(f"{where}: unknown key `{key}`" + (f"; did you mean `{near[0]}`?" if near else f"; known are {', '.join(known)}"))


def check_languages(names: Iterable[str], where: str, also: Iterable[str] = ()) -> None:
    """Raise UsageError on a name that no language has, with the nearest one. also: names that pairs have beside the known ones."""
    known = sorted({*LANGUAGE_NAMES, *also})
    for name in names:
        if name not in known:
            near = canonical(name) or next(iter(get_close_matches(name, known, 1)), None)
            raise UsageError(f"{where}: no language is called `{name}`" + (f"; did you mean `{near}`?" if near else "; their names: wayfind languages"))


def _source(values: Any, where: str) -> Source:
    if not isinstance(values, dict):
        raise UsageError(f"{where}: expected a mapping, found {type(values).__name__}")
    found = [name for name in SOURCES if name in values]
    if len(found) != 1:
        near = next((match for key in values for match in get_close_matches(str(key), SOURCES, 1)), None)
        hint = f"; did you mean `{near}`?" if near and not found else ""
        raise UsageError(f"{where}: expected exactly one of {', '.join(SOURCES)}, found {', '.join(found) or 'none'}{hint}")
    return record(SOURCES[found[0]], values, where)


def _value(hint: Any, value: Any, where: str) -> Any:
    if is_dataclass(hint):
        return value if isinstance(value, hint) else record(hint, value, where)
    if get_origin(hint) is tuple and isinstance(value, list):
        return tuple(_value(get_args(hint)[0], one, f"{where}[{number}]") for number, one in enumerate(value))
    if get_origin(hint) is types.UnionType:
        allowed = tuple(get_origin(one) or one for one in get_args(hint))
    else:
        allowed = (get_origin(hint) or hint,)
    if allowed == (float,) and not isinstance(value, bool) and (isinstance(value, int) or (isinstance(value, str) and EXPONENT.fullmatch(value))):
        return float(value)
    if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
        raise UsageError(f"{where} must be {' or '.join(one.__name__ for one in allowed)}, found {value!r}")
    if allowed == (dict,):
        return {str(key): _value(get_args(hint)[1], one, f"{where}.{key}") for key, one in value.items()}
    return [_value(_item(hint), one, f"{where}[{number}]") for number, one in enumerate(value)] if isinstance(value, list) else value


def _item(hint: Any) -> Any:
    """The type of the items of a list, which may be one of several types allowed."""
    return get_args(next(one for one in (hint, *get_args(hint)) if get_origin(one) is list))[0]


def _checked(recipe: Recipe, path: Path) -> None:
    if not recipe.name.strip():
        raise UsageError(f"{path}: `name` is empty")
    if not recipe.kinds:
        raise UsageError(f"{path}: `kinds` is empty; name some of {', '.join(kind for kind in KINDS if kind != 'pair')}, or leave it out for all")
    for kind in recipe.kinds:
        if kind not in KINDS or kind == "pair":
            near = get_close_matches(str(kind), KINDS, 1)
            raise UsageError(f"{path}: unknown kind `{kind}`" + (f"; did you mean `{near[0]}`?" if near else ""))
    shares = {f"split.{k}": v for k, v in asdict(recipe.split).items()} | {f"augment.{k}": v for k, v in asdict(recipe.augment).items()}
    for name, share in {**shares, "split.valid + split.test": recipe.split.valid + recipe.split.test}.items():
        if not 0 <= share <= 1:
            raise UsageError(f"{path}: {name} is a share from 0 to 1, found {share}")
    for name, threshold in (("threshold", recipe.duplicates.threshold), ("keep_out_threshold", recipe.duplicates.keep_out_threshold)):
        if not 0 < threshold <= 1:
            raise UsageError(f"{path}: duplicates.{name} is a similarity above 0 and up to 1, found {threshold}")
    for number, one in enumerate(recipe.sources):
        if isinstance(one, Repositories) and (not one.repositories or "" in one.repositories and isinstance(one.repositories, list)):
            raise UsageError(f"{path}: sources[{number}].repositories names nothing; give a list file, folders or addresses")
        if isinstance(one, Repositories) and one.part and not isinstance(one.repositories, str):
            raise UsageError(f"{path}: sources[{number}].part would act on nothing: folders and addresses are of no part, a file's repositories are")
    if recipe.shard_pairs < 1:
        raise UsageError(f"{path}: shard_pairs must be 1 or more")
    _check_amounts(recipe, path)


def _check_amounts(recipe: Recipe, path: Path) -> None:
    """Limits, caps and weights; the weight of a language that is none would act on nothing."""
    amounts = {f"limits.{name}": value for name, value in asdict(recipe.limits).items()}
    for number, one in enumerate(recipe.sources):
        said = {"weight": one.weight, "cap": getattr(one, "cap", 0)} | {f"weights.{name}": weight for name, weight in getattr(one, "weights", {}).items()}
        amounts |= {f"sources[{number}].{name}": amount for name, amount in said.items()}
    amounts |= {f"language_weights.{name}": weight for name, weight in recipe.language_weights.items()}
    if recipe.limits.total == 0:
        raise UsageError(f"{path}: limits.total of 0 would leave no pair of any repository; raise it")
    for name, amount in amounts.items():
        if not 0 <= amount < float("inf"):
            raise UsageError(f"{path}: {name} must be a number that is 0 or more, found {amount}")
    check_languages(recipe.language_weights, f"{path}: language_weights")
