"""The name of a function as a frame of a trace writes it, to its parts: what the function stands in, then the function itself.

What has no name of its own gives none: a lambda, a closure, a block, the code of a module, what a compiler made.
"""

from __future__ import annotations

import re

_LONGEST = 1000
"""Letters of a name that are read: C++ writes types of any length into it."""
_BEFORE = re.compile(r"created by |rescue in |ensure in |async[ *]|static |get |set ")
"""What stands before a name and is no part of it."""
_BEHIND = re.compile(r" in goroutine \d+$| \[as [^\]]*\]$|::h[0-9a-f]{16}$| ?\([^()]*\)$|-fm$|/\d+$")
"""What stands behind it: what the function was given, or how much; another name of it; the mark of a build."""
_STATES = re.compile(r"<(\w+)>d__\d+\.MoveNext$")
"""C# makes a class of a function that waits or yields: `Pool.<Get>d__3.MoveNext` is `Pool.Get`."""
_CAST = re.compile(r"<([^<>]*) as [^<>]*>")
_GENERIC = re.compile(r"<[^<>]*>|\[[^\[\]]*\]|`\d+|\(anonymous namespace\)::")
_BETWEEN = re.compile(r"[:.#/\\>()*-]+")
_NAME = re.compile(r"(?!c?ctor$|operator$|(?:func|gowrap|deferwrap)\d+$)[\w$~][\w$~?!=]*")
"""A constructor of C# also runs what stands in the head of the class; closures of Go are numbered; operators are told by signs."""
_COMPILED = re.compile(r"lambda\$|\$|access\$|.*\$lambda|<")
"""Beginnings of what a compiler for the Java machine names: lambdas, bridges, `<init>`, which also runs what stands in the head of the class."""


def parts_of(written: str) -> tuple[str, ...]:
    """The parts of a name, () where there is none.

    >>> parts_of("app/web.(*Pool[...]).Get(0xc000012345, 0x5)"), parts_of("<app::Pool as core::Get>::get"), parts_of("<lambda>")
    (('app', 'web', 'Pool', 'Get'), ('app', 'Pool', 'get'), ())
    """
    text = written.strip()[:_LONGEST]
    while before := _BEFORE.match(text):
        text = text[before.end() :]
    while behind := _BEHIND.search(text):
        text = text[: behind.start()]
    if "<>c" in text or ">b__" in text:  # lambdas of C#
        return ()
    text = _bare(_STATES.sub(r"\1", text))
    if " " in text:  # `block in Cart#pick`, `anonymous fn/1 in Cart.pick`
        return ()
    *around, name = _BETWEEN.split(text)
    return (*filter(None, around), name) if _NAME.fullmatch(name) else ()


def parts_in_java(written: str) -> tuple[str, ...]:
    """The same of `package.Outer$Inner.method`, as programs for the Java machine print it.

    >>> parts_in_java("shop.Cart$Line.total$default"), parts_in_java("shop.Cart.lambda$total$0")
    (('shop', 'Cart', 'Line', 'total'), ())
    """
    owner, _, method = written.rpartition(".")
    if not method or _COMPILED.match(method) or (method in ("invoke", "invokeSuspend") and re.search(r"\$\d+$", owner)):  # a lambda of Kotlin
        return ()
    return (*(part for part in re.split(r"[.$]", owner) if part and not part.isdigit()), re.split(r"[$-]", method)[0])


def parts_in_javascript(written: str) -> tuple[str, ...]:
    """The same of `Cart.total`: the name alone, since what stands before it is the class of the object, which may inherit the
    function; but of `new Cart` the class, whose constructor runs.

    >>> parts_in_javascript("async Cart.total [as sum]"), parts_in_javascript("new Cart"), parts_in_javascript("Object.<anonymous>")
    (('total',), ('Cart', 'constructor'), ())
    """
    text = written.strip()
    new = text.startswith("new ")
    name = parts_of(text.removeprefix("new "))[-1:]
    return (*name, "constructor") if new and name else name


def _bare(text: str) -> str:
    """Without the types that a generic name holds, however deep; of `<Pool as Get>` the type that it is."""
    longer = ""
    while longer != text:
        longer, text = text, _GENERIC.sub("", _CAST.sub(r"\1", text))
    return text
