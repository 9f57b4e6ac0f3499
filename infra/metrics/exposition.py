"""The figures of a process as text, for a server that the process already has."""

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest


class Exposition:
    """Tells the figures of one registry; the API's `Metrics`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def expose(self) -> tuple[bytes, str]:
        """Return the text format and its content type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST
