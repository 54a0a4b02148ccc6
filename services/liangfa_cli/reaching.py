"""How the command line reaches a platform: with a certificate where the settings name one, else unencrypted."""

from __future__ import annotations

from collections.abc import Callable

import grpc

from liangfa_kit.rpc.client import Channel, Outgoing, connect
from liangfa_kit.rpc.tls import certificates, channel_credentials
from liangfa_kit.settings import PlatformSettings, load


def reach(address: str, token: Callable[[], str]) -> Channel:
    """Return a channel to `address` on which `token` signs every call. Raises what `certificates` raises."""
    return connect(address, Outgoing(token=token), certificates=certificates(load(PlatformSettings).tls))


def reach_health(address: str) -> grpc.Channel:
    """Return a blocking channel to `address` that carries no token: health needs none."""
    proof = certificates(load(PlatformSettings).tls)
    if proof is None:
        return grpc.insecure_channel(address)
    options = [("grpc.ssl_target_name_override", proof.server_name)] if proof.server_name else []
    return grpc.secure_channel(address, channel_credentials(proof.current()), options=options)
