"""The two ends of every copy: nginx with the files, and the sink; each in plain HTTP and with TLS."""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from receiver.sandbox.ports import held_port

if TYPE_CHECKING:
    from collections.abc import Iterator

_SINK = Path(__file__).with_name("s3_sink.c")
_SINK_FLAGS = ("-O2", "-Wall", "-Wextra", "-Werror", "-pthread")
_START_S = 10
DISTANCE_MS = 60
"""So far away a far store is: what a request and its answer take from one continent to the next."""
_STEPPED_BACK = ("nice", "-n", "10")
"""Elsewhere these are other machines, so here they take what the contenders leave of the cores."""
_NGINX = """
daemon off;
{user}
worker_processes auto;
pid {own}/nginx.pid;
error_log {own}/nginx.log;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {own}/body; proxy_temp_path {own}/proxy; fastcgi_temp_path {own}/fastcgi;
  uwsgi_temp_path {own}/uwsgi; scgi_temp_path {own}/scgi;
  sendfile on; tcp_nopush on; keepalive_requests 1000000;
  ssl_certificate {folder}/tls.pem; ssl_certificate_key {folder}/tls.key; ssl_session_cache shared:tls:1m;
  ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
  {servers}
}}
"""
"""One cipher for all: left to the clients, Go takes AES-128 and OpenSSL AES-256, and ciphers would be compared."""
_SOURCE = """
  server {{
    listen 127.0.0.1:{source}; listen 127.0.0.1:{source_tls} ssl;
    root {folder}/files; default_type video/mp4;
  }}
"""
_STORE = """
  upstream sink {{ server 127.0.0.1:{sink}; keepalive 64; keepalive_requests 1000000; }}
  server {{
    listen 127.0.0.1:{sink_tls} ssl;
    client_max_body_size 0; client_body_buffer_size 256k;
    location / {{
      proxy_pass http://sink; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_request_buffering off; proxy_buffering off; proxy_read_timeout 600;
    }}
  }}
"""


@dataclass(frozen=True, slots=True)
class Ends:
    """Where copies are read from and written to, both plain or, where there is a `certificate`, both with TLS.

    `receiver serve` is told of the store by the fields that a test's S3 server has too.
    """

    source_url: str
    endpoint_url: str
    sink_port: int
    certificate: Path | None
    region: str = "us-east-1"
    access_key: str = "bench"
    secret_key: str = "bench-secret"

    def object_bytes(self, bucket: str, key: str) -> int:
        """Return the size of an object that was written, or -1 where the sink has none."""
        connection = http.client.HTTPConnection("127.0.0.1", self.sink_port, timeout=_START_S)
        connection.request("HEAD", f"/{bucket}/{key}")
        answer = connection.getresponse()
        connection.close()
        return int(answer.headers["Content-Length"]) if answer.status == 200 else -1

    def server(self, bucket: str) -> str | None:
        """Return what the store calls itself where it is asked for the bucket's head."""
        where = self.endpoint_url.rpartition("/")[2]
        connection = (
            http.client.HTTPConnection(where, timeout=_START_S)
            if self.certificate is None
            else http.client.HTTPSConnection(
                where, timeout=_START_S, context=ssl.create_default_context(cafile=self.certificate)
            )
        )
        connection.request("HEAD", f"/{bucket}")
        answer = connection.getresponse()
        connection.close()
        return answer.headers["Server"]


@contextmanager
def open_ends(folder: Path) -> Iterator[dict[str, Ends]]:
    """Run both ends over the files in `folder/files`; yield them as `plain` and as `tls`, and with a far store.

    Each end is a server of its own, as it is a host of its own elsewhere: in one, a single worker would have both.
    """
    _make_certificate(folder)
    binary = _compiled(folder)
    with ExitStack() as stack:
        source, source_tls, *stores_tls = (stack.enter_context(held_port()) for _ in range(4))
        source_config = _SOURCE.format(folder=folder, source=source, source_tls=source_tls)
        stack.enter_context(_nginx(folder, "source", source_config, source))
        ends = {}
        for store, late_ms, sink_tls in zip(("", "-far"), (0, DISTANCE_MS), stores_tls, strict=True):
            sink = stack.enter_context(_sink(binary, late_ms))
            store_config = _STORE.format(sink=sink, sink_tls=sink_tls)
            stack.enter_context(_nginx(folder, f"store{store}", store_config, sink_tls))
            ends[f"plain{store}"] = Ends(f"http://127.0.0.1:{source}", f"http://127.0.0.1:{sink}", sink, None)
            ends[f"tls{store}"] = Ends(
                f"https://127.0.0.1:{source_tls}", f"https://127.0.0.1:{sink_tls}", sink, folder / "tls.pem"
            )
        yield ends


def missing_tools() -> list[str]:
    """Return the programs that have to be installed first."""
    return [tool for tool in ("cc", "curl", "nginx", "openssl") if _found(tool) is None]


def _found(tool: str) -> str | None:
    return shutil.which(tool) or shutil.which(tool, path="/usr/sbin")  # where Debian keeps nginx, off a user's PATH


def _compiled(folder: Path) -> Path:
    binary = folder / "s3_sink"
    subprocess.run(["cc", *_SINK_FLAGS, "-o", binary, _SINK], check=True)
    return binary


@contextmanager
def _sink(binary: Path, late_ms: int) -> Iterator[int]:
    with subprocess.Popen([*_STEPPED_BACK, binary, str(late_ms)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


@contextmanager
def _nginx(folder: Path, name: str, servers: str, port: int) -> Iterator[None]:
    own = folder / name
    own.mkdir()
    path, log = own / "nginx.conf", own / "nginx.log"
    user = "user root;" if os.geteuid() == 0 else ""
    path.write_text(_NGINX.format(folder=folder, own=own, user=user, servers=servers), encoding="ascii")
    with subprocess.Popen([*_STEPPED_BACK, str(_found("nginx")), "-c", path, "-e", log]) as process:
        try:
            ends_at = time.monotonic() + _START_S
            while not _listens(port):
                if process.poll() is not None or time.monotonic() > ends_at:
                    sys.exit(f"nginx did not start:\n{log.read_text()[-2000:]}")
                time.sleep(0.02)
            yield
        finally:
            process.terminate()


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def _make_certificate(folder: Path) -> None:
    subject = ["-subj", "/CN=bench", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", folder / "tls.key"]
    subprocess.run(
        ["openssl", "req", "-x509", *key, *subject, "-out", folder / "tls.pem"], check=True, capture_output=True
    )
