"""What may be wrong with input: every message is one line that says what and where.

Whatever is raised because of a file, a model or an argument of the user's is an `Error`. Any
other exception is a bug of this library, and the command line lets it be seen as one.
"""

from __future__ import annotations


class Error(ValueError):
    """Input that cannot be used."""


class BitstreamError(Error):
    """A file that cannot be decoded."""


class FileError(Error):
    """A file that cannot be read or written."""


class StorageError(FileError):
    """Storage that gives no answer, though it was asked for long."""


class ImageError(FileError):
    """An image that cannot be read or written."""


class ModelError(Error):
    """A model that cannot be loaded."""


class TargetError(Error):
    """Training targets that do not fit."""


class UsageError(Error):
    """A command that cannot be carried out as it was given."""


def one_line(error: BaseException) -> str:
    """What an exception of another library says, as a line of at most 200 characters."""
    text = " ".join(str(error).split()) or type(error).__name__
    text = "".join(c if c.isprintable() else "?" for c in text)
    return text if len(text) <= 200 else text[:200] + "..."
