"""A chunk's own facts in, one English sentence about it out: what its name, signature, calls and members say, no more.

Every identifier of a sentence stands in the chunk (its text, symbol, signature, calls or imports), or is a word of one
that does. Where the facts say nothing, the sentence is empty.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from wayfind.corpus.actions import FUNCTION, TEST, calls, capital
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
    found = re.search(
        r"\b(defmodule|struct|trait|protocol|instance|interface|object|module|record|union|mixin|impl|extension|typeclass|namespace|enum)\b",
        facts.chunk.signature,
    )
    if found and facts.chunk.kind in ("class", "type"):
        named = {"impl": "Implementation of", "defmodule": "Module"}.get(found.group(1), capital(found.group(1)))
    derived, declared = listed(bases(facts), 3), listed(members(facts), 6)
    tail = (f" based on {derived}" if derived else "") + (f"; declares {declared}" if declared else "")
    return f"{named} {facts.name}{tail}."


def enum(facts: Facts) -> str:
    """`Enumeration Color: red, green and blue.`"""
    lines = facts.text[:8_000].split("\n")[1:] or [facts.text.partition("{")[2]]
    names = [
        found.group(1)
        for line in lines
        for found in re.finditer(r"(?:^\s*(?:case\s+)?|,\s*)([A-Za-z_]\w*)\s*(?=[=,(}:]|$)", line.split("//")[0])
    ]
    listed_names = listed([name for name in names if name not in NOT_MEMBERS], 6)
    return f"Enumeration {facts.name}: {listed_names}." if facts.name and listed_names else class_head(facts)


def constant(facts: Facts) -> str:
    """`Constant MAX_SIZE = 10.`"""
    if not facts.name:
        return block(facts)
    value = re.search(rf"\b{re.escape(facts.name)}\b[^=\n]*?(?::=|=)\s*(.+)", facts.text)
    shown = value.group(1).strip().rstrip(",;") if value else ""
    if shown and len(shown) <= 60 and shown[-1] not in "([{\\":
        return f"Constant {facts.name} = {shown}."
    keys = re.findall(
        r"^\s*[\"']?([A-Za-z_][\w.-]*)[\"']?\s*(?::(?!:)|=>|,\s*$|=(?!=))",
        "\n".join(facts.text.split("\n")[1:]),
        re.MULTILINE,
    )
    strings = re.findall(r"[\"'](\w[\w .-]{0,28}\w)[\"']", facts.text)
    held = listed(keys, 6) or listed(strings, 6)
    return f"Constant {facts.name}" + (f": {held}." if held else f"{calls(facts)}.")


def type_alias(facts: Facts) -> str:
    """`Type UserId stands for int.`"""
    if not facts.name:
        return ""
    name = re.escape(facts.name)
    value = re.search(rf"\b{name}\b\s*(?:<.*>|\[.*\])?\s*(?::\s*[\w.]+\s*)?=\s*([^;\n{{]+)", facts.text)
    alias = re.search(rf"\btypedef\s+(.+?)\s*\**\b{name}\s*;", facts.text)
    means = (value or alias).group(1).strip() if value or alias else ""
    if means and len(means) <= 80 and "{" not in means:
        return f"Type {facts.name} stands for {means.rstrip(' ,|(')}."
    return class_head(facts)


def module(facts: Facts) -> str:
    """`Module head: imports re and sys.`"""
    names = [re.sub(r"^.*[.\\](?=\w+[.\\]\w+$)", "", re.sub(r"[\"';]", "", name)) for name in facts.chunk.imports]
    names = [name for name in dict.fromkeys(names) if name]
    if names:
        return f"Module head: imports {listed(names, 8)}."
    package = re.search(
        r"^\s*(?:package|namespace|module|defmodule|library|unit)\s+([\w.:\\/]+)", facts.text, re.MULTILINE
    )
    if package:
        return f"Module head of {package.group(1)}."
    return block(facts)


_ASSIGNED = re.compile(
    r"^\s*(?:(?:export|const|let|var|local|my|our|static|final|public|private|val|def|set|declare|readonly|#define|unsigned|extern)\s+)*(?:[\w<>.*&]+\s+)??([$@%]?[A-Za-z_][\w.]*)\s*(?::\s*[^=\n]{1,60})?(?::=|\?=|\+=|=(?![=>]))",
    re.MULTILINE,
)


def block(facts: Facts) -> str:
    """`Top-level code: sets VERSION; calls run.`"""
    if re.search(r"__name__\s*==\s*['\"]__main__['\"]", facts.text):
        return f"Runs when executed as a script{calls(facts)}."
    assigned = listed(list(dict.fromkeys(_ASSIGNED.findall(facts.text[:8_000]))), 5)
    exported = re.findall(
        r"^\s*(?:export\s+(?:\*|\{[^}]*\}|default\s+\w+)|module\.exports|pub use|__all__)", facts.text, re.MULTILINE
    )
    defined = listed(re.findall(r"^\s*#\s*define\s+(\w+)", facts.text, re.MULTILINE), 5)
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
        if exported and not said
        else f"Part of {facts.chunk.symbol}"
        if facts.chunk.symbol
        else "Top-level code"
    )
    if heads := re.match(
        r"(?:unsafe\s+)?impl\b(?:<[^{]*?>)?\s+(?:(.+?)\s+for\s+)?([^{]+?)(?:\s+where\b.*)?\s*\{?$",
        facts.chunk.signature,
    ):
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
        r"\s*(?:@\w+[^\n]*\s+)*(?:public |private |fileprivate )?extension\s+([\w.]+)(?:\s*:\s*([\w., ]+))?", facts.text
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
    comments = [line for line in text.split("\n") if line.strip()]
    is_remark = all(
        re.match(r"\s*(?:#(?!\s*(?:define|if|el|end|pragma|include))|//|--|/?\*|;|%|\{-)", line) for line in comments
    )
    remark = " ".join(words for line in comments if (words := re.sub(r"^(?:\W*MARK:)?[^\w]+|[^\w.)]+$", "", line)))
    return f"Heading comment: {remark[:120]}." if is_remark and re.search(r"[^\W\d_]{3}", remark) else ""


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
    """`Text that begins: Frequently asked questions.` or `Table of 9 columns that begins: v0.4.2, 2011-08-26, src.`"""
    rows = [re.split(r"\t|\s*[,;|]\s*|\s{2,}", line.strip()) for line in facts.text.split("\n")[:50] if line.strip()]
    columns = len(rows[len(rows) // 2]) if rows else 0
    if columns > 2 and len(rows) > 4 and sum(len(row) == columns for row in rows) > 0.8 * len(rows):
        return f"Table of {columns} columns that begins: {', '.join(cell for cell in rows[0] if cell)[:120]}."
    if held := _first_words(facts.text):
        return f"Text that begins: {held}"
    short = [cells[0] for cells in rows if len(cells) == 1 and len(cells[0]) <= 40]
    return f"List of lines such as {listed(short[:3])}." if len(short) > 4 and len(short) > 0.8 * len(rows) else ""


def _first_words(text: str) -> str:
    """The first line that says something, as it stands."""
    lines = (" ".join(re.sub(r"^[\s#/*;%<!=-]+|[\s*=#{;-]+$", "", line).split()) for line in text[:8_000].split("\n"))
    return next((line[:120] for line in lines if len(re.findall(r"[^\W\d_]{3,}", line)) > 1), "")


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
