"""What a question about another instant can fail with.

The one thing to know: each kind is one status of the REST API and one exit code of a command.
"""

from typing import Literal

from streams.errors import OperatorError

Kind = Literal["unclear", "unknown", "unavailable"]


class TravelError(OperatorError):
    """The question cannot be answered.

    It is unclear (400), of nothing known (404), or the log cannot be read now (503).
    """

    def __init__(self, kind: Kind, what: str, remedy: str, cause: str = "") -> None:
        super().__init__(what, cause, remedy)
        self.kind: Kind = kind
        self.exit_code = {"unclear": 2, "unknown": 4, "unavailable": 5}[kind]


class LogHalted(TravelError):
    """The fold meets a record that it cannot take, and that no operator has had left out."""

    def __init__(self, offset: int, why: Exception) -> None:
        super().__init__(
            "unavailable",
            f"The log cannot be folded past offset {offset}: {str(why).rstrip('.')}.",
            "Ask for an instant before it, or run the build that can read the record.",
        )
        self.offset = offset
        """Of that record, which is where the fold stands."""
