"""The graph of definitions: what calls, imports and bases mean in each language, across files, and what stays unsaid."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from indexes import PLAIN, write

import wayfind
from wayfind.corpus.definitions import cut
from wayfind.index.edges import CERTAIN, EDGES, TYPED, UNIQUE
from wayfind.index.imports import Imports
from wayfind.index.modules import Modules
from wayfind.index.names import DEEPEST, Names
from wayfind.search.graph import GRAPH_SIGNALS, Graph, graph_of, graph_signals
from wayfind.search.searcher import Searcher

Repository = wayfind.Repository


def opened(root: Path, files: dict[str, str]) -> Repository:
    repository = wayfind.open(write(root / "tree", files), home=root / "home", commits=0)
    repository.refresh(options=PLAIN)
    return repository


def edges(repository: Repository, kind: str = "") -> dict[tuple[str, str], float]:
    """(source, target) -> strength; a definition is named `file symbol`."""
    searcher = repository.searcher()
    graph, snapshot = graph_of(searcher), searcher.snapshot

    def name(chunk: int) -> str:
        return f"{snapshot.paths[snapshot.file[chunk]]} {snapshot.symbols[chunk]}".strip()

    return {
        (name(chunk), name(edge.chunk)): edge.strength
        for chunk in range(snapshot.chunks)
        for edge in graph.outgoing(chunk)
        if not kind or edge.kind == kind
    }


LANGUAGES = {
    "python": (
        {
            "shop/__init__.py": "from shop.cart import Cart\n",
            "shop/base.py": "class Store:\n    def save(self, key):\n        return key\n\n\nclass Other:\n    def save(self, key):\n        return None\n",
            "shop/cart.py": "from .base import Store\nfrom . import prices as p\n\n\nclass Cart(Store):\n    def pay(self):\n        total = p.total(self)\n        self.save(total)\n        return total\n",
            "shop/prices.py": "def total(cart):\n    return 1\n",
            "main.py": "import shop\nimport json\n\n\ndef run():\n    cart = shop.Cart()\n    cart.pay()\n    return json.dumps(cart)\n",
            "other/prices.py": "def total(cart):\n    return 2\n\n\ndef dumps(value):\n    return value\n",
        },
        {
            ("shop/cart.py Cart.pay", "shop/prices.py total"), ("shop/cart.py Cart.pay", "shop/base.py Store.save"),
            ("main.py run", "shop/cart.py Cart"), ("main.py run", "shop/cart.py Cart.pay"),
        },
    ),
    "javascript": (
        {
            "lib/app.js": "const { parse } = require('./parse')\nconst Router = require('./router')\n\nclass App {\n  constructor () {\n    this.router = new Router()\n  }\n\n  handle (text) {\n    this.router.route(parse(text))\n  }\n}\n\nmodule.exports = App\n",
            "lib/parse.js": "function parse (text) {\n  return text\n}\n\nmodule.exports = { parse }\n",
            "lib/router.js": "class Router {\n  route (request) {\n    return request\n  }\n}\n\nmodule.exports = Router\n",
            "lib/other.js": "class Other {\n  route (request) {\n    return null\n  }\n}\n\nfunction parse () {\n  return 0\n}\n",
        },
        {("lib/app.js App.handle", "lib/parse.js parse"), ("lib/app.js App.handle", "lib/router.js Router.route"), ("lib/app.js App.constructor", "lib/router.js Router")},
    ),
    "typescript": (
        {
            "src/index.ts": "export * from './store'\nexport { slice as makeSlice } from './slice'\n",
            "src/store.ts": "import type { Reducer } from './types'\n\nexport class Store {\n  constructor(private reducer: Reducer) {}\n\n  dispatch(action: string): string {\n    return this.reducer.apply(action)\n  }\n}\n\nexport function createStore(reducer: Reducer): Store {\n  return new Store(reducer)\n}\n",
            "src/types.ts": "export class Reducer {\n  apply(action: string): string {\n    return action\n  }\n}\n",
            "src/slice.ts": "export function slice(name: string): string {\n  return name\n}\n",
            "src/main.ts": "import { createStore, makeSlice } from './index'\n\nexport function main() {\n  const store = createStore(null)\n  store.dispatch(makeSlice('a'))\n}\n",
        },
        {
            ("src/store.ts Store.dispatch", "src/types.ts Reducer.apply"), ("src/store.ts createStore", "src/store.ts Store"),
            ("src/main.ts main", "src/store.ts createStore"), ("src/main.ts main", "src/slice.ts slice"), ("src/main.ts main", "src/store.ts Store.dispatch"),
        },
    ),
    "go": (
        {
            "go.mod": "module example.com/shop\n",
            "main.go": 'package main\n\nimport (\n\t"fmt"\n\n\t"example.com/shop/cart"\n)\n\nfunc main() {\n\tc := cart.New("a")\n\tc.Pay(2)\n\tfmt.Println(helper())\n}\n',
            "helper.go": "package main\n\nfunc helper() string {\n\treturn \"x\"\n}\n",
            "cart/cart.go": "package cart\n\ntype Cart struct {\n\tstore *Store\n}\n\nfunc New(name string) *Cart {\n\treturn &Cart{}\n}\n\nfunc (c *Cart) Pay(times int) error {\n\treturn c.store.Keep(times)\n}\n",
            "cart/store.go": "package cart\n\ntype Store struct {\n\tkept int\n}\n\nfunc (s *Store) Keep(times int) error {\n\treturn nil\n}\n",
            "other/pay.go": "package other\n\ntype Till struct {\n\tsum int\n}\n\nfunc (t *Till) Pay(times int) error {\n\treturn nil\n}\n\nfunc helper() {}\n\nfunc Println() {}\n",
        },
        {
            ("main.go main", "cart/cart.go New"), ("main.go main", "cart/cart.go Cart.Pay"), ("main.go main", "helper.go helper"),
            ("cart/cart.go Cart.Pay", "cart/store.go Store.Keep"),
        },
    ),
    "java": (
        {
            "src/main/java/shop/Cart.java": "package shop;\n\nimport shop.prices.Prices;\nimport static shop.prices.Rates.rate;\n\npublic class Cart extends Base {\n  private final Till till;\n\n  Cart(Till till) {\n    this.till = till;\n  }\n\n  int pay() {\n    log();\n    return till.take(Prices.total(this)) + rate();\n  }\n}\n",
            "src/main/java/shop/Base.java": "package shop;\n\nclass Base {\n  void log() {\n    return;\n  }\n}\n",
            "src/main/java/shop/Till.java": "package shop;\n\nclass Till {\n  int take(int sum) {\n    return sum;\n  }\n}\n",
            "src/main/java/shop/prices/Prices.java": "package shop.prices;\n\npublic class Prices {\n  public static int total(Object cart) {\n    return 1;\n  }\n}\n",
            "src/main/java/shop/prices/Rates.java": "package shop.prices;\n\npublic class Rates {\n  public static int rate() {\n    return 1;\n  }\n}\n",
            "src/main/java/bank/Till.java": "package bank;\n\nclass Till {\n  int take(int sum) {\n    return 0;\n  }\n  void log() {\n    return;\n  }\n}\n",
        },
        {
            ("src/main/java/shop/Cart.java Cart.pay", "src/main/java/shop/Base.java Base.log"), ("src/main/java/shop/Cart.java Cart.pay", "src/main/java/shop/Till.java Till.take"),
            ("src/main/java/shop/Cart.java Cart.pay", "src/main/java/shop/prices/Prices.java Prices.total"), ("src/main/java/shop/Cart.java Cart.pay", "src/main/java/shop/prices/Rates.java Rates.rate"),
        },
    ),
    "rust": (
        {
            "src/main.rs": "mod cart;\nmod store;\n\nuse crate::cart::Cart;\n\nfn main() {\n    let cart = Cart::new();\n    cart.pay(1);\n    store::flush_all();\n}\n",
            "src/cart.rs": "use crate::store::Store;\n\npub struct Cart {\n    store: Store,\n}\n\nimpl Cart {\n    pub fn new() -> Self {\n        Cart { store: Store::open_at(1) }\n    }\n\n    pub fn pay(&self, sum: u32) -> u32 {\n        self.store.keep(sum)\n    }\n}\n",
            "src/store.rs": "pub struct Store {\n    sum: u32,\n}\n\nimpl Store {\n    pub fn open_at(sum: u32) -> Store {\n        Store { sum }\n    }\n\n    pub fn keep(&self, sum: u32) -> u32 {\n        sum\n    }\n}\n\npub fn flush_all() {\n    return;\n}\n",
            "src/other.rs": "pub struct Till {\n    sum: u32,\n}\n\nimpl Till {\n    pub fn pay(&self, sum: u32) -> u32 {\n        sum\n    }\n\n    pub fn keep(&self, sum: u32) -> u32 {\n        sum\n    }\n}\n",
        },
        {
            ("src/main.rs main", "src/cart.rs Cart.new"), ("src/main.rs main", "src/cart.rs Cart.pay"), ("src/main.rs main", "src/store.rs flush_all"),
            ("src/cart.rs Cart.new", "src/store.rs Store.open_at"), ("src/cart.rs Cart.pay", "src/store.rs Store.keep"),
        },
    ),
    "c": (
        {
            "src/list.h": "#ifndef LIST_H\n#define LIST_H\nint list_add(int a, int b);\n#endif\n",
            "src/list.c": '#include "list.h"\n\nstatic int check(int a)\n{\n    return a;\n}\n\nint list_add(int a, int b)\n{\n    return check(a) + b;\n}\n',
            "src/main.c": '#include <stdio.h>\n#include "list.h"\n\nstatic int check(int a)\n{\n    return -a;\n}\n\nint main(void)\n{\n    check(1);\n    return list_add(1, 2);\n}\n',
        },
        {("src/list.c list_add", "src/list.c check"), ("src/main.c main", "src/main.c check"), ("src/main.c main", "src/list.c list_add")},
    ),
    "cpp": (
        {
            "shop/till.h": "#pragma once\n\nclass Till {\n public:\n  int take(int sum) {\n    return sum;\n  }\n};\n",
            "shop/cart.cpp": '#include "till.h"\n\nclass Cart {\n public:\n  int pay(int sum) {\n    check(sum);\n    Till till;\n    return till.take(sum);\n  }\n\n  void check(int sum) {\n    return;\n  }\n};\n',
            "bank/till.cpp": "class Vault {\n public:\n  int take(int sum) {\n    return 0;\n  }\n  void check(int sum) {\n    return;\n  }\n};\n",
        },
        {("shop/cart.cpp Cart.pay", "shop/till.h Till.take"), ("shop/cart.cpp Cart.pay", "shop/cart.cpp Cart.check")},
    ),
    "ruby": (
        {
            "lib/shop/cart.rb": "require_relative 'till'\n\nmodule Shop\n  class Cart < Base\n    def initialize\n      @till = Till.new\n    end\n\n    def pay(sum)\n      check(sum)\n      @till.take(sum)\n    end\n  end\nend\n",
            "lib/shop/till.rb": "module Shop\n  class Till\n    def take(sum)\n      sum\n    end\n  end\nend\n",
            "lib/shop/base.rb": "module Shop\n  class Base\n    def check(sum)\n      sum\n    end\n  end\nend\n",
            "lib/bank.rb": "class Vault\n  def take(sum)\n    0\n  end\n\n  def check(sum)\n    0\n  end\nend\n",
        },
        {("lib/shop/cart.rb Cart.pay", "lib/shop/base.rb Base.check"), ("lib/shop/cart.rb Cart.pay", "lib/shop/till.rb Till.take"), ("lib/shop/cart.rb Cart.initialize", "lib/shop/till.rb Till")},
    ),
    "php": (
        {
            "src/Cart.php": "<?php\nnamespace Shop;\n\nuse Shop\\Money\\Till;\n\nclass Cart extends Base\n{\n    private Till $till;\n\n    public function pay(int $sum): int\n    {\n        $this->check($sum);\n        return $this->till->take($sum) + Till::rate();\n    }\n}\n",
            "src/Base.php": "<?php\nnamespace Shop;\n\nclass Base\n{\n    public function check(int $sum): int\n    {\n        return $sum;\n    }\n}\n",
            "src/Money/Till.php": "<?php\nnamespace Shop\\Money;\n\nclass Till\n{\n    public function take(int $sum): int\n    {\n        return $sum;\n    }\n\n    public static function rate(): int\n    {\n        return 1;\n    }\n}\n",
            "src/Bank/Till.php": "<?php\nnamespace Shop\\Bank;\n\nclass Till\n{\n    public function take(int $sum): int\n    {\n        return 0;\n    }\n    public function check(int $sum): int\n    {\n        return 0;\n    }\n}\n",
        },
        {("src/Cart.php Cart.pay", "src/Base.php Base.check"), ("src/Cart.php Cart.pay", "src/Money/Till.php Till.take"), ("src/Cart.php Cart.pay", "src/Money/Till.php Till.rate")},
    ),
    "csharp": (
        {
            "src/Shop/Cart.cs": "using Shop.Money;\n\nnamespace Shop\n{\n    public class Cart : Base\n    {\n        private readonly Till till = new Till();\n\n        public int Pay(int sum)\n        {\n            Check(sum);\n            return till.Take(sum) + Rates.Rate();\n        }\n    }\n}\n",
            "src/Shop/Base.cs": "namespace Shop\n{\n    public class Base\n    {\n        public void Check(int sum)\n        {\n            return;\n        }\n    }\n}\n",
            "src/Shop/Money/Till.cs": "namespace Shop.Money\n{\n    public class Till\n    {\n        public int Take(int sum)\n        {\n            return sum;\n        }\n    }\n\n    public static class Rates\n    {\n        public static int Rate()\n        {\n            return 1;\n        }\n    }\n}\n",
            "src/Bank/Vault.cs": "namespace Bank\n{\n    public class Vault\n    {\n        public int Take(int sum)\n        {\n            return 0;\n        }\n        public void Check(int sum)\n        {\n            return;\n        }\n    }\n}\n",
        },
        {
            ("src/Shop/Cart.cs Cart.Pay", "src/Shop/Base.cs Base.Check"), ("src/Shop/Cart.cs Cart.Pay", "src/Shop/Money/Till.cs Till.Take"),
            ("src/Shop/Cart.cs Cart.Pay", "src/Shop/Money/Till.cs Rates.Rate"), ("src/Shop/Cart.cs Cart", "src/Shop/Money/Till.cs Till"),
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("language", LANGUAGES)
def test_calls_across_files_mean_what_the_language_says(language: str, tmp_path: Path) -> None:
    files, expected = LANGUAGES[language]
    found = edges(opened(tmp_path, files), "calls")
    assert found.keys() == expected | {pair for pair in found if pair[1].split(".")[-1] in ("__init__", "constructor", "initialize", "Cart")}
    assert all(strength >= UNIQUE for strength in found.values())


def test_a_name_with_several_meanings_is_never_certain(tmp_path: Path) -> None:
    files = {
        "a.py": "class Cart:\n    def settle(self):\n        return 1\n",
        "b.py": "class Till:\n    def settle(self):\n        return 2\n",
        "c.py": "def close_all(things):\n    for thing in things:\n        thing.settle()\n",
    }
    found = edges(opened(tmp_path, files), "calls")
    assert found == {("c.py close_all", "a.py Cart.settle"): UNIQUE / 2, ("c.py close_all", "b.py Till.settle"): UNIQUE / 2}


def test_a_name_from_outside_of_the_repository_makes_no_edge(tmp_path: Path) -> None:
    files = {
        "a.py": "import json\nfrom yaml import dump\nfrom other.place import Cart\n\n\ndef f(x):\n    cart = Cart()\n    cart.settle()\n    dump(x)\n    len(x)\n    return json.settle(x)\n",
        "b.py": "class Till:\n    def settle(self):\n        return 2\n\n\ndef dump(x):\n    return x\n\n\ndef len(x):\n    return x\n",
    }
    assert edges(opened(tmp_path, files), "calls") == {}


def test_modules_of_elixir_are_called_by_their_names_and_those_of_erlang_are_elsewhere(tmp_path: Path) -> None:
    files = {
        "lib/parts.ex": "defmodule Web.Parts do\n  def body(parts), do: join(parts)\n\n  def fetch(parts), do: parts\n\n  defp join(parts) do\n    Enum.fetch(parts, 0)\n  end\nend\n",
        "lib/web.ex": "defmodule Web do\n  alias Web.Parts\n  alias Web.Parts, as: P\n\n  def read(ref) do\n    :hackney.body(ref)\n  end\n\n  def size(env) do\n    byte_size(env.body)\n  end\n\n"
        "  def send(env) do\n    old = env.body\n    Parts.body(old)\n  end\n\n  def all(env) do\n    P.fetch(env)\n  end\nend\n",
        "test/web_test.exs": 'defmodule WebTest do\n  use ExUnit.Case\n\n  test "it sends" do\n    helper(1)\n  end\n\n  defp helper(env) do\n    Web.send(env)\n  end\nend\n',
    }
    with opened(tmp_path, files) as repository:
        assert edges(repository, "calls") == {
            ("lib/parts.ex Web.Parts.body", "lib/parts.ex Web.Parts.join"): CERTAIN,
            ("lib/web.ex Web.send", "lib/parts.ex Web.Parts.body"): CERTAIN,
            ("lib/web.ex Web.all", "lib/parts.ex Web.Parts.fetch"): TYPED,
            ("test/web_test.exs it sends", "test/web_test.exs WebTest.helper"): UNIQUE,
        }
        (caller,) = repository.related("lib/parts.ex", 2, groups="callers").results
        assert (caller.symbol, caller.relations[0].line) == ("Web.send", 15)


def test_a_default_export_without_a_name_is_called_by_the_name_of_its_import(tmp_path: Path) -> None:
    files = {"src/tax.ts": "export default function (order: number) {\n  return order\n}\n\nexport function other() {\n  return 1\n}\n", "src/pay.ts": "import taxOf from './tax'\n\nexport function pay() {\n  return taxOf(1)\n}\n"}
    with opened(tmp_path, files) as repository:
        assert edges(repository, "calls") == {("src/pay.ts pay", "src/tax.ts default"): CERTAIN}


def test_an_edge_names_the_line_that_is_surest(tmp_path: Path) -> None:
    files = {"base.py": "class Store:\n    def save_all(self):\n        return 1\n", "main.py": "from base import Store\n\n\ndef run(rows):\n    rows.save_all()\n    return Store.save_all(rows)\n"}
    with opened(tmp_path, files) as repository:
        (caller,) = repository.related("base.py", 2, groups="callers").results
        assert (caller.relations[0].line, caller.relations[0].strength) == (6, CERTAIN)


def test_a_call_on_an_interface_may_mean_each_class_that_has_it(tmp_path: Path) -> None:
    files = {
        "Store.java": "interface Store {\n  void keep(int sum);\n}\n",
        "Disk.java": "class Disk implements Store {\n  public void keep(int sum) {\n    return;\n  }\n}\n",
        "Memory.java": "class Memory implements Store {\n  public void keep(int sum) {\n    return;\n  }\n}\n",
        "Diary.java": "class Diary {\n  public void keep(int sum) {\n    return;\n  }\n}\n",
        "Shop.java": "class Shop {\n  private Store store;\n\n  void close() {\n    store.keep(1);\n  }\n}\n",
    }
    found = edges(opened(tmp_path, files), "calls")
    assert found == {("Shop.java Shop.close", "Disk.java Disk.keep"): UNIQUE / 2, ("Shop.java Shop.close", "Memory.java Memory.keep"): UNIQUE / 2}


def test_a_variable_called_as_a_class_is_a_guess(tmp_path: Path) -> None:
    files = {
        "a.py": "class Cart:\n    def settle(self):\n        return 1\n",
        "b.py": "class Till:\n    def settle(self):\n        return 2\n",
        "c.py": "def close(cart):\n    cart.settle()\n",
    }
    found = edges(opened(tmp_path, files), "calls")
    assert list(found) == [("c.py close", "a.py Cart.settle")]
    assert UNIQUE < found["c.py close", "a.py Cart.settle"] < CERTAIN


def test_tests_point_at_what_they_test_and_bases_at_what_derives(tmp_path: Path) -> None:
    files = {
        "cart.py": "class Base:\n    pass\n\n\nclass Cart(Base):\n    def pay(self):\n        return 1\n",
        "tests/test_cart.py": "from cart import Cart\n\n\ndef helper():\n    return Cart()\n\n\ndef test_pay():\n    assert Cart().pay() == 1\n    assert helper()\n",
    }
    repository = opened(tmp_path, files)
    assert edges(repository, "inherits") == {("cart.py Cart", "cart.py Base"): CERTAIN}
    assert ("tests/test_cart.py test_pay", "cart.py Cart.pay") in edges(repository, "tests")
    assert ("tests/test_cart.py test_pay", "tests/test_cart.py helper") in edges(repository, "calls")
    assert ("tests/test_cart.py", "cart.py Cart") in edges(repository, "imports")


def test_variables_called_as_another_language_calls_the_bases_are_variables(tmp_path: Path) -> None:
    files = {
        "tree.py": "class Tree:\n    def graft(self, branch):\n        return branch\n",
        "child.py": "from tree import Tree\n\n\nclass Base:\n    def graft(self, branch):\n        return 0\n\n\nclass Child(Base):\n    def attach(self, parent: Tree):\n        parent.graft(self)\n",
        "window.js": "class Frame {\n  show () {\n    return 0\n  }\n}\n\nclass Window {\n  show () {\n    return 1\n  }\n}\n\nclass Panel extends Frame {\n  render () {\n    const base = new Window()\n    base.show()\n  }\n}\n",
        "Leaf.cs": "class Leaf : Node\n{\n    void Grow(Tree parent)\n    {\n        base.Water();\n        parent.Shade();\n    }\n}\n",
        "Node.cs": "class Node\n{\n    public void Water()\n    {\n        return;\n    }\n    public void Shade()\n    {\n        return;\n    }\n}\n",
        "Tree.cs": "class Tree\n{\n    public void Water()\n    {\n        return;\n    }\n    public void Shade()\n    {\n        return;\n    }\n}\n",
    }
    found = edges(opened(tmp_path, files), "calls")
    assert found == {
        ("child.py Child.attach", "tree.py Tree.graft"): TYPED, ("window.js Panel.render", "window.js Window"): CERTAIN,
        ("window.js Panel.render", "window.js Window.show"): TYPED, ("Leaf.cs Leaf.Grow", "Node.cs Node.Water"): CERTAIN,
        ("Leaf.cs Leaf.Grow", "Tree.cs Tree.Shade"): TYPED,
    }  # fmt: skip


def test_a_class_called_by_its_module_is_its_own_result(tmp_path: Path) -> None:
    files = {
        "store.py": "class Repo:\n    def go(self):\n        return 1\n\n\nclass Other:\n    def go(self):\n        return 2\n",
        "main.py": "import store as s\n\n\ndef run():\n    return s.Repo().go()\n",
        "tills.js": "class Till {\n  take (sum) {\n    return sum\n  }\n}\n\nclass Vault {\n  take (sum) {\n    return 0\n  }\n}\n\nmodule.exports = { Till, Vault }\n",
        "main.js": "const tills = require('./tills')\n\nfunction pay () {\n  return new tills.Till().take(1)\n}\n",
    }
    assert edges(opened(tmp_path, files), "calls") == {
        ("main.py run", "store.py Repo"): CERTAIN, ("main.py run", "store.py Repo.go"): TYPED,
        ("main.js pay", "tills.js Till"): CERTAIN, ("main.js pay", "tills.js Till.take"): TYPED,
    }  # fmt: skip


BASES = {
    "Repo[int]": ["Repo"], "base.Repo[dict[str, int]]": ["Repo"], "Repo[int], Mixin": ["Repo", "Mixin"], "Generic[T]": [], "Repo[T], typing.Generic[T]": ["Repo"],
    "Protocol[T]": [], "Protocol": ["Protocol"], "Repo[int], metaclass=Meta": ["Repo"],
}  # fmt: skip


@pytest.mark.parametrize("written", BASES)
@pytest.mark.parametrize("parameters", ["", "[T]", "[T: dict[str, int]]"])
def test_a_base_with_type_arguments_is_a_base(written: str, parameters: str) -> None:
    made = cut(f"class Shop{parameters}({written}):\n    size = 1\n", "python").references
    assert [one.name for one in made if one.kind == "base"] == BASES[written]


def test_a_generic_base_has_the_methods_that_a_class_calls(tmp_path: Path) -> None:
    files = {
        "repo.py": "class Repo(Generic[T]):\n    def start(self):\n        return 1\n\n\nclass Other:\n    def start(self):\n        return 2\n",
        "gen.py": "from repo import Repo\n\n\nclass Gen(Repo[int]):\n    def run(self):\n        return self.start()\n",
    }
    repository = opened(tmp_path, files)
    assert edges(repository, "inherits") == {("gen.py Gen", "repo.py Repo"): CERTAIN}
    assert edges(repository, "calls") == {("gen.py Gen.run", "repo.py Repo.start"): CERTAIN}


@pytest.mark.parametrize("seed", range(4))
def test_names_passed_on_by_stars_are_those_that_a_slow_search_finds(seed: int, tmp_path: Path) -> None:
    dice, wanted = random.Random(seed), ["alpha", "beta", "gamma", "delta"]
    modules = range(14)
    stars = {one: dice.sample(modules, dice.choice((0, 1, 1, 2, 3))) for one in modules}
    named = {one: {name: dice.choice(modules) for name in dice.sample(wanted, dice.choice((0, 0, 0, 1)))} for one in modules}
    defined = {one: set(dice.sample(wanted[:3], dice.choice((0, 0, 0, 0, 1)))) for one in modules}

    def slow(one: int, name: str, depth: int = 0) -> int | None:
        if depth > DEEPEST:
            return None
        if name in defined[one]:
            return one
        further = ([named[one][name]] if name in named[one] else []) + stars[one]
        return next((found for other in further if (found := slow(other, name, depth + 1)) is not None), None)

    def text(one: int) -> str:
        imported = [f"from m{other} import *" for other in stars[one]] + [f"from m{other} import {name}" for name, other in named[one].items()]
        return "\n".join([*imported, *(f"\n\ndef {name}():\n    return {one}\n" for name in sorted(defined[one]))]) + "\n"

    repository = opened(tmp_path, {f"m{one:d}.py": text(one) for one in modules} | {"main.py": "x = 1\n"})
    names = Names(repository.snapshot())
    imports, paths = Imports(names), repository.snapshot().paths
    expected = {(one, name): found for one in modules for name in wanted if (found := slow(one, name)) is not None}
    found = {(one, name): imports.target(paths.index("main.py"), f"m{one}:{name}") for one in modules for name in wanted}
    assert {key: [paths[names.file[chunk]] for chunk in chunks] for key, chunks in found.items() if chunks} == {key: [f"m{one}.py"] for key, one in expected.items()}
    assert expected and len(expected) < len(found)


def test_a_name_that_no_star_has_is_looked_for_a_few_times_in_each_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    count = 64
    stars = {one: [other for other in range(count) if other != one] for one in range(count)}
    repository = opened(tmp_path, {f"m{one}.py": "".join(f"from m{other} import *\n" for other in others) for one, others in stars.items()})
    imports = Imports(Names(repository.snapshot()))
    asked = []
    files = Modules.files

    def counted(self: Modules, file: int, module: str) -> list[int]:
        asked.append(module)
        return files(self, file, module)

    monkeypatch.setattr(Modules, "files", counted)
    assert imports.target(0, "m1:missing") == []
    assert len(asked) <= 2 * (1 + DEEPEST * count * (count - 1))


def test_the_graph_is_the_same_however_the_index_grew(tmp_path: Path) -> None:
    files = LANGUAGES["python"][0]
    grown = opened(tmp_path / "a", dict(list(files.items())[:2]))
    for name, text in list(files.items())[2:]:
        write(tmp_path / "a" / "tree", {name: text})
        grown.refresh(options=PLAIN)
    assert edges(grown) == edges(opened(tmp_path / "b", files))


def test_the_graph_is_kept_by_content_and_a_damaged_file_is_made_again(tmp_path: Path) -> None:
    repository = opened(tmp_path, LANGUAGES["go"][0])
    before = edges(repository)
    (kept,) = repository.snapshot().folder.glob("*.graph")
    assert kept.stat().st_mode & 0o777 == 0o600
    whole = kept.read_bytes()
    kept.write_bytes(whole[:40] + b"\0" * 40 + whole[80:])
    again = wayfind.open(repository.root, home=tmp_path / "home", commits=0)
    assert edges(again) == before
    assert kept.read_bytes() == whole
    write(repository.root, {"new.go": "package main\n\nfunc more() {\n\thelper()\n}\n"})
    repository.refresh(options=PLAIN)
    assert edges(repository).keys() - before.keys() == {("new.go more", "helper.go helper")}
    assert len(list(repository.snapshot().folder.glob("*.graph"))) == 2


def test_a_kept_graph_is_not_that_of_other_tests(tmp_path: Path) -> None:
    """Which files count as tests is no content of theirs: another version may see it otherwise."""
    repository = opened(tmp_path, {"tests/door_steps.py": "from door import shut\n\n\ndef leave():\n    shut()\n", "door.py": "def shut():\n    return 1\n"})
    assert edges(repository, "tests") and not edges(repository, "calls")
    otherwise = Searcher(repository.snapshot(), model=False)
    otherwise.is_test = np.zeros(repository.snapshot().files, bool)
    assert {EDGES[kind] for kind in graph_of(otherwise).edges.kind} == {"calls", "imports"}


def test_centrality_is_what_a_slow_walk_gives() -> None:
    from wayfind.index.edges import Edges

    dice = np.random.default_rng(0)
    pairs = np.unique(dice.integers(0, 12, (40, 2)), axis=0)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    strength = np.full(len(pairs), 0.5, np.float32)
    graph = Graph(Edges(pairs[:, 0], pairs[:, 1], np.zeros(len(pairs), np.uint8), strength, np.ones(len(pairs), np.int32)), 12)
    matrix = np.zeros((12, 12))
    for source, target in pairs:
        matrix[target, source] = 1 / (pairs[:, 0] == source).sum()
    matrix[:, matrix.sum(0) == 0] = 1 / 12
    values, vectors = np.linalg.eig(0.85 * matrix + 0.15 / 12)
    expected = np.abs(np.real(vectors[:, np.argmax(np.real(values))]))
    assert np.allclose(graph.centrality, expected / expected.max(), atol=0.01)


def test_the_signals_of_candidates_are_shares(tmp_path: Path) -> None:
    repository = opened(tmp_path, LANGUAGES["python"][0])
    searcher = repository.searcher()
    chosen = np.arange(searcher.snapshot.chunks)
    signals = graph_signals(searcher, chosen)
    assert signals.shape == (len(chosen), len(GRAPH_SIGNALS))
    assert ((signals >= 0) & (signals <= 1)).all()
    named = {f"{searcher.snapshot.paths[file]} {symbol}": number for number, (file, symbol) in enumerate(zip(searcher.snapshot.file, searcher.snapshot.symbols))}
    assert signals[named["shop/prices.py total"], 1] == 1.0
    assert signals[named["other/prices.py total"], 1] == 0.0
    assert signals[named["shop/cart.py Cart.pay"], 2] == 1.0
    assert graph_signals(searcher, chosen[:0]).shape == (0, len(GRAPH_SIGNALS))


RECEIVERS = {
    "f(x)": "", "self.store.f(x)": "self.store", "a.b.f(x)": "a.b", "make(1).f(x)": "make()", "rows[0].f(x)": "?", "super().f(x)": "super",
    "cls.f(x)": "self", "one(1).two(2).f(x)": "one().two()", "(a or b).f(x)": "?", "'text'.f(x)": "?", "a[1].b.f(x)": "?.b",
}  # fmt: skip


@pytest.mark.parametrize("call", RECEIVERS)
def test_the_receiver_is_what_stands_before_the_name(call: str) -> None:
    made = cut(f"def g():\n    return {call}\n", "python").references
    assert [one.owner for one in made if one.name == "f"] == [RECEIVERS[call]]


BELOW_COMMENTS = {
    ("python", "# Do it twice.\n    add(1)"): "", ("typescript", "// Do it twice.\n    add(1);"): "", ("go", "/* Do it\n twice. */\n    add(1)"): "",
    ("rust", "// Do it twice.\n    add(1);"): "", ("typescript", "builder\n    // As a.b.\n    .add(1);"): "builder",
    ("rust", "builder // Why: so.\n    .add(1);"): "builder", ("go", "builder. // Why.\n    add(1)"): "builder",
}  # fmt: skip


@pytest.mark.parametrize(("language", "call"), BELOW_COMMENTS)
def test_a_receiver_is_never_read_from_a_comment(language: str, call: str) -> None:
    around = {"python": "def f():\n    {}\n", "go": "func f() {{\n    {}\n}}\n", "rust": "fn f() {{\n    {}\n}}\n", "typescript": "function f() {{\n    {}\n}}\n"}
    made = cut(around[language].format(call), language).references
    assert [one.owner for one in made if one.name == "add"] == [BELOW_COMMENTS[language, call]]


ARROWS = {
    ("kotlin", "fun f(x: Int) {\n    when (x) {\n        ONE -> add(1)\n    }\n}\n"): "", ("java", "class A {\n  void f() {\n    run(x -> box.add(1));\n  }\n}\n"): "box",
    ("elixir", "defmodule A do\n  def f(x) do\n    case x do\n      nil -> add(1)\n    end\n  end\nend\n"): "",
    ("cpp", "void f() {\n  box->add(1);\n}\n"): "box", ("php", "<?php\nfunction f($box) {\n  $box?->add(1);\n}\n"): "box",
}  # fmt: skip


@pytest.mark.parametrize(("language", "text"), ARROWS)
def test_an_arrow_parts_names_only_where_the_language_has_it_for_that(language: str, text: str) -> None:
    assert [one.owner for one in cut(text, language).references if one.kind == "call" and one.name == "add"] == [ARROWS[language, text]]


ELIXIR_CALLS = {
    "env.add": None, "env.add || []": None, "env.add()": "env", "env.add 1": "env", "env.mod.add(1)": "env.mod", "Mod.add": "Mod", "Mod.add 1": "Mod",
    "A.Mod.add(1)": "A.Mod", ":ets.add(1)": ":ets", ":ets.add": None, "%{a: Mod.add}": "Mod", "[a: b.add(1)]": "b", "__MODULE__.add(1)": "self", "add(1)": "",
    "add": None, "@add 1": None, "1 |> add()": "",
}  # fmt: skip


@pytest.mark.parametrize("written", ELIXIR_CALLS)
def test_in_elixir_a_field_that_is_read_and_an_attribute_are_no_calls(written: str) -> None:
    made = cut(f"defmodule A do\n  @spec f(T.add()) :: T.add()\n  def f(env) do\n    {written}\n  end\nend\n", "elixir")
    expected = ELIXIR_CALLS[written]
    assert [one.owner for one in made.references if one.name == "add"] == ([] if expected is None else [expected])
    assert ("add" in made.chunks[-1].calls) == (expected is not None)


DOTS = {"rust": "fn f() {\n    for i in 0..add(1) {}\n}\n", "javascript": "function f() {\n  return [...add(1)];\n}\n", "lua": 'function f()\n  return "a" .. add(1)\nend\n', "python": "def g(): ...\nadd(1)\n"}


@pytest.mark.parametrize("language", DOTS)
def test_what_stands_behind_several_dots_has_no_receiver(language: str) -> None:
    assert [one.owner for one in cut(DOTS[language], language).references if one.name == "add"] == [""]


OWN = {
    ("python", "parent.add(1)"): "parent", ("python", "base.add(1)"): "base", ("python", "super().add(1)"): "super",
    ("java", "parent.add(1);"): "parent", ("java", "this.add(1);"): "self", ("java", "super.add(1);"): "super",
    ("csharp", "base.add(1);"): "super", ("csharp", "parent.add(1);"): "parent",
    ("php", "parent::add(1);"): "super", ("php", "static::add(1);"): "self", ("php", "$parent->add(1);"): "parent", ("php", "$this->add(1);"): "self",
}  # fmt: skip


@pytest.mark.parametrize(("language", "call"), OWN)
def test_words_for_a_class_and_its_bases_are_those_of_the_language(language: str, call: str) -> None:
    around = {
        "python": "class A(B):\n    def f(self):\n        {}\n", "java": "class A extends B {{\n  void f() {{\n    {}\n  }}\n}}\n",
        "csharp": "class A : B {{\n  void f() {{\n    {}\n  }}\n}}\n", "php": "<?php\nclass A extends B {{\n  function f() {{\n    {}\n  }}\n}}\n",
    }  # fmt: skip
    made = cut(around[language].format(call), language).references
    assert [one.owner for one in made if one.name == "add"] == [OWN[language, call]]
