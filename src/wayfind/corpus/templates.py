"""A chunk's own facts in, one English sentence about it out: what its name, signature, calls and members say, no more.

Every identifier of a sentence stands in the chunk (its text, symbol, signature, calls or imports), or is a word of one
that does. Where the facts say nothing, the sentence is empty.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from wayfind.corpus.actions import FUNCTION, TEST, calls, capital
from wayfind.corpus.comments import without_keywords
from wayfind.corpus.english import listed
from wayfind.corpus.facts import NOT_MEMBERS, Facts, bases, members
from wayfind.types import Chunk


def sentence(chunk: Chunk, text: str, language: str) -> str:
    """One sentence, or nothing.

    >>> sentence(Chunk(1, 2, "method", "Router.__init__", "def __init__(self, routes, prefix='')"), "", "python")
    'Creates a Router from routes and prefix.'
    """
    facts = Facts(chunk, text, language)
    for template in TEMPLATES.get(chunk.kind, ()):
        if said := template(facts):
            return said
    return ""


# Heads and values ------------------------------------------------------------------------------------------------


def class_head(facts: Facts) -> str:
    """`Class Router extends Base; declares routes and prefix.`"""
    if not facts.name:
        return ""
    named = {"class": "Class", "interface": "Interface", "type": "Type"}.get(facts.chunk.kind, "Class")
    found = _HEAD_WORD.search(facts.chunk.signature)
    if found and facts.chunk.kind in ("class", "type"):
        named = {"impl": "Implementation of", "defmodule": "Module"}.get(found.group(1), capital(found.group(1)))
    derived, declared = listed(bases(facts), 3), listed(members(facts), 6)
    tail = (f" based on {derived}" if derived else "") + (f"; declares {declared}" if declared else "")
    return f"{named} {facts.name}{tail}."


_HEAD_WORD = re.compile(
    r"\b(defmodule|struct|trait|protocol|instance|interface|object|module|record|union|mixin|impl|extension|typeclass|namespace|enum)\b"
)


def enum(facts: Facts) -> str:
    """`Enumeration Color: red, green and blue.`"""
    names = _enumerated(facts)
    listed_names = listed([name for name in names if name not in NOT_MEMBERS], 6)
    return f"Enumeration {facts.name}: {listed_names}." if facts.name and listed_names else class_head(facts)


def _enumerated(facts: Facts) -> list[str]:
    """The names that an enumeration lists, without what stands in brackets behind them."""
    text = _PREPROCESSED.sub(" ", _without_strings(_LIFETIME.sub(" ", facts.text) if facts.language == "rust" else facts.text))
    before, _, behind = text.partition(facts.name)
    listing = before if "typedef" in before and "{" in before else behind  # C's name may stand below its members
    body = _outermost(listing.partition("{")[2] or listing.partition("\n")[2])
    listings = [found.group(1) for found in _CASES.finditer(body)] or [body.partition(";")[0]]
    members = (_ENUMERATED.match(one) for listing in listings for one in listing.split(","))
    return [found.group(1) for found in members if found]


def _outermost(text: str) -> str:
    """The text without what stands in brackets, up to a bracket that was opened before it."""
    kept, depth = [], 0
    for piece in _BRACKETS.split(text):
        depth += (piece in ("(", "[", "{")) - (piece in (")", "]", "}"))
        if depth < 0:
            break
        kept.append(" " if depth or piece in (")", "]", "}") else piece)
    return "".join(kept)


_ENUMERATED = re.compile(r"(?:[\s#]|@[\w.]+)*([A-Za-z_]\w*)\s*(?:[=:]|extends\b|$)")
_CASES = re.compile(r"\bcase\s+([^;\n]*(?:,\s*\n[^;\n]*)*)")
_BRACKETS = re.compile(r"([()\[\]{}])")
_PREPROCESSED = re.compile(r"^[ \t]*#[ \t]*(?:if|el|end|define|undef|include|pragma|region).*", re.MULTILINE)
_LIFETIME = re.compile(r"'[a-z_]\w*\b(?!')")


def constant(facts: Facts) -> str:
    """`Constant MAX_SIZE = 10.`"""
    if not facts.name:
        return block(facts)
    value = _after_name(facts, _VALUE)
    shown = value.group(1).strip().rstrip(",;") if value else ""
    if shown and len(shown) <= 60 and shown[-1] not in "([{\\":
        return f"Constant {facts.name} = {shown}."
    held = listed(_KEYS.findall(facts.text.partition("\n")[2]), 6) or listed(_STRINGS.findall(facts.text), 6)
    return f"Constant {facts.name}" + (f": {held}." if held else f"{calls(facts)}.")


_VALUE = re.compile(r"\b[^=\n]*?(?::=|=)\s*(.+)")
_KEYS = re.compile(r"^\s*[\"']?([A-Za-z_][\w.-]*)[\"']?\s*(?::(?!:)|=>|,\s*$|=(?!=))", re.MULTILINE)
_STRINGS = re.compile(r"[\"'](\w[\w .-]{0,28}\w)[\"']")
_EDGE = re.compile(r"\b")


def _after_name(facts: Facts, pattern: re.Pattern[str]) -> re.Match[str] | None:
    """The first match of a pattern directly behind the name, where the name begins as a word. A pattern with the name in
    it would be compiled anew for every chunk and drive others out of re's cache."""
    at = facts.text.find(facts.name)
    while at >= 0:
        if _EDGE.match(facts.text, at) and (found := pattern.match(facts.text, at + len(facts.name))):
            return found
        at = facts.text.find(facts.name, at + 1)
    return None


