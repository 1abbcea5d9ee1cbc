"""The Hub's own client, made safe to wait for: time limits, proxies, certificates, offline mode.

Everything that speaks to a Hub is made here, from what the environment says or the caller hands in. The
client reads most of its environment when it is imported, so this is imported only once a Hub id was met.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from huggingface_hub import HfApi, constants
from huggingface_hub.utils import build_hf_headers, hf_raise_for_status, logging
from huggingface_hub.utils._http import hf_request_event_hook

from adapter_merge.errors import Corrupt, RequestError
from adapter_merge.hub.retry import Limits, Patience
from adapter_merge.hub.translate import Asked, httpx, pause_of, said
from adapter_merge.offline import install_clients

LIBRARY = "adapter-merge"
SIGNATURE = "ADAPTER_MERGE_SIGNATURE"
_LONGEST_PAUSE = 60  # seconds
_PLAIN_TAG = re.compile(r'(?:W/)?"?\w[\w.-]{0,200}"?', re.ASCII)
_BUNDLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@dataclass(frozen=True, kw_only=True, slots=True)
class Client:
    """One Hub, and who asks it.

    Attributes:
        endpoint: its address, without a slash at the end; it may hold credentials, which go in the token's place.
        cache: the folder that every program on this machine keeps the Hub's files in.
        offline: whether only that folder may be asked.
        token: for reading; None is the client's own order (OIDC, `HF_TOKEN`, `hf auth login`), False none.
        write_token: for publishing; None is the one for reading.
        patience: for what is safe to repeat.
        signature: what commits and pull requests say of who made them, in one line; empty for nothing.
    """

    endpoint: str = field(repr=False)
    cache: Path
    offline: bool = False
    token: str | bool | None = field(default=None, repr=False)
    write_token: str | None = field(default=None, repr=False)
    patience: Patience = field(default_factory=Patience)
    signature: str = ""

    @property
    def reader(self) -> HfApi:
        """The client with the token for reading."""
        return self._api(self.token)

    @property
    def writer(self) -> HfApi:
        """The client with the token for publishing."""
        return self._api(self.write_token or self.token)

    def _api(self, token: str | bool | None) -> HfApi:
        return HfApi(
            endpoint=self.endpoint,
            token=token,
            library_name=LIBRARY,
            library_version=version(LIBRARY),
        )

    def headers(self) -> dict[str, str]:
        """What a request for reading carries."""
        return build_hf_headers(
            token=self.token, library_name=LIBRARY, library_version=version(LIBRARY)
        )

    def asked(
        self,
        repo: str | None,
        *,
        revision: str | None = None,
        path: str | None = None,
        write: bool = False,
    ) -> Asked:
        """The subject of a question to this Hub, for `translated`."""
        return Asked(endpoint=self.endpoint, repo=repo, revision=revision, path=path, write=write)


def connect(
    *,
    endpoint: str | None = None,
    cache: Path | None = None,
    offline: bool | None = None,
    token: str | bool | None = None,
    write_token: str | None = None,
    patience: Patience | None = None,
) -> Client:
    """A client; what is left out is what the environment says.

    The patience's limits hold for all that this process asks of any Hub, until it connects anew.

    That is `HF_ENDPOINT`, `HF_HOME` and `HF_HUB_CACHE`, `HF_HUB_OFFLINE`, `HF_TOKEN` and its like,
    `HF_WRITE_TOKEN`, and `ADAPTER_MERGE_SIGNATURE`.

    Raises:
        RequestError: the address or the certificates that the environment names can't be used.
    """
    patient = patience or Patience()
    _install(patient.limits)
    address = (endpoint or constants.ENDPOINT).rstrip("/")
    if (why := _no_address(address)) is not None:
        # It is not shown: it may hold a password, and where that ends nobody can tell.
        raise RequestError(
            f"`HF_ENDPOINT` is no address of a Hub: {why}",
            hint="Write it as `https://host` or `https://host/path`, or unset it; what is special in a password "
            "is written as `%40`.",
        )
    return Client(
        endpoint=address,
        cache=cache or Path(constants.HF_HUB_CACHE),
        offline=constants.is_offline_mode() if offline is None else offline,
        token=token,
        write_token=write_token or os.environ.get("HF_WRITE_TOKEN") or None,
        patience=patient,
        signature=" ".join(os.environ.get(SIGNATURE, "").split()),
    )


def _no_address(text: str) -> str | None:
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "its host or its port can't be read"
    if parts.scheme not in {"https", "http"}:
        return "it starts with neither `https://` nor `http://`"
    if not host:
        return "it names no host"
    if "@" in parts.path:
        return "it has an `@` behind the host"
    return "it goes on after the path" if parts.query or parts.fragment else None


@lru_cache(maxsize=1)
def _install(limits: Limits) -> None:
    """Give the Hub's client our HTTP client; not twice the same, as that closes the one in use."""
    verify = certificates(os.environ)

    def factory() -> Any:
        return httpx.Client(
            event_hooks={
                "request": [hf_request_event_hook, partial(_bound, limits)],
                "response": [_hurry, _require_plain_tag],
            },
            follow_redirects=True,
            timeout=None,  # `_bound` knows better
            verify=verify,
        )

    install_clients(factory)
    if "HF_HUB_VERBOSITY" not in os.environ:
        logging.set_verbosity_error()  # it warns of each failure that it tries again


def certificates(environ: Mapping[str, str]) -> ssl.SSLContext | bool:
    """Whom to trust: the bundle that the environment names, else what the HTTP client trusts.

    Raises:
        RequestError: a variable names no bundle.
    """
    named = next(((n, environ[n]) for n in _BUNDLES if environ.get(n)), None)
    if named is None:
        return True
    variable, bundle = named
    folder = Path(bundle).is_dir()
    try:
        return ssl.create_default_context(
            cafile=None if folder else bundle, capath=bundle if folder else None
        )
    except OSError as e:
        raise RequestError(
            f"`{variable}` names `{bundle}`, which holds no certificates that can be read",
            hint=f"Name a PEM bundle, or unset `{variable}`.",
        ) from e


def _bound(limits: Limits, request: Any) -> None:
    """Set the time limits that a call left open; the Hub's client leaves most open, even against ours."""
    read = limits.read if request.method in {"GET", "HEAD"} else limits.write
    ours = {"connect": limits.connect, "read": read, "write": read, "pool": read}
    given = request.extensions.get("timeout", {})
    request.extensions["timeout"] = {k: given.get(k) or v for k, v in ours.items()}


def _hurry(response: Any) -> None:
    """Fail where the client would sleep for as long as an answer says, without a limit of its own."""
    if response.status_code == 429 and (pause_of(response) or 0) > _LONGEST_PAUSE:
        hf_raise_for_status(response)


def _require_plain_tag(response: Any) -> None:
    """Refuse a digest that leads elsewhere: the client writes a file under the name that an answer gives.

    Source: huggingface_hub `_hf_hub_download_to_cache_dir`, where an `ETag` becomes a path below `blobs`.
    """
    if response.request.method != "HEAD" or "/resolve/" not in response.url.path:
        return
    for name in ("x-linked-etag", "etag"):
        tag = response.headers.get(name)
        if tag is not None and _PLAIN_TAG.fullmatch(tag) is None:
            raise Corrupt(
                f"{response.url.host} gives a file a digest that is none: {said(tag)}",
                hint="Check `HF_ENDPOINT`: the client would write a file under that name.",
            )
