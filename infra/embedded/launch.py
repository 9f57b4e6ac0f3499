"""Becomes another program that cannot outlive the process that started it.

Run as a script by `infra.embedded.process`, never imported: `launch.py PARENT SIGNAL UID:GID|- COMMAND...`. The order
matters:
Linux forgets the parent-death signal when the user changes, so the user comes first. A helper process is used, and not
`preexec_fn`, because Python code between fork and exec is unsafe once the parent has threads.
"""

import ctypes
import os
import resource
import signal
import sys

_PR_SET_PDEATHSIG = 1


def _raise_open_files() -> None:
    """Raises the soft limit of open files to the hard one: a gateway holds a file for every device."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _become(user: str) -> None:
    uid, gid = (int(part) for part in user.split(":"))
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def main(arguments: list[str]) -> None:
    """Never returns: replaces this process by the command."""
    parent, death_signal, user, *command = arguments
    _raise_open_files()
    if user != "-":
        _become(user)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(death_signal))
        if os.getppid() != int(parent):
            sys.exit("The supervisor ended before its child had started.")
    # Python ignores these two, and an ignored signal stays ignored in the program that follows.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
