"""Errors that a person is meant to read.

An `OperatorError` always has three parts: what happened, the likely cause, and the way out. The
command line prints them as sentences and leaves with a non-zero code; a traceback is only for our
own mistakes.
"""


class OperatorError(Exception):
    """Something outside the program stands in the way, and a person can clear it."""

    # What the command line leaves with; a subclass may set another.
    exit_code: int = 1

    def __init__(self, what: str, cause: str, remedy: str) -> None:
        super().__init__(what, cause, remedy)
        self.what = what
        self.cause = cause
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.what} {self.cause} {self.remedy}"
