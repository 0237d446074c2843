"""What ends a start."""


class StartError(Exception):
    """Why it can't start, and the mend, in one line."""
