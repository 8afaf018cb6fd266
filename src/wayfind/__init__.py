"""Wayfind: code search that learns your codebase.

    import wayfind

    with wayfind.open("path/to/repository") as repository:
        for result in repository.search("where are sessions closed").results:
            print(result.path, result.start_line, result.explanation.text)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from wayfind.api import Repository
    from wayfind.api import open_repository as open  # noqa: A004

__all__ = ["Repository", "__version__", "open"]


def __getattr__(name: str) -> Any:
    """Import the engine when it is first asked for, so that `import wayfind` costs nothing."""
    if name in ("open", "Repository"):
        from wayfind import api

        return api.open_repository if name == "open" else api.Repository
    raise AttributeError(f"module 'wayfind' has no attribute {name!r}")
