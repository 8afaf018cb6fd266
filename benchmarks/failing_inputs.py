#!/usr/bin/env python3
"""What compilers, test runners and programs print when something fails, searched for as it is.

    failing_inputs.py CLONES      CLONES holds the repositories by name

Each text is one that a tool printed, or has the form in which the tool prints, over the present lines of a clone: `<path|symbol|n>`
stands for the n-th line of a definition. Printed is the place of each definition at which it failed.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

import wayfind

GO = """panic: runtime error: invalid memory address or nil pointer dereference
[signal SIGSEGV: segmentation violation code=0x2 addr=0x0 pc=0x102a3c4f8]

goroutine 21 [running]:
github.com/labstack/echo/v5.(*DefaultRouter).Route(0x14000110000, 0x1400012c000)
\t/home/me/go/pkg/mod/github.com/labstack/echo/v5@v5.0.0/router.go:<router.go|DefaultRouter.Route|9> +0x128
github.com/labstack/echo/v5.(*Echo).serveHTTP(0x14000132000, {0x102b0f4e8, 0x140001280e0}, 0x1400013a000)
\t/home/me/go/pkg/mod/github.com/labstack/echo/v5@v5.0.0/echo.go:<echo.go|Echo.serveHTTP|8> +0x1d4
net/http.serverHandler.ServeHTTP({0x14000126070?}, {0x102b0f4e8?, 0x140001280e0?}, 0x6?)
\t/usr/local/go/src/net/http/server.go:3142 +0xbc
created by net/http.(*Server).Serve in goroutine 1
\t/usr/local/go/src/net/http/server.go:3290 +0x3f0
exit status 2
"""
GO_TEST = """--- FAIL: TestOverrides (0.01s)
    --- FAIL: TestOverrides/from_file (0.00s)
        overrides_test.go:<overrides_test.go|TestNestedOverrides|6>: 
        \tError Trace:\t/home/me/viper/overrides_test.go:<overrides_test.go|TestNestedOverrides|6>
        \tError:      \tNot equal: 
        \t            \texpected: "yaml"
        \t            \tactual  : ""
        \tTest:       \tTestOverrides/from_file
FAIL
FAIL\tgithub.com/spf13/viper\t0.412s
"""
RUST = """thread 'main' panicked at crates/core/flags/parse.rs:<crates/core/flags/parse.rs|Parser.parse|6>:21:
index out of bounds: the len is 3 but the index is 3
stack backtrace:
   0: rust_begin_unwind
             at /rustc/90b35a6239c3d8bdabc530a6a0816f7ff89a0aaf/library/std/src/panicking.rs:665:5
   1: core::panicking::panic_fmt
             at /rustc/90b35a6239c3d8bdabc530a6a0816f7ff89a0aaf/library/core/src/panicking.rs:74:14
   2: rg::flags::parse::Parser::parse
             at ./crates/core/flags/parse.rs:<crates/core/flags/parse.rs|Parser.parse|6>:21
   3: rg::flags::parse::parse_low
             at ./crates/core/flags/parse.rs:<crates/core/flags/parse.rs|parse_low|8>:9
   4: rg::main
             at ./crates/core/main.rs:<crates/core/main.rs|main|2>:11
"""
JEST = """ FAIL  packages/toolkit/src/tests/createSlice.test.ts
  ● createSlice › when slice is undefined › should throw an error

    TypeError: Cannot read properties of undefined (reading 'reducers')

      at createSlice (packages/toolkit/src/createSlice.ts:<packages/toolkit/src/createSlice.ts|buildCreateSlice|10>:18)
      at Object.<anonymous> (packages/toolkit/src/tests/createSlice.test.ts:45:7)
      at Promise.then.completed (node_modules/jest-circus/build/utils.js:298:28)
