"""PostgreSQL and Redis that take nothing but TLS, and certificates for them.

The machine's own servers, if it has any that know TLS; else the embedded ones, which do not,
each behind a terminator.
"""

import asyncio
import os
import shutil
import ssl
import subprocess
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from signal import SIGINT

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from redis import Redis
from redis.exceptions import RedisError

from services.cli import servers as embedded
from services.cli.child import Account, Child
from services.cli.errors import CliError
from services.cli.ports import listen_somewhere
from services.cli.scratch import Scratch

HOST = "127.0.0.1"
PATIENCE = timedelta(seconds=30)
SECONDS = PATIENCE.total_seconds()
SSL_REQUEST = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")
"""PostgreSQL's manual, "Message Formats": SSLRequest."""


@dataclass(frozen=True)
class Secured:
    """What listens, by whom it is to be trusted, and what the machine had."""

    database_url: str
    """Without `sslmode`."""
    redis_url: str
    authority: Path
    """Who signed the servers' certificate."""
    stranger: Path
    """Another authority, who did not."""
    choice: str


@contextmanager
def secured() -> Iterator[Secured]:
    """Both servers. They are gone afterwards."""
    with Scratch() as scratch, ExitStack() as stack:
        authority, chain, key = _certificates(scratch.folder)
        stranger = scratch.folder / "stranger.pem"
        stranger.write_bytes(_authority("stranger")[0].public_bytes(_PEM))
        database_url, database = _postgres(scratch, stack, chain, key)
        redis_url, redis = _redis(scratch, stack, chain, key)
        choice = f"PostgreSQL {database}, Redis {redis}"
        yield Secured(database_url, redis_url, authority, stranger, choice)


_PEM = serialization.Encoding.PEM


def _postgres(scratch: Scratch, stack: ExitStack, chain: Path, key: Path) -> tuple[str, str]:
    for binaries in _postgres_installations():
        try:
            port = _native_postgres(scratch, binaries, chain, key)
        except CliError:  # a build without TLS, or one that cannot run here
            continue
        return f"postgresql://postgres@{HOST}:{port}/postgres", f"of {binaries}"
    plain = stack.enter_context(embedded.postgres({"fsync": "off"}))
    port = stack.enter_context(_terminator(plain.port, chain, key, _answer_ssl_request))
    return f"postgresql://postgres@{HOST}:{port}/postgres", "behind a terminator"


def _redis(scratch: Scratch, stack: ExitStack, chain: Path, key: Path) -> tuple[str, str]:
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found:
            try:
                port = _native_redis(scratch, found, chain, key)
            except CliError:  # a build without TLS
                continue
            return f"rediss://{HOST}:{port}/0", f"of {found}"
    plain = stack.enter_context(embedded.redis())
    port = stack.enter_context(_terminator(plain.port, chain, key))
    return f"rediss://{HOST}:{port}/0", "behind a terminator"


def _postgres_installations() -> list[Path]:
    """Folders with both `postgres` and `initdb`: that on PATH, then Debian's, newest first."""
    on_path = shutil.which("postgres")
    folders = [Path(on_path).resolve().parent] if on_path else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return [each for each in dict.fromkeys(folders) if (each / "initdb").exists()]


def _native_postgres(scratch: Scratch, binaries: Path, chain: Path, key: Path) -> int:
    """Its port. It takes TLS connections alone, and trusts whoever makes one."""
    home = scratch.folder / f"postgres-tls-{binaries.parent.name}"
    home.mkdir(mode=0o700)
    for file in (chain, key):
        shutil.copy(file, home)
    (home / key.name).chmod(0o600)
    account = _nobody()
    if account:
        for path in (home, home / chain.name, home / key.name):
            os.chown(path, account.uid, account.gid)
    data = home / "data"
    made = subprocess.run(
        [binaries / "initdb", "-D", data, "--auth=trust", "--username=postgres", "--no-sync"],
        capture_output=True,
        text=True,
        cwd=home,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )
    if made.returncode:
        raise CliError(made.stderr)
    (data / "pg_hba.conf").write_text("hostssl all all all trust\n")
    settings = {
        "listen_addresses": HOST,
        "unix_socket_directories": "",
        "fsync": "off",
        "ssl": "on",
        "ssl_cert_file": home / chain.name,
        "ssl_key_file": home / key.name,
    }
    options = [f"--{name}={value}" for name, value in settings.items()]

    def start(port: int) -> None:
        server = scratch.spawn(
            "postgres-tls",
            [binaries / "postgres", "-D", data, "-p", str(port), *options],
            env=os.environ,
            cwd=home,
            account=account,
            stop_with=SIGINT,
        )
        server.wait_until(lambda: _is_ready(data, server), PATIENCE)

    return listen_somewhere(start)


