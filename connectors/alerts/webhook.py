"""A webhook that is told of alerts, sent as webhooks of jobs are: checked address, signed body.

The one thing to know: the URL comes from a file that an operator of the process wrote, and is
looked at all the same (`connectors.webhooks.addresses`): whoever may write the rules need not be
who may reach every address.
"""

from connectors.alerts.translate import AlertPage, event_of
from connectors.pager.client import PageFailed
from connectors.pager.translate import Page
from connectors.webhooks.client import DeliveryFailed, Sender
from connectors.webhooks.secrets import SecretMissing, Secrets


class AlertWebhook:
    """One receiver."""

    def __init__(self, name: str, url: str, secret: str, sender: Sender, secrets: Secrets) -> None:
        self._name, self._url, self._secret = name, url, secret
        self._sender, self._secrets = sender, secrets

    def send(self, page: Page, at_ms: int) -> None:
        """Return when the receiver has taken the notice (2xx); raises `PageFailed`."""
        assert isinstance(page, AlertPage)
        try:
            secret = self._secrets.of(self._secret)
            self._sender.send(self._url, self._name, event_of(page), secret, at_ms)
        except SecretMissing as error:
            raise PageFailed(str(error)) from error
        except DeliveryFailed as error:
            raise PageFailed(str(error), error.retry_after_s) from error
