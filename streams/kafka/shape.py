"""How many brokers a data directory was begun with: one or three, for good.

The one thing to know: it is written before the first broker is formatted, so that a start which is
killed half-way leaves no doubt. A directory without the note was begun by one broker.
"""

from pathlib import Path
from typing import Final

from streams.errors import OperatorError

NOTE: Final = "brokers"
"""The file, in Kafka's data directory, with the number in it."""


def keep_to_shape(data_dir: Path, brokers: int) -> None:
    """Return if the directory is new or was begun with so many brokers; else `OperatorError`."""
    begun = begun_with(data_dir)
    if begun is None:
        data_dir.mkdir(parents=True, exist_ok=True)
        (data_dir / NOTE).write_text(f"{brokers}\n", "utf-8")
    elif begun != brokers:
        raise OperatorError(
            f"The data under {data_dir} belong to a Kafka of {_brokers(begun)}, and "
            f"{'one is' if brokers == 1 else f'{brokers} are'} wanted.",
            "Copies are not moved between brokers by a start.",
            f"Say --brokers {begun} as before, or choose another data directory; nothing was "
            "changed.",
        )


def begun_with(data_dir: Path) -> int | None:
    """The number of brokers that the directory was begun with; None while it holds nothing."""
    try:
        text = (data_dir / NOTE).read_text("utf-8").strip()
    except FileNotFoundError:
        return 1 if (data_dir / "broker-1").exists() else None
    if not text.isdecimal():
        raise OperatorError(
            f"{data_dir / NOTE} holds {text!r} where a number of brokers is expected.",
            "The file was damaged or written by something else.",
            "Write 1 or 3 into it, as many as there are folders broker-N beside it.",
        )
    return int(text)


def _brokers(number: int) -> str:
    return "one broker" if number == 1 else f"{number} brokers"
