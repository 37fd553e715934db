"""Bad inputs for everything that reads bytes or texts of others: planted ones, and a million made.

The one thing to know: a parser (`tests.fuzz.parser.Parser`) says which errors it refuses with.
Any other error, more than a second of processor time for one input, or memory without bound is a
bug of the product; its input is then kept in ``corpus/`` under the parser's name.
"""
