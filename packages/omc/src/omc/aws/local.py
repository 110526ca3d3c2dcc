"""Where a local cloud is: what it writes for any client into ``cloud.json`` of its state folder."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from omc.errors import Unreachable


@dataclass(frozen=True, slots=True)
class LocalEndpoint:
    """How to reach a running local cloud."""

    endpoint: str
    region: str
    account: str
    access_key: str
    secret_key: str
    port_shift: int
    """Added to ports below 1024 where this user may not listen on them."""
    token: str = field(default="", repr=False)
    """What the cloud's private pages want."""
    exchange_url: str = ""
    """Where the cloud plays the exchange that the backend asks for quotes."""

    def environment(self) -> dict[str, str]:
        """What any AWS client needs in its environment to talk to this cloud and to nothing else."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_EC2_METADATA_DISABLED": "true",
            # StartLiveTail would go to "stream-" and the endpoint, which is an address and no name.
            "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
        }


def local_endpoint(state: Path) -> LocalEndpoint:
    """Read ``cloud.json`` of a state folder. Raises ``Unreachable`` where there is none, or none that makes sense."""
    file = state / "cloud.json"
    try:
        payload = json.loads(file.read_text())
        return LocalEndpoint(
            endpoint=payload["endpoint"],
            region=payload["region"],
            account=payload["account"],
            access_key=payload["access_key_id"],
            secret_key=payload["secret_access_key"],
            port_shift=payload["port_shift"],
            token=payload.get("token", ""),
            exchange_url=payload.get("outside_api_url", ""),
        )
    except FileNotFoundError:
        raise Unreachable(f"No local cloud runs in {state}. Start one: omc local up") from None
    except (OSError, ValueError, KeyError) as error:
        raise Unreachable(f"{file} can't be read ({error}). Recreate it: omc local up") from error
