"""How processes log: one line an occurrence on standard error, times in UTC."""

import logging
import sys
import time


def configure(level: str) -> None:
    """Log from `level` on. What libraries say below WARNING is left out."""
    formatter = logging.Formatter(
        "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s %(message)s", "%Y-%m-%dT%H:%M:%S"
    )
    formatter.converter = time.gmtime
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("orders").setLevel(level)
