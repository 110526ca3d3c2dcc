"""Makes a recorded stack in a running cloud, by calls of AWS's API alone. docs/localcloud.md describes the file.

Images are the stand-in's. What the file can't say, since it is nobody's business outside, is made up: the network,
roles, passwords, the values of secrets.
"""

from __future__ import annotations

import json
import re
import secrets
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from localcloud import stand_in
from localcloud.services.ecr import images

VERSION: Final = 1
MANAGED: Final = "${database.secret}"
MADE_UP: Final = "${made-up}"
LABEL: Final = "stand-in.recorded"
PLACEHOLDER: Final = re.compile(r"\$\{([a-z_]+(?:\.[\w-]+)*)\}")
WITHIN: Final = 180.0
"""Seconds that a database or cache gets to be available."""
OF_DATABASE: Final = re.compile(r"DATABASE|POSTGRES|^PG|(^|_)DB(_|$)")
OF_CACHE: Final = re.compile(r"REDIS|VALKEY|CACHE")
"""Names of secrets that stand for a way in, where the address itself is secret."""
FIRST_RELEASE: Final = "recorded"
SMALLEST: Final = {"cpu": "256", "memory": "512"}
"""Of a task, where its definition has no size, as on EC2."""
Clients = Callable[[str], Any]


class MakingFailed(Exception):
    """One sentence: what couldn't be made."""


@dataclass(slots=True)
class Made:
    """What placeholders stand for, as it comes to be, and the way to it."""

    clients: Clients
    state: Path
    known: dict[str, str] = field(default_factory=dict)
    subnets: list[str] = field(default_factory=list)
    groups: dict[str, str] = field(default_factory=dict)
    vpc: str = ""
    role: str = ""
    images: dict[str, str] = field(default_factory=dict)
    database: str = ""
    """``host:port/name`` for a stand-in."""
    cache: str = ""
    """The ARN of the secret with the cache's URL."""
    secrets: dict[str, str] = field(default_factory=dict)
    """ARNs by name."""

    def filled(self, value: Any) -> Any:
        if isinstance(value, str):
            if value == MADE_UP:
                return f"made-up-{secrets.token_hex(8)}"
            return PLACEHOLDER.sub(lambda match: self.known.get(match[1], match[0]), value)
        if isinstance(value, Mapping):
            return {key: self.filled(each) for key, each in value.items()}
        return [self.filled(each) for each in value] if isinstance(value, list) else value


def read(file: Path) -> dict[str, Any]:
    """The recorded stack. Raises ``MakingFailed`` for what isn't one."""
    try:
        stack = json.loads(file.read_text())
    except (OSError, ValueError) as problem:
        raise MakingFailed(f"{file} can't be read as a recorded stack: {problem}.") from problem
    if not isinstance(stack, dict) or stack.get("version") != VERSION:
        found = stack.get("version") if isinstance(stack, dict) else None
        raise MakingFailed(f"{file} isn't a recorded stack of version {VERSION} (it says {found}); record it again.")
    return stack


def make(stack: Mapping[str, Any], clients: Clients, state: Path, account: str) -> dict[str, Any]:
    """Make all of it in an empty cloud; ``{"url", "images"}``. ``MakingFailed`` and botocore's errors pass."""
    made = Made(clients, state, {"account": account, "region": stack["region"]})
    _network(made)
    _roles(made)
    _log_groups(made, stack)
    _database(made, stack.get("database"))
    _cache(made, stack.get("cache"))
    _load_balancing(made, stack)
    _secrets(made, stack)
    ecs = clients("ecs")
    for cluster in stack["clusters"]:
        ecs.create_cluster(**cluster)
    paths = _health_paths(stack)
    for definition in stack["task_definitions"]:
        ecs.register_task_definition(**_definition(made, definition, paths))
    network = {"awsvpcConfiguration": {"subnets": made.subnets, "securityGroups": [made.groups["tasks"]]}}
    for service in stack["services"]:
        ecs.create_service(**made.filled(service), networkConfiguration=network)
    _scaling(made, stack["scaling"])
    _alarms(made, stack["alarms"])
    return {"url": _url(made, stack), "images": made.images}


