"""TLS on both ports: the certificate that is shown, and the trust in our own one when we knock at our own door."""

import ssl
from pathlib import Path

from schemas.errors import SetupError


def server_context(cert: Path | None, key: Path | None) -> ssl.SSLContext | None:
    """Return what a port needs to speak TLS 1.2 or newer, None where no certificate is named.

    Raises:
        SetupError: One of the two files is missing, unreadable, or not of the other.
    """
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        raise SetupError(
            "TLS needs a certificate and its key.", next_step="Set both PULSERA_TLS_CERT and PULSERA_TLS_KEY."
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(cert, key)
    except (OSError, ssl.SSLError) as error:
        raise SetupError(
            f"The certificate {cert} cannot be used with the key {key}: {error.strerror or error}.",
            next_step="Name PEM files: the certificate with its chain, and its key without a passphrase.",
        ) from error
    return context


def own_door_context(cert: Path) -> ssl.SSLContext:
    """Return what trusts exactly this certificate, whatever name it bears: it is our own port that is asked."""
    context = ssl.create_default_context(cafile=str(cert))
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context
