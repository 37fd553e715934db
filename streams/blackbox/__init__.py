"""The black-box prober: tries a cell from outside, and pages by itself."""
