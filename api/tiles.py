"""A server of map pictures, where the operator names one; without it the map draws its own lines and asks nobody."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class MapTiles:
    """Where the zones page gets pictures of the ground.

    Attributes:
        url: Address of a picture with {z}, {x} and {y} in it, over HTTPS or on this computer.
        attribution: Whom the pictures are owed to, as shown below the map.
    """

    url: str
    attribution: str

    def described(self) -> dict[str, Any]:
        """Return what the description of the service says of it."""
        return {"url": self.url, "attribution": self.attribution}

    @property
    def source(self) -> str:
        """What a page's policy names: the origin alone."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"
