"""The text of a C, C++, Objective-C or Kotlin file as its grammar can read it: what the grammar does not know is replaced by as
many bytes on the same lines, so every node keeps its place. The original text is what chunks, names and comments are taken from.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_SPACES = bytes(byte if byte == ord("\n") else ord(" ") for byte in range(256))

# What stands in brackets, with bounds: a pattern without one is quadratic on minified lines.
_STRING = rb'"(?:[^"\\\n]|\\[\s\S]){0,1000}"'
_GROUP = rb'\((?:[^()"]|' + _STRING + rb"){0,1000}\)"
_GROUP = rb'\((?:[^()"]|' + _STRING + rb"|" + _GROUP + rb"){0,1000}\)"
_GROUP = rb'\((?:[^()"]|' + _STRING + rb"|" + _GROUP + rb"){0,1000}\)"
_ANGLES = rb"<[^<>;{}]{0,100}>"
_ANGLES = rb"<(?:[^<>;{}]|" + _ANGLES + rb"){0,100}>"
_ANGLES = rb"<(?:[^<>;{}]|" + _ANGLES + rb"){0,200}>"


def rewritten(code: bytes, language: str) -> bytes:
    """The bytes to parse in place of `code`: as long, with the same lines."""
    if language in ("c", "cpp", "objc"):
        return _without_macros(_plain_tests(code) if _has(code, b"TEST_CASE", b"SCENARIO", b"TEST_SUITE") else code)
    return _plain_classes(code) if language == "kotlin" else code


def _has(code: bytes, *words: bytes) -> bool:
    """Whether one of the words stands in the text: far less work than a search for a pattern that begins with any letter."""
    return any(word in code for word in words)


def _spaces(text: bytes) -> bytes:
    return text.translate(_SPACES)


def _spaced(found: re.Match[bytes]) -> bytes:
    """What was found as spaces, but for a first group that stays."""
    kept = found[1] if found.re.groups else b""
    return kept + _spaces(found[0][len(kept) :])


# C: macros that stand where the grammar allows none. Each is read as spaces: of 853 C++ files (abseil) 283 have syntax errors
# so, 696 otherwise; functions and methods found are 11,015 instead of 5,982, test cases 4,144 instead of 2,447.

_MACRO = rb"[A-Z][A-Z0-9]*_[A-Z0-9_]+\b"
_ARGUMENTS = rb"(?:[ \t]*\((?:[^()\n;{}]|\([^()\n;{}]*\))*\))?"
_ALONE = re.compile(
    # Before anything but a body, and not in a macro: FMT_BEGIN_NAMESPACE.
    rb"(?<!\\\n)^[ \t]*" + _MACRO + _ARGUMENTS + rb"(?=[ \t]*$)(?!\s*[{:(])", re.MULTILINE,
)  # fmt: skip
_BEFORE_CLASS = re.compile(rb"(\b(?:class|struct) )(?:" + _MACRO + _ARGUMENTS + rb"\s+)+(?=[A-Za-z_])")
# void lock() EXCLUSIVE_LOCK(); but no test below a comment that ends with a bracket.
_AFTER_PARAMETERS = re.compile(
    rb"(\)(?:\sconst)?|override|noexcept)(?:\s+(?![A-Z_]*(?:TEST|SCENARIO|BENCHMARK))" + _MACRO + _ARGUMENTS + rb")+(?=\s*[;{])"
)
_AFTER_PARAMETER = re.compile(rb"\b[A-Z_]*(?:ATTRIBUTE|LIFETIME|UNUSED)_?[A-Z_]*\b(?=\s*[,)])")
_NULLABLE = re.compile(rb"\b\w+_(?:nonnull|nullable|nullability_unknown)\b")

# Before a type and a name, so that the macro is not the type itself: API_INLINE std::vector<int> Session::ids(. A word without
# underscores may be one too (JNIEXPORT): where it is a type, the word behind it is none but a macro (DWORD WINAPI run().
_SPECIFIERS = (
    rb"(?:(?:const|constexpr|consteval|static|inline|virtual|explicit|friend|extern|mutable|volatile|typename|unsigned|signed|long"
    rb"|short|struct|class|enum|union|typedef)\s+)*"
)
_TYPE = rb"(?!(?:const|volatile)\b)(?:::)?\w+(?:" + _ANGLES + rb")?(?:::\w+(?:" + _ANGLES + rb")?)*"
_GAP = rb"(?:\s+const\b)?(?:(?:\s*[*&])+(?:\s*const\b)?\s*|\s+)"
_NAME = rb"(?:\w+(?:" + _ANGLES + rb")?::)*(?:operator\s*(?:\(\)|\[\]|[^\s\w(]{1,3}|\w[\w:]*)|~?\w+)"
_DECLARED = (
    rb"(?:" + _SPECIFIERS + _TYPE + _GAP + _NAME + rb"\s?[(;={\[]"
    # A constructor or a destructor has no type.
    rb"|(?P<own>\w+)(?:" + _ANGLES + rb")?::~?(?P=own)\s?\(|~\w+\s?\(|(?:\w+::)+operator\s+\w"
    rb"|\w+\((?:[^(){};]|\([^(){};]*\)){0,300}\)(?:\s*noexcept)?\s*:(?!:))"
)
_ANY_MACRO = rb"\b[A-Z][A-Z0-9_]{2,}\b"
_BEFORE_TYPE = re.compile(rb"(?:" + _ANY_MACRO + _ARGUMENTS + rb"[ \t]+){1,4}(?=" + _DECLARED + rb")")
_MAY_PRECEDE_TYPE = re.compile(rb'(?:^|\b(?:static|inline|virtual|constexpr|explicit|friend|extern|"C")|>)[ \t]*$')
# Between a type and a name: void API_CALL run(.
_BEFORE_NAME = re.compile(rb"\b" + _MACRO + rb"(?=[ \t]+(?:\w+::)*~?\w+\()")
_IS_TYPE = re.compile(
    rb"^[ \t]*[\w:<>,*& \t]*(?:(?!\b(?:const|constexpr|static|inline|virtual|explicit|friend|extern|mutable|volatile|typename|struct|class"
    rb"|enum|union|typedef|register|return|else|case|new|goto|using|throw|operator|template|requires|concept|namespace|do|not|and|or)\b)"
    rb"\b(?=\w*[a-z])\w+|[*&>])[ \t]+$"
)


def _without_macros(code: bytes) -> bytes:
    code = _ALONE.sub(_spaced, code)
    code = _BEFORE_CLASS.sub(_spaced, code)
    code = _AFTER_PARAMETERS.sub(_spaced, code)
    code = _BEFORE_TYPE.sub(_spaced_after(_MAY_PRECEDE_TYPE), code)
    code = _BEFORE_NAME.sub(_spaced_after(_IS_TYPE), code)
    code = _AFTER_PARAMETER.sub(_spaced, code) if _has(code, b"ATTRIBUTE", b"LIFETIME", b"UNUSED") else code
    return _NULLABLE.sub(_spaced, code) if _has(code, b"_nonnull", b"_null") else code


def _spaced_after(before: re.Pattern[bytes]) -> Callable[[re.Match[bytes]], bytes]:
    """Spaces where the line up to there, at most 200 bytes of it, matches `before`."""

    def spaced(found: re.Match[bytes]) -> bytes:
        start = found.start()
        line = found.string[max(found.string.rfind(b"\n", 0, start) + 1, start - 200) : start]
        return _spaces(found[0]) if before.search(line) else found[0]

    return spaced


# C++: tests whose first argument is a string, which no function's parameter is. TEST_CASE("adds") { is read as TEST_CASE(int   ) {,
# a section in it as a block, a suite as a namespace.

_QUOTED = rb'\((?=[^;{}"]{0,200}")((?:[^()"]|' + _STRING + rb"|" + _GROUP + rb"){0,1000})\)"
_CASE = re.compile(rb"^([ \t]*(?:[A-Z]+_)*(?:TEST_CASE|SCENARIO)(?:_[A-Z]+)*\s{0,20})" + _QUOTED, re.MULTILINE)
_SECTION = re.compile(
    rb"^[ \t]*(?:CATCH_)?(?:(?:DYNAMIC_)?SECTION|SUBCASE|(?:AND_)?(?:GIVEN|WHEN|THEN)|BENCHMARK)[ \t]*" + _QUOTED + rb"(?=\s*\{)", re.MULTILINE,
)  # fmt: skip
_SUITE = re.compile(rb"^TEST_SUITE[ \t]*" + _QUOTED + rb"(?=\s*\{)", re.MULTILINE)


def _plain_tests(code: bytes) -> bytes:
    code = _CASE.sub(lambda case: case[1] + b"(" + _spaces(case[2]).replace(b"   ", b"int", 1) + b")", code)
    code = _SECTION.sub(lambda section: _spaces(section[0]), code)
    return _SUITE.sub(lambda suite: b"namespace" + _spaces(suite[0][len(b"namespace") :]), code)


# Kotlin.

# Annotations before a class: the grammar takes `@A enum class X {` for an annotated call `enum(class, X, {`. They become one
# comment, `marks` takes it for what it is by its first character.
_RAW_STRING = rb'"""(?:[^"]|"(?!"")){0,5000}"""'
_CALLED = rb'\((?:[^()"]|' + _RAW_STRING + rb"|" + _STRING + rb"|" + _GROUP + rb"){0,2000}\)"
_ANNOTATED = rb"@(?!file:)[\w.]+(?:" + _CALLED + rb")?"
_TO_NEXT = rb"(?:[ \t]*(?://[^\n]*)?\n[ \t]*|[ \t]+)"
_CLASS_MODIFIERS = (
    rb"(?:(?:public|private|internal|protected|open|abstract|final|sealed|data|enum|annotation|value|inline|inner|fun|expect|actual"
    rb"|external)\s+)*"
)
_ANNOTATIONS = re.compile(
    rb"^([ \t]*)((?:" + _ANNOTATED + _TO_NEXT + rb"){0,19}" + _ANNOTATED + rb")(?="
    + _TO_NEXT + _CLASS_MODIFIERS + rb"(?:(?:class|interface|object)[ \t]+[\w`]|companion[ \t]+object\b))", re.MULTILINE,
)  # fmt: skip
# What a function takes from around it: context(session: Session).
_CONTEXT = re.compile(rb"^([ \t]*)(context" + _CALLED + rb")(?=\s+(?:@|[a-z]+\s))", re.MULTILINE)
# `is Call if isKnown(it) ->`: what a branch asks beside its type.
_GUARD = re.compile(rb"^([ \t]*!?(?:is|in)[ \t]+[\w.<>*?, \t]{1,100}?[ \t])if\b[^\n{}]{1,200}?(?=->)", re.MULTILINE)
_SUSPENDED = re.compile(rb"suspend(?<!\wsuspend)(?=[ \t]*\{)")
# The end of a line between the name of a class and its constructor: inside another class the grammar ends the class there,
# unless one annotation alone follows. It goes to the next place where the grammar allows one, so that all else stays in place.
# A pattern that begins with its letters is searched four times as fast as one that begins with what may not stand before.
_CLASS = rb"(class(?<![:\w]class)[ \t]+[\w`]+(?:<[^(){}=]{0,300}>)?[ \t]*)"
_ANNOTATION = rb"@[\w.:]+(?:\((?:[^()]|\([^()]*\)){0,300}\))?"
_MODIFIER = rb"(?:" + _ANNOTATION + rb"|(?:private|internal|protected|public)\b)"
_MODIFIED = re.compile(_CLASS + rb"\n(?!\s*" + _ANNOTATION + rb"\s+constructor\b)((?:\s*" + _MODIFIER + rb")+\s*)[ \t](?=constructor\b)")
_UNMODIFIED = re.compile(_CLASS + rb"(\n\s*(?:constructor\s*)?)\(")


def _plain_classes(code: bytes) -> bytes:
    code = _ANNOTATIONS.sub(_commented, code) if b"@" in code else code
    code = _CONTEXT.sub(_commented, code) if b"context(" in code else code
    code = _SUSPENDED.sub(_spaced, code)
    code = _GUARD.sub(_spaced, code) if b" if " in code and b"->" in code else code
    code = _MODIFIED.sub(rb"\1 \2\n", code)
    return _UNMODIFIED.sub(lambda head: head[1] + b"(" + _spaces(head[2]), code)


def _commented(found: re.Match[bytes]) -> bytes:
    """The second group as a comment of its length. What stands on one line with code becomes spaces: after a comment there the
    grammar does not see that a line has ended."""
    text, line = found[2], b""
    if not _LINE_ENDS.match(found.string, found.end()):
        start = text.rfind(b"\n") + 1
        text, line = text[:start], text[start:]
    end = len(text.rstrip())
    if end < 4:
        return found[1] + b"//"[:end] + _spaces(text[2:] + line)
    inside = _spaces(text[2 : end - 2])
    if text[end - 2] == ord("\n"):  # A bracket alone on the last line: that line begins one byte earlier, so that `*/` fits in.
        space = inside.rindex(b" ")
        inside = inside[:space] + b"\n" + inside[space + 1 :]
    return found[1] + b"/*" + inside + b"*/" + text[end:] + _spaces(line)


_LINE_ENDS = re.compile(rb"[ \t]*(?://|$)", re.MULTILINE)