"""
RUBY = """/app/vendor/bundle/ruby/3.3.0/gems/puma-6.4.2/lib/puma/server.rb:<lib/puma/server.rb|Server.process_client|6>:in `process_client': undefined method `env' for nil (NoMethodError)
\tfrom /app/vendor/bundle/ruby/3.3.0/gems/puma-6.4.2/lib/puma/server.rb:<lib/puma/server.rb|Server.run|9>:in `block in run'
\tfrom /app/vendor/bundle/ruby/3.3.0/gems/puma-6.4.2/lib/puma/thread_pool.rb:<lib/puma/thread_pool.rb|ThreadPool.spawn_thread|14>:in `block in spawn_thread'
"""
PHP = """PHP Fatal error:  Uncaught Slim\\Exception\\HttpNotFoundException: Not found. in /var/www/vendor/slim/slim/Slim/Middleware/RoutingMiddleware.php:<Slim/Middleware/RoutingMiddleware.php|RoutingMiddleware.performRouting|12>
Stack trace:
#0 /var/www/vendor/slim/slim/Slim/Routing/RouteRunner.php(<Slim/Routing/RouteRunner.php|RouteRunner.handle|6>): Slim\\Middleware\\RoutingMiddleware->performRouting(Object(Slim\\Psr7\\Request))
#1 /var/www/vendor/slim/slim/Slim/App.php(<Slim/App.php|App.handle|3>): Slim\\MiddlewareDispatcher->handle(Object(Slim\\Psr7\\Request))
#2 {main}
"""
PYTHON = """Traceback (most recent call last):
  File "<string>", line 3, in <module>
  File "/home/me/jinja/src/jinja2/environment.py", line <src/jinja2/environment.py|Environment.from_string|12>, in from_string
    return cls.from_code(self, self.compile(source), gs, None)
  File "/home/me/jinja/src/jinja2/environment.py", line <src/jinja2/environment.py|Environment.compile|34>, in compile
    self.handle_exception(source=source_hint)
  File "/home/me/jinja/src/jinja2/environment.py", line <src/jinja2/environment.py|Environment.handle_exception|5>, in handle_exception
    raise rewrite_traceback_stack(source=source)
  File "<unknown>", line 1, in template
jinja2.exceptions.TemplateSyntaxError: Expected an expression, got 'end of statement block'
"""
PYTEST = """FF                                                                       [100%]
=================================== FAILURES ===================================
__________________________________ test_build __________________________________

    def test_build():
        m = Map([Rule("/<int:x>", endpoint="a")]).bind("localhost")
>       assert m.build("a", {"x": "no"}) == "/no"

test_shop.py:7: 
_ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ 
../werkzeug/src/werkzeug/routing/map.py:<src/werkzeug/routing/map.py|MapAdapter.build|60>: in build
    rv = self._partial_build(endpoint, values, method, append_unknown)
../werkzeug/src/werkzeug/routing/rules.py:<src/werkzeug/routing/rules.py|Rule.build|8>: in build
    return self._build_unknown(**values)
_ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ 

value = 'no'

E       ValueError: invalid literal for int() with base 10: 'no'

../werkzeug/src/werkzeug/routing/converters.py:<src/werkzeug/routing/converters.py|NumberConverter.to_url|2>: ValueError
_________________________________ test_headers _________________________________

    def test_headers():
        h = Headers()
>       h.add("a", "b\\nc")

test_shop.py:11: 
_ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ 
../werkzeug/src/werkzeug/datastructures/headers.py:<src/werkzeug/datastructures/headers.py|Headers.add|18>: in add
    value_str = _str_header_value(value)
_ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ 

E       ValueError: Header values must not contain newline characters.

../werkzeug/src/werkzeug/datastructures/headers.py:<src/werkzeug/datastructures/headers.py|_str_header_value|6>: ValueError
=========================== short test summary info ============================
FAILED test_shop.py::test_build - ValueError: invalid literal for int() with ...
FAILED test_shop.py::test_headers - ValueError: Header values must not contai...
2 failed in 2.79s
"""
NODE = """/home/me/koa/lib/only.js:5
    if (obj[key] == null) continue
           ^

TypeError: Cannot read properties of null (reading 'a')
    at module.exports (/home/me/koa/lib/only.js:<lib/only.js|module.exports|5>:12)
    at Object.<anonymous> (/home/me/3.js:3:1)
    at Module._compile (node:internal/modules/cjs/loader:1521:14)
