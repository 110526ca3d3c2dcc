"""``[server]`` of omc.toml: where `omc serve` listens, who may ask it, and how much of it at a time."""

from __future__ import annotations

from typing import Annotated

from msgspec import field

from omc.config.fields import Identifier, Table, key

HTTPS = r"https://[^\s@?#]+|http://(?:localhost|127\.0\.0\.1)(?::[0-9]+)?(?:/[^\s@?#]*)?"
AN_HTTPS_URL = "a URL without a login, https://…; http:// for this machine alone"
ClaimValue = Annotated[
    str,
    key("A value of the claim.", pattern=r".+", allowed='values of the claim, ["sre"]'),
]


class OidcRolesTable(Table, frozen=True, kw_only=True):
    """Which values of the claim give which role. Who has several has the highest; who has none is refused."""

    viewer: Annotated[
        tuple[ClaimValue, ...],
        key("Who may read.", allowed='a list such as ["everyone"]', default="nobody", example=["everyone"]),
    ] = ()
    responder: Annotated[
        tuple[ClaimValue, ...],
        key("Who may work on incidents too.", allowed='a list such as ["sre"]', default="nobody", example=["sre"]),
    ] = ()
    approver: Annotated[
        tuple[ClaimValue, ...],
        key("Who may approve too.", allowed='a list such as ["leads"]', default="nobody", example=["leads"]),
    ] = ()
    admin: Annotated[
        tuple[ClaimValue, ...],
        key("Who may revoke tokens too.", allowed='a list such as ["ops"]', default="nobody", example=["ops"]),
    ] = ()


class OidcTable(Table, frozen=True, kw_only=True):
    """An identity provider (OpenID Connect) whose tokens are taken beside omc's own: signed with RS256 or ES256."""

    issuer: Annotated[
        str,
        key(
            "The provider, exactly as its tokens name it.",
            pattern=HTTPS,
            allowed=AN_HTTPS_URL,
            example="https://login.example.com",
        ),
    ]
    audience: Annotated[
        str,
        key("For whom its tokens are made: this server's name there.", pattern=r"\S+", allowed="a text", example="omc"),
    ]
    roles: Annotated[OidcRolesTable, key("See below.")]
    roles_claim: Annotated[
        str,
        key(
            "The claim that holds a person's groups or roles, a text or a list of texts.",
            pattern=r"\S+",
            allowed="a claim such as groups",
            example="groups",
        ),
    ] = "groups"
    name_claim: Annotated[
        str,
        key(
            "The claim by which the record names the person. `email` counts only where `email_verified` is true.",
            pattern=r"\S+",
            allowed="a claim such as sub or email",
            example="email",
        ),
    ] = "sub"
    jwks_url: (
        Annotated[
            str,
            key(
                "Where its keys are (JWKS).",
                pattern=HTTPS,
                allowed=AN_HTTPS_URL,
                default="what the provider's own configuration says, `<issuer>/.well-known/openid-configuration`",
                example="https://login.example.com/keys",
            ),
        ]
        | None
    ) = None
    skew_seconds: Annotated[
        int,
        key("How far its clock may be off.", least=0, most=300, unit="seconds", example=30),
    ] = 60


class ServerLimits(Table, frozen=True, kw_only=True):
    """How much is taken. Each process counts by itself, in memory: what this protects is the process."""

    requests_per_minute: Annotated[
        int,
        key("Of one token, or one person.", least=1, most=100_000, unit="requests a minute", example=120),
    ] = 300
    address_requests_per_minute: Annotated[
        int,
        key(
            "From one address (of IPv6: one /64). A token that is none counts as ten.",
            least=1,
            most=100_000,
            unit="requests a minute",
            example=1200,
        ),
    ] = 600
    body_bytes: Annotated[
        int, key("Of a request's body.", least=1024, most=1_048_576, unit="bytes", example=131_072)
    ] = 65_536
    body_seconds: Annotated[
        float, key("In which a body must have come.", least=0.1, most=60, unit="seconds", example=5.0)
    ] = 10.0
    answer_seconds: Annotated[
        float, key("In which a request must be answered.", least=1, most=120, unit="seconds", example=20.0)
    ] = 30.0
    connections: Annotated[
        int, key("At a time; one more is answered 503.", least=1, most=10_000, unit="connections", example=500)
    ] = 200


class SnsTable(Table, frozen=True, kw_only=True):
    """Topics whose messages are taken in for this environment at `/v1/sns`, beside what its queue brings."""

    topics: Annotated[
        tuple[
            Annotated[
                str,
                key(
                    "A topic.",
                    pattern=r"arn:aws[a-z-]{0,20}:sns:[a-z]{2,5}(?:-[a-z]+)+-[0-9]:[0-9]{12}:"
                    r"[A-Za-z0-9_-]{1,256}(?:\.fifo)?",
                    allowed="ARNs of topics",
                ),
            ],
            ...,
        ],
        key(
            "Their ARNs. Each must sign with SHA-256 (its attribute `SignatureVersion` is 2).",
            min_length=1,
            allowed="a list of ARNs of topics",
            example=["arn:aws:sns:ap-southeast-2:123456789012:other-alarms"],
        ),
    ]


class ServerSettings(Table, frozen=True, kw_only=True):
    """The HTTP API of `omc serve`. It speaks HTTP: TLS ends at whatever is before it."""

    listen: (
        Annotated[
            str,
            key(
                "Address and port; 0 for any port that is free.",
                pattern=r"(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|\[[0-9a-fA-F:]+\]|localhost):[0-9]{1,5}",
                allowed="an address and a port, 0.0.0.0:8080",
                default="none: there is no API",
                example="0.0.0.0:8080",
            ),
        ]
        | None
    ) = None
    address: (
        Annotated[
            str,
            key(
                "Where people and programs reach it; links in pages begin with it.",
                pattern=HTTPS,
                allowed=AN_HTTPS_URL,
                default="none",
                example="https://omc.example.com",
            ),
        ]
        | None
    ) = None
    proxies: Annotated[
        tuple[
            Annotated[
                str,
                key(
                    "A network.",
                    pattern=r"[0-9a-fA-F:.]+(?:/[0-9]{1,3})?",
                    allowed="addresses or networks, 10.0.0.0/16",
                ),
            ],
            ...,
        ],
        key(
            "Load balancers whose word about the client's address is taken (`X-Forwarded-For`).",
            allowed='a list such as ["10.0.0.0/16"]',
            default="none",
            example=["10.0.0.0/16"],
        ),
    ] = ()
    oidc: Annotated[OidcTable, key("See below.", default="none")] | None = None
    limits: Annotated[ServerLimits, key("See below.", default="as below")] = field(default_factory=ServerLimits)
    sns: Annotated[
        dict[Identifier, SnsTable], key("By environment. See below.", default="none: no message of SNS's is taken")
    ] = field(default_factory=dict)


DEFAULT_SERVER = ServerSettings()