def type_alias(facts: Facts) -> str:
    """`Type UserId stands for int.`"""
    if not facts.name:
        return ""
    alias = None
    if "typedef" in facts.text:
        alias = re.search(rf"\btypedef\s+(.+?)\s*\**\b{re.escape(facts.name)}\s*;", facts.text)
    found = _after_name(facts, _ALIASED) or alias
    text = found.group(1) if found else ""
    means = _aliased(text.partition("\n")[0] if facts.language in _BY_LINE else text)
    return f"Type {facts.name} stands for {means}." if means else class_head(facts)


_ALIASED = re.compile(r"\b\s*(?:<.*>|\[.*\])?\s*(?::\s*[\w.]+\s*)?=(?!=)\s*([\s\S]+)")
_BY_LINE = frozenset({"go", "haskell"})
"""Languages in which something else may stand below: the end of a group of types, what is derived."""
_REMARKS = re.compile(r"(?:^|(?<=\s))(?://|--).*|/\*[\s\S]*?\*/", re.MULTILINE)
_BRACES = re.compile(r"(?<!\$)\{[^{}]*\}")
_SPACED = re.compile(r",? (?=[)>\]])|(?<=[(<\[]) ")
_LONGEST_VALUE = 80


def _aliased(text: str) -> str:
    """The value of an alias at the beginning of a text, on one line: its braces left out, of many alternatives the first;
    none where that says nothing or its end is not known."""
    value = _REMARKS.sub(" ", text)
    while (shorter := _BRACES.sub("…", value)) != value:
        value = shorter
    value = _SPACED.sub("", " ".join(value.partition(";")[0].split())).lstrip("| ").rstrip(" ,")
    if len(value) > _LONGEST_VALUE:
        value = value[:_LONGEST_VALUE].rpartition(" | ")[0] + " | …"
    plain = value.replace("=>", "").replace("->", "")
    whole = all(plain.count(opened) == plain.count(closed) for opened, closed in ("<>", "[]", "()"))
    return value if whole and "{" not in value and re.search(r"\w", value) else ""


def module(facts: Facts) -> str:
    """`Module head: imports re and sys.`"""
    names = [_IMPORT_PATH.sub("", _QUOTES.sub("", name)) for name in facts.chunk.imports]
    names = [name for name in dict.fromkeys(names) if name]
    if names:
        return f"Module head: imports {listed(names, 8)}."
    package = re.search(
        r"^\s*(?:package|namespace|module|defmodule|library|unit)\s+([\w.:\\/]+)", facts.text, re.MULTILINE
    )
    if package:
        return f"Module head of {package.group(1)}."
    return block(facts)