"""
JAVA = """Exception in thread "main" java.io.FileNotFoundException: Source '/nonexistent' does not exist
\tat org.apache.commons.io.FileUtils.checkFileExists(FileUtils.java:<src/main/java/org/apache/commons/io/FileUtils.java|FileUtils.checkFileExists|16>)
\tat org.apache.commons.io.FileUtils.copyFile(FileUtils.java:876)
\tat T.main(T.java:1)
"""
GCC = """src/jv_alloc.c: In function 'jv_mem_alloc':
src/jv_alloc.c:<src/jv_alloc.c|jv_mem_alloc|1>:43: error: invalid type argument of '->' (have 'size_t' {aka 'long unsigned int'})
"""
GREP = """tornado/httpserver.py:<tornado/httpserver.py|_CallableAdapter.finish|4>:        self.request._parse_body()
tornado/httputil.py:<tornado/httputil.py|HTTPServerRequest._parse_body|1>:    def _parse_body(self) -> None:
"""
DIFF = """diff --git a/tornado/httputil.py b/tornado/httputil.py
--- a/tornado/httputil.py
+++ b/tornado/httputil.py
@@ -<tornado/httputil.py|HTTPServerRequest._parse_body|1>,4 +<tornado/httputil.py|HTTPServerRequest._parse_body|1>,5 @@ class HTTPServerRequest:
     def _parse_body(self) -> None:
+        self.parsed = True
         parse_body_arguments(
"""
TSC = "packages/toolkit/src/configureStore.ts(<packages/toolkit/src/configureStore.ts|configureStore|20>,9): error TS2322: Type 'string' is not assignable to type 'boolean'.\n"
RUSTC = """error[E0308]: mismatched types
   --> src/walk.rs:<src/walk.rs|WorkerState.scan|7>:22
    |
    |         let config = &self.config;
    |                      ^^^^^^^^^^^^ expected `Config`, found `&Config`
"""
INPUTS = {
    "pytest, two failures": ("werkzeug", PYTEST, ("NumberConverter.to_url", "_str_header_value")),
    "Python traceback": ("jinja", PYTHON, ("Environment.handle_exception", "Environment.compile")),
    "node stack": ("koa", NODE, ("module.exports",)),
    "Java trace": ("commons-io", JAVA, ("FileUtils.checkFileExists",)),
    "Go panic": ("echo", GO, ("DefaultRouter.Route", "Echo.serveHTTP")),
    "go test": ("viper", GO_TEST, ("TestNestedOverrides",)),
    "Rust panic": ("ripgrep", RUST, ("Parser.parse", "parse_low", "main")),
    "jest": ("redux-toolkit", JEST, ("buildCreateSlice",)),
    "Ruby trace": ("puma", RUBY, ("Server.process_client",)),
    "PHP trace": ("Slim", PHP, ("RoutingMiddleware.performRouting", "RouteRunner.handle")),
    "gcc error": ("jq", GCC, ("jv_mem_alloc",)),
    "tsc error": ("redux-toolkit", TSC, ("configureStore",)),
    "rustc error": ("fd", RUSTC, ("WorkerState.scan",)),
    "lines of grep": ("tornado", GREP, ("HTTPServerRequest._parse_body", "_CallableAdapter.finish")),
    "git diff": ("tornado", DIFF, ("HTTPServerRequest._parse_body",)),
}


def main() -> int:
    clones = Path(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="wayfind-inputs-") as home:
        for name, (repository, template, expected) in INPUTS.items():
            with wayfind.open(clones / repository, home=home, commits=0) as opened:
                text = filled(template, list(opened.chunks()) if opened.refresh() else [])
                found = [result.symbol for result in opened.search(text, refresh=False).results]
            places = ", ".join(f"{symbol} {found.index(symbol) + 1 if symbol in found else 'not in the first ten'}" for symbol in expected)
            print(f"{name:21s} {places}", flush=True)
    return 0


def filled(template: str, chunks) -> str:
    """The text with the present lines of the definitions that it names."""

    def line(match: re.Match[str]) -> str:
        path, symbol, number = match.groups()
        chunk = next(chunk for chunk in reversed(chunks) if (chunk.path, chunk.symbol) == (path, symbol))
        rows = chunk.text().split("\n")
        head = next((at for at, row in enumerate(rows) if symbol.rpartition(".")[2] in row and not row.lstrip().startswith(("//", "#", "*"))), 0)
        return str(min(chunk.start_line + head + int(number) - 1, chunk.end_line))

    return re.sub(r"<([^<>|\n]+)\|([^<>|\n]+)\|(\d+)>", line, template)


if __name__ == "__main__":
    sys.exit(main())