def _network(made: Made) -> None:
    ec2 = made.clients("ec2")
    made.vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=made.vpc)
    zones = [each["ZoneName"] for each in ec2.describe_availability_zones()["AvailabilityZones"]][:2]
    made.subnets = [
        ec2.create_subnet(VpcId=made.vpc, CidrBlock=f"10.0.{third}.0/24", AvailabilityZone=zone)["Subnet"]["SubnetId"]
        for third, zone in zip((1, 2), zones, strict=True)
    ]
    tables = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [made.vpc]}])["RouteTables"]
    ec2.create_route(RouteTableId=tables[0]["RouteTableId"], DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    for name in ("balancer", "tasks", "data"):
        made.groups[name] = ec2.create_security_group(GroupName=f"recorded-{name}", Description=name, VpcId=made.vpc)[
            "GroupId"
        ]
    anybody = {"IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    for name, source in (
        ("balancer", anybody),
        ("tasks", {"UserIdGroupPairs": [{"GroupId": made.groups["balancer"]}, {"GroupId": made.groups["tasks"]}]}),
        ("data", {"UserIdGroupPairs": [{"GroupId": made.groups["tasks"]}]}),
    ):
        rule = {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 65535, **source}
        ec2.authorize_security_group_ingress(GroupId=made.groups[name], IpPermissions=[rule])


def _roles(made: Made) -> None:
    iam = made.clients("iam")
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ecs-tasks.amazonaws.com"}}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    made.role = iam.create_role(RoleName="recorded-tasks", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    actions = ["secretsmanager:GetSecretValue", "ssm:GetParameters", "kms:Decrypt", "logs:*", "ecr:*", "ssmmessages:*"]
    allowed = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]}
    iam.put_role_policy(RoleName="recorded-tasks", PolicyName="tasks", PolicyDocument=json.dumps(allowed))


def _log_groups(made: Made, stack: Mapping[str, Any]) -> None:
    logs = made.clients("logs")
    for group in stack["log_groups"]:
        logs.create_log_group(logGroupName=group["logGroupName"])
        if "retentionInDays" in group:
            logs.put_retention_policy(**group)


# -- database, cache --------------------------------------------------------------------------------------------------


