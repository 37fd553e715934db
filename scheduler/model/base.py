"""The base of everything that flumina itself writes to a log.

The one thing to know: our own records are closed. A field that this build does not know is an
error that halts the fold, never something to be dropped in silence: that is how Titus lost its
containers. Foreign records are decoded elsewhere, and refused one by one.
"""

import msgspec


class Ours(
    msgspec.Struct,
    frozen=True,
    tag=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    gc=False,  # Values hold no cycles; a collector that walks them halves the fold.
):
    """A frozen value, tagged with its class name, that refuses unknown fields."""
