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