def _await(what: str, is_there: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + WITHIN
    while not (found := is_there()):
        if time.monotonic() > deadline:
            raise MakingFailed(f"{what} isn't available after {WITHIN:.0f} s; look at `localcloud logs`.")
        time.sleep(0.2)
    return found


def _database(made: Made, recorded: Mapping[str, Any] | None) -> None:
    if not recorded:
        return
    rds = made.clients("rds")
    rds.create_db_subnet_group(
        DBSubnetGroupName="recorded", DBSubnetGroupDescription="recorded", SubnetIds=made.subnets
    )
    common = {
        "DBSubnetGroupName": "recorded",
        "VpcSecurityGroupIds": [made.groups["data"]],
        "ManageMasterUserPassword": True,
    }
    if "cluster" in recorded:
        cluster = dict(recorded["cluster"])
        group = _parameter_group(rds, cluster, of_cluster=True)
        shown = rds.create_db_cluster(**cluster, **common, **group)["DBCluster"]
        for member in recorded["members"]:
            rds.create_db_instance(
                **member,
                DBClusterIdentifier=cluster["DBClusterIdentifier"],
                Engine=cluster["Engine"],
                EnablePerformanceInsights=True,
            )
        made.known |= {"database.endpoint": shown["Endpoint"], "database.reader": shown["ReaderEndpoint"]}
        port, name = shown["Port"], cluster.get("DatabaseName")
    else:
        instance = dict(recorded["instance"])
        group = _parameter_group(rds, instance, of_cluster=False)
        identifier = instance["DBInstanceIdentifier"]
        shown = rds.create_db_instance(**instance, **common, **group, EnablePerformanceInsights=True)["DBInstance"]

        def available() -> Any:
            found = rds.describe_db_instances(DBInstanceIdentifier=identifier)["DBInstances"][0]
            return found.get("Endpoint")

        endpoint = _await(f"The database {identifier}", available)
        made.known["database.endpoint"] = endpoint["Address"]
        port, name = endpoint["Port"], instance.get("DBName")
    made.known["database.secret"] = shown["MasterUserSecret"]["SecretArn"]
    made.database = f"{made.known['database.endpoint']}:{port}/{name or 'postgres'}"


def _parameter_group(rds: Any, recorded: dict[str, Any], *, of_cluster: bool) -> dict[str, Any]:
    """What the create call is to name, for the parameters that were set."""
    values = recorded.pop("parameters", None)
    if not values:
        return {}
    kind = "DBClusterParameterGroupName" if of_cluster else "DBParameterGroupName"
    major = recorded["EngineVersion"].split(".")[0]
    family = f"{recorded['Engine']}{major}"
    create = rds.create_db_cluster_parameter_group if of_cluster else rds.create_db_parameter_group
    modify = rds.modify_db_cluster_parameter_group if of_cluster else rds.modify_db_parameter_group
    create(**{kind: "recorded", "DBParameterGroupFamily": family, "Description": "recorded"})
    for name, value in values.items():
        change = {"ParameterName": name, "ParameterValue": value, "ApplyMethod": "pending-reboot"}
        try:
            modify(**{kind: "recorded", "Parameters": [change]})
        except rds.exceptions.ClientError as refusal:  # Aurora's own parameters, which no PostgreSQL has
            if refusal.response["Error"]["Code"] not in ("InvalidParameterValue", "InvalidParameterCombination"):
                raise
    return {kind: "recorded"}


def _cache(made: Made, recorded: Mapping[str, Any] | None) -> None:
    if not recorded:
        return
    cache = made.clients("elasticache")
    wanted = dict(recorded)
    name, has_token, description = (
        wanted["ReplicationGroupId"],
        wanted.pop("has_token"),
        wanted.pop("Description", "recorded"),
    )
    token = secrets.token_hex(24)
    cache.create_cache_subnet_group(
        CacheSubnetGroupName="recorded", CacheSubnetGroupDescription="recorded", SubnetIds=made.subnets
    )
    cache.create_replication_group(
        **wanted,
        ReplicationGroupDescription=description,
        CacheSubnetGroupName="recorded",
        SecurityGroupIds=[made.groups["data"]],
        **({"AuthToken": token} if has_token else {}),
    )

    def available() -> Any:
        found = cache.describe_replication_groups(ReplicationGroupId=name)["ReplicationGroups"][0]
        return found["NodeGroups"][0] if found["Status"] == "available" else None

    endpoints = _await(f"The cache {name}", available)
    made.known["cache.endpoint"] = endpoints["PrimaryEndpoint"]["Address"]
    made.known["cache.reader"] = endpoints["ReaderEndpoint"]["Address"]
    scheme = "rediss" if recorded.get("TransitEncryptionEnabled") else "redis"
    user = f":{token}@" if has_token else ""
    url = f"{scheme}://{user}{made.known['cache.endpoint']}:{endpoints['PrimaryEndpoint']['Port']}"
    made.cache = made.clients("secretsmanager").create_secret(Name="stand-in-cache", SecretString=url)["ARN"]


# -- load balancing ---------------------------------------------------------------------------------------------------


def _load_balancing(made: Made, stack: Mapping[str, Any]) -> None:
    elb = made.clients("elbv2")
    for recorded in stack["target_groups"]:
        wanted = {key: value for key, value in recorded.items() if key != "attributes"}
        wanted["TargetType"] = "ip"
        arn = elb.create_target_group(**wanted, VpcId=made.vpc)["TargetGroups"][0]["TargetGroupArn"]
        elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=_attributes(recorded))
        name = f"target_group.{recorded['Name']}"
        made.known |= {f"{name}.arn": arn, f"{name}.id": arn.rsplit(":", 1)[1]}
    for recorded in stack["load_balancers"]:
        balancer = elb.create_load_balancer(
            Name=recorded["Name"],
            Scheme=recorded["Scheme"],
            Subnets=made.subnets,
            SecurityGroups=[made.groups["balancer"]],
        )["LoadBalancers"][0]
        arn, name = balancer["LoadBalancerArn"], f"load_balancer.{recorded['Name']}"
        made.known |= {f"{name}.arn": arn, f"{name}.id": arn.split(":loadbalancer/", 1)[1]}
        made.known[f"{name}.name"] = balancer["DNSName"]
        elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=_attributes(recorded))
        for listener in recorded["listeners"]:
            _listener(made, elb, arn, made.filled(listener))


