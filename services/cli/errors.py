"""What the command line tells its user instead of a traceback."""


class CliError(Exception):
    """The command cannot go on. The message is for the user: what happened, and what to do."""


class Died(CliError):
    """A process that should be running has ended. The message carries the end of its log."""


class TooSlow(CliError):
    """Something did not happen in its time. The message says what, and how far it came."""
