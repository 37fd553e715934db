"""The parsers that are fuzzed, by topic. `tests.fuzz.catalogue.PARSERS` has all of them."""