def _attributes(recorded: Mapping[str, Any]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in recorded["attributes"].items()]


def _listener(made: Made, elb: Any, balancer: str, listener: Mapping[str, Any]) -> None:
    wanted = {key: listener[key] for key in ("Protocol", "Port", "DefaultActions")}
    if listener["Protocol"] == "HTTPS":
        wanted["Certificates"] = [{"CertificateArn": _certificate(made)}]
    arn = elb.create_listener(LoadBalancerArn=balancer, **wanted)["Listeners"][0]["ListenerArn"]
    for rule in listener["rules"]:
        elb.create_rule(ListenerArn=arn, **rule)


def _certificate(made: Made) -> str:
    """One that ACM has imported; the load balancer shows one of the local authority's in its place."""
    if "certificate" not in made.known:
        from datetime import UTC, datetime, timedelta

        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "recorded.invalid")])
        built = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now)
            .not_valid_after(now + timedelta(days=365))
            .sign(key, hashes.SHA256())
        )
        pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
        imported = made.clients("acm").import_certificate(
            Certificate=built.public_bytes(pem),
            PrivateKey=key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain),
        )
        made.known["certificate"] = imported["CertificateArn"]
    return made.known["certificate"]


def _url(made: Made, stack: Mapping[str, Any]) -> str:
    for balancer in stack["load_balancers"]:
        for listener in balancer["listeners"]:
            scheme, port = listener["Protocol"].lower(), listener["Port"]
            place = "" if port == {"http": 80, "https": 443}[scheme] else f":{port}"
            return f"{scheme}://{made.known['load_balancer.' + balancer['Name'] + '.name']}{place}"
    return ""


def _health_paths(stack: Mapping[str, Any]) -> dict[str, int]:
    """The status that each path of a health check wants: the first of its matcher."""
    return {
        group["HealthCheckPath"]: int(re.findall(r"\d+", group.get("Matcher", {}).get("HttpCode", "200"))[0])
        for group in stack["target_groups"]
        if group.get("HealthCheckPath")
    }


# -- tasks ------------------------------------------------------------------------------------------------------------


