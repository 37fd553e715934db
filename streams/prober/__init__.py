"""The prober: active checks of hosts, published to topic ``verdicts``."""
