"""How pip finds its registry inside a build: as it does out here, by a file that is mounted."""

import ast
import configparser
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.images.tools import output

OPTIONS = {
    *("index-url", "extra-index-url", "no-index", "find-links", "trusted-host"),
    *("cert", "client-cert", "proxy", "retries", "timeout", "default-timeout"),
}
CERTIFICATES = Path("/etc/ssl/certs")


def mounts(folder: Path) -> list[str]:
    """Arguments for `buildah bud`. The file is made in `folder`, and may hold a secret."""
    settings = dict(_settings())
    named = {word for value in settings.values() for word in value.split() if word[0] == "/"}
    shared = [path for path in (CERTIFICATES, *map(Path, sorted(named))) if path.exists()]
    file = _written(settings, folder / "pip.conf")
    return [
        f"--volume={source}:{target}:ro"
        for source, target in ((file, "/etc/pip.conf"), *((path, path) for path in shared))
    ]


def _settings() -> Iterator[tuple[str, str]]:
    """Those of pip's options that say where its registry is; the environment's come last."""
    for line in output(sys.executable, "-m", "pip", "config", "list").splitlines():
        name, _, value = line.partition("=")
        option = name.rpartition(".")[2]
        if option in OPTIONS:
            yield option, str(ast.literal_eval(value))


def _written(settings: dict[str, str], file: Path) -> Path:
    config = configparser.RawConfigParser()
    config["global"] = settings
    with open(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600), "w") as opened:
        config.write(opened)
    return file
