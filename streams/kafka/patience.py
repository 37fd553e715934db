"""How long each of our clients waits for one answer of a Kafka broker.

The one thing to know: a broker that was stopped, and is not dead, takes connections and never
answers. Each question to it costs this whole time, and several come one after another: the first
address of a start, the metadata, the produce request, its second try. So it is short; and above
what three brokers need to give a dead one's partitions another leader, for a producer gives up
on a partition that has none for as long.
"""

from typing import Final

REQUEST_TIMEOUT_MS: Final = 6_000
REQUEST_TIMEOUT_S: Final = REQUEST_TIMEOUT_MS / 1_000
