"""What the images say of themselves."""

import pytest

from tests.images.building import TOLD, Image

PORTS = {"api": "8000/tcp", "worker": "9100/tcp"}
DESCRIPTIONS = {
    "api": "Takes orders over HTTP and tells their steps over WebSockets",
    "worker": "Executes orders; python -m services.worker.migrate brings the database up to date",
}


def test_python_is_the_entry_point_without_a_shell(image: Image) -> None:
    assert image.config["Entrypoint"] == ["python", "-m", f"services.{image.kind}"]
    assert "Cmd" not in image.config


def test_the_user_is_a_number(image: Image) -> None:
    assert image.config["User"] == "10001:10001"


def test_the_environment_holds_no_setting_and_nothing_of_the_build(image: Image) -> None:
    assert image.config["Env"] == [
        "PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin",
        "PYTHONPATH=/app",
        "PYTHONSAFEPATH=1",
        "PYTHONDONTWRITEBYTECODE=1",
        "PYTHONUNBUFFERED=1",
    ]


@pytest.mark.parametrize("kind", ["api", "worker"])
def test_only_the_port_it_listens_on_is_exposed(images: dict[str, Image], kind: str) -> None:
    assert images[kind].config["ExposedPorts"] == {PORTS[kind]: {}}


def test_labels_say_what_it_is_and_what_it_was_made_of(image: Image) -> None:
    prefix = "org.opencontainers.image."
    labels = {name: value for name, value in image.config["Labels"].items() if prefix in name}

    assert labels == {
        f"{prefix}title": f"order-engine-{image.kind}",
        f"{prefix}description": DESCRIPTIONS[image.kind],
        f"{prefix}licenses": "MIT",
        f"{prefix}version": "0.1.0",
        f"{prefix}revision": TOLD["REVISION"],
        f"{prefix}created": TOLD["CREATED"],
    }
