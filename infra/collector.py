"""Python's cyclic garbage collector, told to leave alone what stays and to look rarely at what comes and goes."""

import gc
from typing import Final

_YOUNG: Final = 50_000
"""Containers that must have been made and not freed before the collector looks: about 10 MB of cycles at most."""
_MIDDLE: Final = 20
_OLD: Final = 50


def settle_collector() -> None:
    """Takes what a process has loaded out of the collector's sight; called once, before it begins to serve.

    What goes through a process at thousands of messages a second is freed by reference counts. With Python's own
    threshold (700) the collector walks over it a hundred times a second all the same, and several times a minute over
    every module and connection, for up to 90 ms with 1,000 connections, during which nothing else runs.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)