_IMPORT_PATH = re.compile(r"^.*[.\\](?=\w+[.\\]\w+$)")
_QUOTES = re.compile(r"[\"';]")
_SCRIPT = re.compile(r"__name__\s*==\s*['\"]__main__['\"]")
_EXPORT = re.compile(
    r"^\s*(?:export\s+(?:\*|\{[^}]*\}|default\s+\w+)|module\.exports|pub use|__all__)", re.MULTILINE
)
_DEFINE = re.compile(r"^\s*#\s*define\s+(\w+)", re.MULTILINE)
_IMPL = re.compile(r"(?:unsafe\s+)?impl\b(?:<[^{]*?>)?\s+(?:(.+?)\s+for\s+)?([^{]+?)(?:\s+where\b.*)?\s*\{?$")
_ASSIGNED = re.compile(
    r"^\s*(?:(?:export|const|let|var|local|my|our|static|final|public|private|val|def|set|declare|readonly|#define|unsigned|extern)\s+)*(?:[\w<>.*&]+\s+)??([$@%]?[A-Za-z_][\w.]*)\s*(?::\s*[^=\n]{1,60})?(?::=|\?=|\+=|=(?![=>]))",
    re.MULTILINE,
)


def block(facts: Facts) -> str:
    """`Top-level code: sets VERSION; calls run.`"""
    if "__main__" in facts.text and _SCRIPT.search(facts.text):
        return f"Runs when executed as a script{calls(facts)}."
    assigned = listed(list(dict.fromkeys(_ASSIGNED.findall(facts.text[:8_000]))), 5)
    defined = listed(_DEFINE.findall(facts.text), 5) if "define" in facts.text else ""
    imports = listed(list(facts.chunk.imports), 6)
    said = [
        f"sets {assigned}" if assigned else "",
        f"calls {listed(facts.calls)}" if facts.calls else "",
        f"defines {defined}" if defined and not assigned else "",
        f"imports {imports}" if imports else "",
    ]
    said = [one for one in said if one]
    lead = (
        "Exports"
        if not said and _EXPORT.search(facts.text)
        else f"Part of {facts.chunk.symbol}"
        if facts.chunk.symbol
        else "Top-level code"
    )
    if heads := _IMPL.match(facts.chunk.signature):
        trait, target = heads.groups()
        return f"Implementation of {trait} for {target}." if trait else f"Implementation of {target}."
    if said:
        return f"{lead}: {'; '.join(said)}."
    if shebang := re.match(r"#!\s*(?:\S*/env\s+)?(?:\S*/)?(\w+)", facts.text):
        return f"Script for {shebang.group(1)}."
    if returned := re.search(r"^return\s+([\w.]+)\s*$", facts.text, re.MULTILINE):
        return f"Top-level code: returns {returned.group(1)}."
    if opened := re.match(r"\s*(?:inline\s+)?namespace\s+([\w:.]+)\s*\{?\s*$", facts.text.split("\n")[0]):
        return f"Opens the namespace {opened.group(1)}."
    if closed := re.match(r"\s*\}\s*//\s*(?:end\s+)?(?:of\s+)?namespace\s+([\w:]+)", facts.text):
        return f"Closes the namespace {closed.group(1)}."
    return _remark(facts.text) or _declared(facts, lead)


def _declared(facts: Facts, lead: str) -> str:
    """`Part of Router: declares prefix.`, or the names that occur where nothing is declared."""
    if found := re.match(
        r"\s*(?:@\w+(?:\([^()\n]*(?:\([^()\n]*\)[^()\n]*)*\))?\s+)*(?:public |private |fileprivate )?extension\s+([\w.]+)(?:\s*:\s*([\w., ]+))?", facts.text
    ):
        derived = listed(re.findall(r"[\w.]+", found.group(2) or ""))
        return f"Extension of {found.group(1)}" + (f" based on {derived}." if derived else ".")
    if names := members(facts, whole=True):
        return f"{lead}: declares {listed(names, 6)}."
    names = [name for name in re.findall(r"\b[^\W\d]\w{2,}", _without_strings(facts.text)) if name not in _KEYWORDS]
    return f"{lead}: mentions {listed(names, 6)}." if names else ""


def _without_strings(text: str) -> str:
    return re.sub(r"\"[^\"\n]*\"|'[^'\n]*'|//[^\n]*|/\*[\s\S]*?\*/", " ", text[:8_000])