def _is_ready(data: Path, server: Child) -> bool:
    """Its own word for it (postmaster.pid: pid in line 1, status in line 8)."""
    with suppress(FileNotFoundError):
        lines = (data / "postmaster.pid").read_text().split("\n")
        return lines[0] == str(server.pid) and len(lines) > 7 and lines[7].strip() == "ready"
    return False


def _nobody() -> Account | None:
    """PostgreSQL refuses to run as root."""
    import pwd

    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)


def _native_redis(scratch: Scratch, binary: str, chain: Path, key: Path) -> int:
    """Its port, on which it speaks nothing but TLS."""

    def start(port: int) -> None:
        options = {
            "port": "0",
            "tls-port": str(port),
            "tls-cert-file": str(chain),
            "tls-key-file": str(key),
            "tls-auth-clients": "no",
            "bind": HOST,
            "save": "",
            "dir": str(scratch.folder),
        }
        words = [word for name in options for word in (f"--{name}", options[name])]
        server = scratch.spawn("redis-tls", [binary, *words], env=os.environ)
        server.wait_until(lambda: _is_its_port(port, server.pid), PATIENCE)

    return listen_somewhere(start)


def _is_its_port(port: int, pid: int) -> bool:
    with suppress(RedisError), Redis(host=HOST, port=port, ssl=True, ssl_cert_reqs="none") as asked:
        return bool(asked.info("server")["process_id"] == pid)
    return False


Prelude = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def _answer_ssl_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """What PostgreSQL says before the handshake. Raises `ConnectionError` for a plain client."""
    if await reader.readexactly(len(SSL_REQUEST)) != SSL_REQUEST:
        raise ConnectionError("this server takes TLS connections only")
    writer.write(b"S")


@contextmanager
def _terminator(to: int, chain: Path, key: Path, prelude: Prelude | None = None) -> Iterator[int]:
    """The port of a thread that takes TLS and passes what it hears on to the port `to`."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain, key)
    loop = asyncio.new_event_loop()
    served: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        this = asyncio.current_task()
        assert this is not None
        served.add(this)
        this.add_done_callback(served.discard)
        with suppress(OSError, EOFError):
            try:
                if prelude:
                    await prelude(reader, writer)
                await writer.start_tls(context)
                await _join(reader, writer, to)
            finally:
                writer.close()

    async def listen() -> asyncio.Server:
        return await asyncio.start_server(serve, HOST, 0)

    async def stop(server: asyncio.Server) -> None:
        server.close()
        for task in list(served):
            task.cancel()
        await asyncio.gather(*served, return_exceptions=True)

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(listen(), loop).result(SECONDS)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(stop(server), loop).result(SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(SECONDS)
        loop.close()


async def _join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, to: int) -> None:
    """Carry bytes both ways until either side ends."""
    far_reader, far_writer = await asyncio.open_connection(HOST, to)
    ways = [
        asyncio.create_task(_carry(reader, far_writer)),
        asyncio.create_task(_carry(far_reader, writer)),
    ]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        far_writer.close()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


def _certificates(folder: Path) -> tuple[Path, Path, Path]:
    """Files: an authority's certificate, a server's that it signed, and the server's key."""
    authority, signing = _authority("order-engine tests")
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.IPAddress(ip_address(HOST))]  # and so not `localhost`
    server = (
        _certificate("server", authority.subject, key)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(signing, hashes.SHA256())
    )
    files = folder / "authority.pem", folder / "server.pem", folder / "server.key"
    files[0].write_bytes(authority.public_bytes(_PEM))
    files[1].write_bytes(server.public_bytes(_PEM))
    files[2].write_bytes(
        key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


def _authority(name: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    basic = x509.BasicConstraints(ca=True, path_length=0)
    made = _certificate(name, subject, key).add_extension(basic, critical=True)
    return made.sign(key, hashes.SHA256()), key


def _certificate(
    name: str, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
    )
