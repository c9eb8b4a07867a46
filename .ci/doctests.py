"""For mkdocstrings: examples of docstrings (`>>>`) as blocks of code, which Markdown lacks."""

from __future__ import annotations

from typing import Any

import griffe


class Doctests(griffe.Extension):
    """Puts a fence around every run of lines that begins with `>>>`."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Of each module, class and function."""
        if obj.docstring is None or ">>>" not in obj.docstring.value:
            return
        lines, inside = [], False
        for line in [*obj.docstring.value.splitlines(), ""]:
            if line.startswith(">>>") and not inside:
                lines.append("```pycon")
                inside = True
            elif inside and not line.strip():
                lines.append("```")
                inside = False
            lines.append(line)
        obj.docstring.value = "\n".join(lines)
