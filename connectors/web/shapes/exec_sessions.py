"""Shapes of sessions beside tasks: what begins one, what it is given."""

from connectors.web.shapes import base


class ExecBody(base.Shape, frozen=True, kw_only=True):
    """A command to be run beside a task."""

    command: tuple[str, ...]
    """Program and arguments, without a shell."""
    why: str
    tty: bool = False
    rows: int = 24
    columns: int = 80


class ExecBegun(base.Shape, frozen=True):
    """The session, and when it ends by itself."""

    id: str
    idle_s: int
    """Seconds without a byte in either direction."""
    length_s: int


class ExecInput(base.Shape, frozen=True, kw_only=True):
    """Some input, or the terminal's new size."""

    data: str = ""
    """Bytes as base64."""
    is_end: bool = False
    """Whether nothing comes behind it; a terminal has its own way (Ctrl-D)."""
    rows: int = 0
    columns: int = 0
