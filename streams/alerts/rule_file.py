"""The rules of alerts from their YAML file, on top of the delivered ones.

The one thing to know: a rule of the file goes before the delivered one of its name.
"""

from pathlib import Path
from typing import Final

from projections.alerts.rules import RuleBook, joined, read_alert_rules
from streams.policy_file.rule_files import Kind, Read, RuleFile, usable_rules
from streams.policy_file.rule_files import read_file as read_rules_file

DEFAULT: Final = Path(__file__).with_name("default_rules.yaml")
_KIND: Final = Kind(read_alert_rules, RuleBook(), DEFAULT, "flumina alerts check FILE")


def read_file(path: Path) -> Read[RuleBook]:
    """The rules of a file; raises `OperatorError` where there is none."""
    return read_rules_file(path, _KIND)


def rules_of(path: Path | None) -> RuleBook:
    """The delivered rules, and those of a file; raises `OperatorError` with every fault of it."""
    delivered = read_file(DEFAULT).rules
    return delivered if path is None else joined(usable_rules(path, _KIND), delivered)


def followed(path: Path | None) -> RuleFile[RuleBook]:
    """The rules of a file, read anew when it changes."""
    return RuleFile(path, rules_of)
