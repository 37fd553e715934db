"""What a decoder raises for bytes that it cannot read: three kinds, and not one.

The one thing to know: msgspec's own error is not all. Text that is no UTF-8 raises `UnicodeError`
and brackets without end raise `RecursionError`; neither is a `msgspec.DecodeError`. Who catches
only that lets ten kilobytes of ``[`` through as a failure of the program. An architecture test
keeps the product on this tuple.
"""

from typing import Final

import msgspec

BAD_BYTES: Final = (msgspec.DecodeError, UnicodeError, RecursionError)
"""For ``except``, beside every decoding of bytes or texts that another wrote."""