_KEYWORDS = frozenset(
    """
    abstract async await begin bool boolean break case catch char class const constexpr continue def default defer
    define delete do done double echo elif else elsif end endif enum esac except export extends extern false final
    finally float fn for friend from func function global goto if ifdef ifndef impl implements import in include
    inline instance int interface internal is lambda let local long loop match module mut namespace new nil none not
    null object of open operator or override package pass pragma private protected protocol pub public raise
    readonly require rescue return self short signed static std string struct super switch template then this throw
    throws trait true try type typedef typename undef union unless unsigned until use using val var virtual void
    volatile when where while with yield available
    """.split()
)
"""Words of the languages themselves, which say nothing about a block."""


def _remark(text: str) -> str:
    """`Heading comment: Joins.` for a block of comments alone."""
    comments = [line for line in without_keywords(text).split("\n") if line.strip()]
    if not all(map(_COMMENTED.match, comments)):
        return ""
    remark = " ".join(words for line in comments if (words := _COMMENT_SIGNS.sub("", line)))
    return f"Heading comment: {remark[:120]}." if re.search(r"[^\W\d_]{3}", remark) else ""


_COMMENTED = re.compile(r"\s*(?:#(?!\s*(?:define|if|el|end|pragma|include))|//|--|/?\*|;|%|\{-)")
_COMMENT_SIGNS = re.compile(r"^(?:\W*MARK:)?[^\w]+|[^\w.)]+$")


# Documents -------------------------------------------------------------------------------------------------------------


def configuration(facts: Facts) -> str:
    """`Configuration of tool.ruff: line-length and select.`"""
    keys, symbol = facts.chunk.signature, facts.chunk.symbol or ""
    lead = f"Configuration of {symbol}" if symbol else "Configuration"
    if re.search(r"\[\d+\]$", symbol):
        lead = f"Items of {symbol.rpartition('[')[0] or 'a list'}"
    if keys:
        return f"{lead}: {listed(keys.split(', '), 8)}."
    held = re.findall(
        r"[^\s\[\]{}\"',:=][^\n\[\]{}\"',=]*", facts.text.partition(symbol.rpartition(".")[2] or "\0")[2] or facts.text
    )
    held = [one for one in held if not one.startswith("#")]
    shown = ", ".join(one.strip() for one in held[:8] if one.strip())
    return f"{lead}: {shown[:120]}." if shown else f"{lead}." if symbol else ""


def window(facts: Facts) -> str:
    """`Table of 9 columns that begins: v0.4.2, 2011-08-26, src.`; nothing of other text, which only its own words tell."""
    lines = [bare for line in facts.text.split("\n", 50)[:50] if (bare := line.strip())]
    columns = len(_CELLS.split(lines[len(lines) // 2])) if len(lines) > 4 else 0
    if columns > 2:
        rows = list(map(_CELLS.split, lines))
        if sum(len(row) == columns for row in rows) > 0.8 * len(rows):
            return f"Table of {columns} columns that begins: {', '.join(cell for cell in rows[0] if cell)[:120]}."
    if first_words(facts.text):
        return ""
    rows = list(map(_CELLS.split, lines))
    short = [cells[0] for cells in rows if len(cells) == 1 and len(cells[0]) <= 40]
    return f"List of lines such as {listed(short[:3])}." if len(short) > 4 and len(short) > 0.8 * len(rows) else ""


_CELLS = re.compile(r"\t|\s*[,;|]\s*|\s{2,}")


def first_words(text: str) -> str:
    """The first line with two words or more, as it stands, without the signs around it."""
    lines = (" ".join(_EDGES.sub("", line).split()) for line in text[:8_000].split("\n"))
    return next((line[:120] for line in lines if len(_LONG_WORDS.findall(line)) > 1), "")


_EDGES = re.compile(r"^[\s#/*;%<!=-]+|[\s*=#{;-]+$")
_LONG_WORDS = re.compile(r"[^\W\d_]{3,}")


TEMPLATES: dict[str, Sequence[Callable[[Facts], str]]] = {
    "function": FUNCTION,
    "method": FUNCTION,
    "test": TEST,
    "class": (class_head,),
    "interface": (class_head,),
    "enum": (enum,),
    "type": (type_alias,),
    "constant": (constant,),
    "module": (module,),
    "block": (block,),
    "entry": (configuration,),
    "window": (window,),
    "section": (window,),
}