def _containers(stack: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    return (each for definition in stack["task_definitions"] for each in definition["containerDefinitions"])


def _secrets(made: Made, stack: Mapping[str, Any]) -> None:
    """Every secret and parameter that a container asks for, with made-up values under the keys that are asked for."""
    keys: dict[str, set[str]] = {}
    parameters: set[str] = set()
    for container in _containers(stack):
        for each in container.get("secrets", ()):
            if "parameter" in each:
                parameters.add(each["parameter"])
            elif each["secret"] != MANAGED:
                keys.setdefault(each["secret"], set()).add(each.get("key", ""))
    manager, store = made.clients("secretsmanager"), made.clients("ssm")
    for name, wanted in sorted(keys.items()):
        values = {key: f"made-up-{secrets.token_hex(8)}" for key in sorted(wanted - {""})}
        text = json.dumps(values) if values else f"made-up-{secrets.token_hex(8)}"
        made.secrets[name] = manager.create_secret(Name=name, SecretString=text)["ARN"]
    for name in sorted(parameters):
        store.put_parameter(Name=name, Type="SecureString", Value=f"made-up-{secrets.token_hex(8)}")


def push_release(clients: Clients, state: Path, repository: str, release: str, fail: str = "") -> str:
    """One release of the stand-in in a repository, which is made where it isn't there; the image's reference."""
    ecr = clients("ecr")
    if not any(each["repositoryName"] == repository for each in ecr.describe_repositories()["repositories"]):
        ecr.create_repository(repositoryName=repository)
    with tempfile.TemporaryDirectory() as folder:
        made = stand_in.copy_image(Path(folder), release, fail)
        return images.push(ecr, state, made, repository, None).uri


def repository_of(image: str) -> str:
    """``acme/api`` of any reference to an image of that name."""
    name = image.partition("@")[0]
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost" or first.startswith("${")):
        name = rest
    return re.sub(r"[^a-z0-9/_-]", "-", name.rpartition(":")[0].lower() if ":" in name else name.lower())


def _definition(made: Made, recorded: Mapping[str, Any], paths: Mapping[str, int]) -> dict[str, Any]:
    definition = {**SMALLEST, **recorded, "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"]}
    definition |= {"executionRoleArn": made.role, "taskRoleArn": made.role}
    definition["containerDefinitions"] = [
        _container(made, recorded["family"], each, paths) for each in recorded["containerDefinitions"]
    ]
    return definition


def _container(made: Made, family: str, recorded: Mapping[str, Any], paths: Mapping[str, int]) -> dict[str, Any]:
    wanted = {key: value for key, value in recorded.items() if key not in ("entryPoint", "command")}
    stood_for = {key: recorded[key] for key in ("image", "entryPoint", "command") if key in recorded}
    repository = repository_of(recorded["image"])
    if repository not in made.images:
        made.images[repository] = push_release(made.clients, made.state, repository, FIRST_RELEASE)
    wanted["image"] = made.images[repository]
    wanted["portMappings"] = [
        {"containerPort": each["containerPort"], "protocol": each.get("protocol", "tcp")}
        for each in recorded.get("portMappings", ())
    ]
    if "healthCheck" in recorded:
        stood_for["healthCheck"] = recorded["healthCheck"]["command"]
        wanted["healthCheck"] = {**recorded["healthCheck"], "command": ["CMD", "python", "health.py"]}
    wanted["dockerLabels"] = {**recorded.get("dockerLabels", {}), LABEL: json.dumps(stood_for)}
    own = {
        "STAND_IN_NAME": family,
        "STAND_IN_PORTS": ",".join(str(each["containerPort"]) for each in recorded.get("portMappings", ())),
        "STAND_IN_PATHS": json.dumps(paths),
        "STAND_IN_CONTROL": str(made.state / "stand-in" / family),
    }
    given = [_given(made, each) for each in recorded.get("secrets", ())]
    text = json.dumps(recorded.get("environment", ())) + json.dumps(recorded.get("secrets", ()))
    names = [each["name"] for each in recorded.get("secrets", ())]
    if made.database and ("${database." in text or any(OF_DATABASE.search(each) for each in names)):
        own["STAND_IN_DATABASE"] = made.database
        given.append({"name": "STAND_IN_DATABASE_SECRET", "valueFrom": made.known["database.secret"]})
    if made.cache and ("${cache." in text or any(OF_CACHE.search(each) for each in names)):
        given.append({"name": "STAND_IN_CACHE", "valueFrom": made.cache})
    variables = made.filled([dict(each) for each in recorded.get("environment", ())])
    wanted["environment"] = variables + [{"name": key, "value": value} for key, value in own.items()]
    wanted["secrets"] = given
    return wanted


def _given(made: Made, recorded: Mapping[str, str]) -> dict[str, str]:
    if "parameter" in recorded:
        return {"name": recorded["name"], "valueFrom": recorded["parameter"]}
    arn = made.secrets.get(recorded["secret"]) or made.filled(recorded["secret"])
    key = recorded.get("key", "")
    return {"name": recorded["name"], "valueFrom": f"{arn}:{key}::" if key else arn}


# -- scaling, alarms --------------------------------------------------------------------------------------------------


def _scaling(made: Made, recorded: Iterable[Mapping[str, Any]]) -> None:
    scaling = made.clients("application-autoscaling")
    for target in recorded:
        place = {
            "ServiceNamespace": "ecs",
            "ResourceId": target["ResourceId"],
            "ScalableDimension": "ecs:service:DesiredCount",
        }
        limits = {key: target[key] for key in ("MinCapacity", "MaxCapacity")}
        scaling.register_scalable_target(**place, **limits)
        for policy in target["policies"]:
            scaling.put_scaling_policy(**place, PolicyType="TargetTrackingScaling", **made.filled(policy))


def _alarms(made: Made, recorded: Iterable[Mapping[str, Any]]) -> None:
    cloudwatch, sns = made.clients("cloudwatch"), made.clients("sns")
    for alarm in recorded:
        wanted = {key: value for key, value in alarm.items() if key != "topics"}
        actions = {
            kind: [sns.create_topic(Name=each)["TopicArn"] for each in names]
            for kind, names in alarm["topics"].items()
            if names
        }
        cloudwatch.put_metric_alarm(**made.filled(wanted), **actions)
