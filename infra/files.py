"""How many files, and so connections, a process may hold open."""

import resource


def raise_open_files() -> int:
    """Raise this process's limit on open files as far as the system lets it; return what it is now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return soft
