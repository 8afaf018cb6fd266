"""Languages: names from paths, heads of files, and what users type."""

from __future__ import annotations

import pytest

from wayfind.corpus.languages import LANGUAGES, canonical, has_grammar, language_of, parser_for


@pytest.mark.parametrize(
    ("path", "head", "language"),
    [
        ("src/app.py", "", "python"),
        ("a.b/types.d.ts", "", "typescript"),
        ("view.jsx", "", "javascript"),
        ("view.tsx", "", "tsx"),
        ("lib/mix.exs", "", "elixir"),
        ("Main.HS", "", "haskell"),
        ("stack.mli", "", "ocaml"),
        ("Rakefile", "", "ruby"),
        ("build.gradle", "", "groovy"),
        ("build.gradle.kts", "", "kotlin"),
        ("docs/README", "", "text"),
        ("docs/README.md", "", "markdown"),
        ("Dockerfile.dev", "", "dockerfile"),
        ("CMakeLists.txt", "", "cmake"),
        ("schema.sql", "", "sql"),
        ("Spec.tla", "", "tlaplus"),
        ("goal.smt2", "", "smtlib"),
        (".bashrc", "", "bash"),
        ("unknown.qqq", "", "text"),
        ("LICENSE", "", "text"),
        # A shebang speaks where the name does not.
        ("bin/tool", "#!/usr/bin/env python3\nimport os", "python"),
        ("bin/tool", "#!/usr/bin/python3.11", "python"),
        ("bin/tool", "#!/usr/bin/env -S deno run", "typescript"),
        ("bin/tool", "#!/bin/sh -e", "bash"),
        ("bin/tool", "#! /usr/bin/perl -w", "perl"),
        ("bin/tool", "#!/opt/unheard-of", "text"),
        ("bin/tool", "import os", "text"),
        ("bin/tool", "<?php\n", "php"),
        # Extensions that languages share.
        ("a.h", "int f(void);\n#include <stdio.h>\n", "c"),
        ("a.h", '#ifdef __cplusplus\nextern "C" {\nnamespace x {}\n#endif\nint f(void);\n', "c"),
        ("a.h", "/* class of namespace std:: */\nint f(void);\n", "c"),
        ("a.h", "#include <vector>\nint f();\n", "cpp"),
        ("a.h", "namespace a {\n", "cpp"),
        ("a.h", "template <typename T> struct X;\n", "cpp"),
        ("a.h", "@interface Store : NSObject\n", "objc"),
        ("a.m", "% A script\nfunction y = f(x)\n", "matlab"),
        ("a.m", "#import <Foundation/Foundation.h>\n", "objc"),
        ("a.pl", "#!/usr/bin/perl\n", "perl"),
        ("a.pl", ":- module(a, []).\n", "prolog"),
        ("a.pro", "% Ancestors.\nparent(tom, bob).\n", "prolog"),
        ("a.pro", "ancestor(X, Y) :- parent(X, Y).\n", "prolog"),
        ("proguard-rules.pro", "# Add project specific ProGuard rules here.\n", "proguard"),
        ("rules.pro", "# Retrofit\n-keepattributes Signature, InnerClasses\n", "proguard"),
        ("r8.pro", "-dontwarn javax.annotation.**\n-keep class a.** { *; }\n", "proguard"),
        ("app.pro", "QT += core gui\nSOURCES += \\\n    main.cpp\n", "qmake"),
        ("app.pro", "# An app\nwin32:CONFIG(release) {\n}\ninclude(common.pri)\n", "qmake"),
        ("a.pro", "pro plot_all, x\nend\n", "text"),
        ("a.ts", '<?xml version="1.0"?>', "xml"),
        ("a.v", "Theorem plus_comm : forall n m.\n", "coq"),
        ("a.v", "module top;\n", "verilog"),
        ("a.inc", "<?php\n", "php"),
    ],
)
def test_language_of_a_path_and_head(path, head, language):
    assert language_of(path, head) == language


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("py", "python"), ("Python", "python"), (".py", "python"), ("js", "javascript"), ("jsx", "javascript"), ("ts", "typescript"),
        ("c++", "cpp"), ("C#", "csharp"), ("cs", "csharp"), ("rs", "rust"), ("sh", "bash"), ("shell", "bash"), ("golang", "go"),
        ("h", "c"), ("rb", "ruby"), ("kt", "kotlin"), ("f#", "fsharp"), ("tla+", "tlaplus"), ("terraform", "hcl"), ("docker", "dockerfile"),
        ("yml", "yaml"), ("md", "markdown"), ("objective-c", "objc"), ("pwsh", "powershell"), ("klingon", None), ("", None),
    ],
)  # fmt: skip
def test_canonical_name_of_what_a_user_types(name, language):
    assert canonical(name) == language


def test_every_name_is_canonical_and_unique():
    names = [language.name for language in LANGUAGES]
    assert len(set(names)) == len(names)
    assert all(canonical(name) == name for name in names)


def test_no_extension_or_file_name_belongs_to_two_languages():
    for words in ("extensions", "names", "interpreters"):
        found = [word for language in LANGUAGES for word in getattr(language, words).split()]
        assert len(set(found)) == len(found), sorted(word for word in found if found.count(word) > 1)


@pytest.mark.parametrize("language", [language.name for language in LANGUAGES if language.grammar])
def test_every_grammar_loads_once(language):
    assert has_grammar(language)
    assert parser_for(language) is parser_for(language)


@pytest.mark.parametrize("language", ["sql", "markdown", "text", "klingon"])
def test_a_language_without_grammar_has_no_parser(language):
    assert not has_grammar(language)
    with pytest.raises(KeyError, match=language):
        parser_for(language)
