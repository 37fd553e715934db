"""Health as pure folds: templates of log lines, lines that matter, rules and rates, suspects."""
