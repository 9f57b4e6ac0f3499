"""Asks a health address and says so by its exit code: `python -m infra.docker.health URL`. The image has no curl."""

import http.client
import sys
from urllib.parse import urlsplit

_PATIENCE_S = 3.0


def is_well(url: str) -> bool:
    """Return whether the address answers 200 within three seconds."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_PATIENCE_S)
    try:
        connection.request("GET", parts.path or "/")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(0 if is_well(sys.argv[1]) else 1)
