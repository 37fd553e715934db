"""`python -m tests.hardening`: bandit and semgrep over the product; exit code 1 where they find."""

import sys

from tests.hardening.scanners import bandit, made_semgrep, semgrep


def main() -> int:
    """Run both; what they find is printed, a line each."""
    found = bandit()
    print(f"bandit: {len(found)} findings without a reason")
    if why := made_semgrep():
        print(f"semgrep was not run: {why}")
    else:
        more = semgrep()
        print(f"semgrep: {len(more)} findings")
        found += more
    for each in found:
        print(f"{each.path}:{each.line}: {each.rule}: {each.text}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
