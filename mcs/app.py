"""Composition root: the only place, beside the demo, that knows every part.

It turns what the command line was given into adapters, hands these to services, and sees to it that
a process stops in good order: the first SIGTERM or Ctrl-C lets it say goodbye (an agent appends
``ClusterLeft``), the second ends it at once.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from mcs.adapters.jetstream import JetStream


class LogSource(msgspec.Struct, frozen=True, kw_only=True):
    """Where the log is, and who we are there; ``demo_dir`` wins over ``url``."""

    url: str
    demo_dir: str = ""
    creds: str = ""
    nkey: str = ""
    user: str = ""
    password: str = ""
    ca: str = ""
    cert: str = ""
    key: str = ""


@contextlib.asynccontextmanager
async def open_log(source: LogSource, *, name: str) -> AsyncGenerator[JetStream, None]:
    """A connection to the log; ``name`` is what NATS' monitoring shows.

    Raises:
        BadSettings: a wrong URL, file or folder, or refused credentials.
        Unavailable: no NATS answers; the message says what to check.
    """
    from mcs.adapters.jetstream import connect
    from mcs.adapters.jetstream_login import Login

    login = Login(
        creds_file=source.creds,
        nkey_file=source.nkey,
        user=source.user,
        password=source.password,
        tls_ca=source.ca,
        tls_cert=source.cert,
        tls_key=source.key,
    )
    async with contextlib.AsyncExitStack() as stack:
        url = source.url
        if source.demo_dir:
            from mcs.demo.folder import newest_run, serve_run

            run = newest_run(Path(source.demo_dir))
            url, login = await stack.enter_async_context(serve_run(run)), Login()
        log = await connect(url, login=login, name=name)
        try:
            yield log
        finally:
            await log.close()
