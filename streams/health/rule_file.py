"""The rules of health from their YAML file, or the delivered ones.

The one thing to know: a file of one's own replaces the delivered rules whole.
"""

from pathlib import Path
from typing import Final

from projections.health.rules import RuleSet, read_rules
from streams.policy_file.rule_files import Kind, RuleFile, usable_rules

DEFAULT: Final = Path(__file__).with_name("default_rules.yaml")
PLACE: Final = Path("health") / "rules.yaml"
"""Where a data directory has rules of its own."""
_KIND: Final = Kind(read_rules, RuleSet(), DEFAULT, "flumina health rules FILE")


def rules_of(path: Path | None) -> RuleSet:
    """The rules of a file, or the delivered ones; raises `OperatorError` with every fault of it."""
    return usable_rules(path or DEFAULT, _KIND)


def followed(path: Path) -> RuleFile[RuleSet]:
    """The rules of a file, read anew when it comes, changes or goes."""
    return RuleFile(path, rules_of, may_lack=True)
