"""For mkdocs: pages that stand elsewhere in the repository, and links out of docs/."""

from __future__ import annotations

import pathlib
import posixpath
import re
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = pathlib.Path(__file__).parent.parent
ELSEWHERE = {
    "README.md": "index.md",
    "SECURITY.md": "security.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
} | {
    path.relative_to(ROOT).as_posix(): f"cards/{path.parent.name}.md"
    for path in sorted(ROOT.glob("*/*/*/card.md"))
}
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)#:\s]+)(#[^)]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages that are not in docs/."""
    for source, page in ELSEWHERE.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text()))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Points links to where pages are; of files that are no page, the text is left.

    Raises:
        FileNotFoundError: if a link leads to no file of the repository.
    """
    uri = page.file.src_uri
    sources = {name: source for source, name in ELSEWHERE.items()}
    home = posixpath.dirname(sources.get(uri, f"docs/{uri}"))

    def moved(match: re.Match[str]) -> str:
        image, text, target, anchor = match.groups()
        path = posixpath.normpath(posixpath.join(home, target))
        if not (ROOT / path).exists():
            raise FileNotFoundError(f"{uri}: {target}")
        inside = path.removeprefix("docs/") if path.startswith("docs/") else ELSEWHERE.get(path)
        if inside is None:
            return f"{text} (`{path}`)"
        link = posixpath.relpath(inside, posixpath.dirname(uri) or ".")
        return f"{image}[{text}]({link}{anchor or ''})"

    return _LINK.sub(moved, markdown)
