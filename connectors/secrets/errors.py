"""What can go wrong with secrets; no text of these ever holds a value.

The one thing to know: some pass and some do not. `SecretsUnavailable` is worth another attempt, all
others are answers.
"""


class SecretError(Exception):
    """A secret cannot be sealed or opened; says why, and never what it is."""


class SecretsUnavailable(SecretError):
    """The key ring or the key provider did not answer; another attempt may help."""


class SecretForgotten(SecretError):
    """The key of this value was destroyed: nobody can open it again."""


class SecretMisplaced(SecretError):
    """The value was not sealed for this job and variable, or was changed since."""


class ProviderUnusable(SecretError):
    """The key provider cannot be used as it is set up; says what to change."""
