"""Forms in which secrets are written, by kind: commands, SQL, headers, fields, blocks, URLs; and prose about them."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omc.redaction import REDACTED, mask, without_secrets
from support.growth import growth

CANARY = "c4n4ry"
COMMANDS = (
    f"curl -u user:{CANARY} https://host/x",
    f"curl -sSfu user:{CANARY} https://host/x",
    f"curl -uuser:{CANARY} https://host",
    f'curl -X POST -H "a: b" --user "user:{CANARY} {CANARY}" https://host',
    f"curl 'https://h/?a=1&b=2' --user=user:{CANARY}",
    f"curl -x http://proxy:3128 -U user:{CANARY} https://host",
    f"/usr/bin/curl --proxy-user user:{CANARY} https://host",
    f"http -a user:{CANARY} GET host/x",
    f"ab -n 10 -A user:{CANARY} http://host/",
    f"skopeo copy --src-creds AWS:{CANARY} docker://a docker://b",
    f"mysql -h db -uroot -p{CANARY} app",
    f"mysqldump -u root -p'{CANARY} {CANARY}' app",
    f"kubectl exec pod -- mysqladmin -p{CANARY} ping",
    f"mariadb-dump --single-transaction -p{CANARY} app",
    f"pt-table-checksum -u root -p{CANARY}",
    f"7z x -p{CANARY} backup.7z",
    f"sshpass -p {CANARY} ssh host",
    f"sshpass -p{CANARY} ssh host",
    f"docker login -u me -p {CANARY} registry.example.com",
    f"helm registry login -u me -p {CANARY} host",
    f"mongosh mongodb://host -u me -p {CANARY}",
    f"mongodump -u me -p {CANARY} --gzip",
    f"redis-cli -h cache -a {CANARY} ping",
    f"valkey-cli -a {CANARY} info",
    f"ldapsearch -x -D cn=admin -w {CANARY} -b dc=x",
    f"sqlcmd -S db -U sa -P {CANARY}",
    f"unzip -P {CANARY} backup.zip",
    f"mosquitto_pub -h h -u me -P {CANARY} -t x",
    f"ipmitool -I lanplus -U root -P {CANARY} power status",
    f"smbclient //host/share -U user%{CANARY}",
    f"lftp -u user,{CANARY} host",
    f"keytool -list -keystore a.jks -storepass {CANARY}",
    f"openssl rsa -in a.pem -passin pass:{CANARY}",
    f"snmpwalk -v3 -A {CANARY} host",
)
SQL = (
    f'CREATE USER x IDENTIFIED BY "{CANARY}"',
    f"CREATE USER x IDENTIFIED BY {CANARY}",
    f"ALTER USER scott IDENTIFIED BY {CANARY} ACCOUNT UNLOCK",
    f"ALTER USER x PASSWORD $${CANARY}$$",
    f"ALTER ROLE x WITH PASSWORD $pw${CANARY} it's$pw$ VALID UNTIL 'infinity'",
    f"ALTER ROLE x ENCRYPTED PASSWORD '{CANARY}''s {CANARY}'",
    f"create role x login password E'{CANARY}'",
    f"CREATE LOGIN x WITH PASSWORD = N'{CANARY}'",
    f"CREATE USER 'x'@'%' IDENTIFIED WITH mysql_native_password BY '{CANARY}'",
    f"CREATE USER 'x'@'%' IDENTIFIED WITH caching_sha2_password AS '{CANARY}'",
    f"GRANT ALL ON *.* TO 'x'@'%' IDENTIFIED BY PASSWORD '{CANARY}'",
    f"SET PASSWORD FOR 'x'@'%' = '{CANARY}'",
    f"SET PASSWORD FOR 'x'@'%' = PASSWORD('{CANARY}')",
    f"UPDATE mysql.user SET authentication_string = PASSWORD('{CANARY}')",
    f"CREATE SUBSCRIPTION s CONNECTION 'host=h user=u password={CANARY}' PUBLICATION p",
    f"select dblink_connect('host=h password={CANARY} user=u')",
)
HEADERS = (
    f'Authorization: Digest username="a", realm="b", nonce="c", uri="/", response="{CANARY}0123456789abcdef0123"',
    f'Proxy-Authorization: Digest username="a", response="{CANARY}", opaque="{CANARY}"',
    f'Authorization: OAuth oauth_consumer_key="a", oauth_signature="{CANARY}"',
    f'Authorization: Hawk id="a", ts="1", mac="{CANARY}"',
    f'Authorization: Token token="{CANARY}", email="a@b.c"',
    f'Authorization: Signature keyId="a",algorithm="b",signature="{CANARY}"',
    f"Authorization: AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host, Signature={CANARY}",
    f"authorization: SharedKey account:{CANARY}",
    f"Authorization: SCRAM-SHA-256 sid=a,data={CANARY}",
    f'curl -H \'Authorization: Digest username="a", response="{CANARY}"\' https://h',
    f"Authorization: ApiKey {CANARY}",
    f"authorization: {CANARY}",
    f'> Authorization: Custom one="{CANARY}" two="{CANARY}"',
)
FIELDS = (
    f"name: DB_PASSWORD\nvalue: {CANARY}",
    f"- name: DB_PASSWORD\n  value: {CANARY}\n- name: LEVEL\n  value: info",
    f"env:\n  - name: LEVEL\n    value: info\n  - name: API_TOKEN\n    value: '{CANARY} {CANARY}'\n",
    f'- name: "SMTP_PASSWORD"\n  value: "{CANARY}"',
    f"- name: SMTP_PASSWORD\n  description: of the mail server\n  value: {CANARY}",
    f"- value: {CANARY}\n  name: SMTP_PASSWORD",
    f'name  = "DB_PASSWORD"\nvalue = "{CANARY}"',
    f'{{ name = "DB_PASSWORD", value = "{CANARY}" }}',
    f"ParameterKey=DBPassword,ParameterValue={CANARY}",
    f"ParameterKey=Size,ParameterValue=2 ParameterKey=DBPassword,ParameterValue={CANARY}",
    f"ParameterKey=DBPassword,UsePreviousValue=false,ParameterValue={CANARY}",
    f'"ParameterKey": "DBPassword",\n "ParameterValue": "{CANARY}"',
    f'"ParameterValue": "{CANARY}", "ParameterKey": "DBPassword"',
    f"OptionName=DB_PASSWORD,Value={CANARY}",
    f"Name=/prod/db-password,Type=SecureString,Value={CANARY}",
    f"Key=api-token,Value={CANARY}",
    f'{{"Key":"api-token","Value":"{CANARY}"}} and more',
    f'<add key="DBPassword" value="{CANARY}"/>',
    f"<add key='DBPassword' value='{CANARY}'/>",
    f'<add value="{CANARY}" key="DBPassword"/>',
    f'<property name="hibernate.connection.password" value="{CANARY}"/>',
    f'<property name="hibernate.connection.password">{CANARY}</property>',
    f'<entry key="password">{CANARY}</entry>',
    f"<name>javax.jdo.option.ConnectionPassword</name>\n  <value>{CANARY}</value>",
    f"<key>Password</key>\n<string>{CANARY}</string>",
    f"<password><![CDATA[{CANARY}]]></password>",
    f'<setting name="SmtpPassword" serializeAs="String"><value>{CANARY}</value></setting>',
)
BLOCKS = (
    f'passwords = ["{CANARY}", "{CANARY}"]',
    f'api_tokens = [\n  "{CANARY}",\n  "{CANARY}",\n]\nname = "x"',
    f"passwords=['{CANARY}','{CANARY}'] and more",
    f"password: |\n  {CANARY}\n  {CANARY}\nnext: x",
    f"password: >-\n  {CANARY}\n\n  {CANARY}\n",
    f"db:\n  password: |2-\n      {CANARY}\n  user: x",
    f"private_key: |+ # of the deployment\n    {CANARY}\n    {CANARY}",
    f"stringData:\n  token: |\n    {CANARY}\n  other: x\n",
    f"- secret: |\r\n    {CANARY}\r\n    {CANARY}\r\n- x: y",
    f'password = """{CANARY}"""',
    f'password = """\n{CANARY}\n{CANARY} "quoted" {CANARY}\n"""',
    f"api_key = '''{CANARY}\n{CANARY}'''",
    f"password = <<EOF\n{CANARY}\n{CANARY}\nEOF\n",
    f"password = <<-EOT\n    {CANARY}\n    EOT\n",
    f"export DB_PASSWORD=<<'END'\n{CANARY}\nEND",
    f"password = $${CANARY} {CANARY}$$",
    f"htpasswd -bc /etc/htpasswd user {CANARY}",
    f"machine api.example.com login me password {CANARY}",
)
URLS = (
    f"postgres://u:12/{CANARY}@h",
    f"postgresql://u:5432/{CANARY}@h:5432/db",
    f"postgresql+psycopg://u:1/{CANARY}@h/db?sslmode=require",
    f"mysql://u:3306#{CANARY}@h/db",
    f"redis://:6379/{CANARY}@cache:6379/0",
    f"rediss://u:1?{CANARY}@cache",
    f"amqps://u:12/{CANARY}/{CANARY}@mq:5671/vhost",
    f"mongodb+srv://u:1/{CANARY}@cluster.example.net/db",
    f"mongodb://u:99/{CANARY}@a:27017,b:27017/db",
    f"mariadb://u:7/{CANARY}@h",
    f"smtp://u:25/{CANARY}@mail:587",
    f"clickhouse://u:8/{CANARY}@h",
    f"jdbc:mysql://u:0/{CANARY}@h/db",
)
PROSE = (
    *("token: expired", "Token: expired at 12:00", "password: required", "password: is required", "secret: missing"),
    *("Unexpected token: <", "Unexpected token: }", "unexpected token: IDENTIFIER", "illegal token: ';'"),
    *("authorization: denied by policy", "Authorization: failed for user alice", "authorization: not configured"),
    *("password: must be at least 12 characters", "Invalid password: too short", "token: invalid", "cookie: disabled"),
    *("cookie: missing, the session is new", "credentials: not found", "credential: could not be read"),
    *("api key: revoked yesterday", "secret: does not exist", "jwt token: malformed", "Set-Cookie: rejected"),
    *("password=required", "token=expired", "password: string", "db_password: unchanged", "refresh_token: has expired"),
    *("client_secret: was rotated by alice", "access token: for this audience only", "token: (none)", "password: ***"),
    *("password = $(aws secretsmanager get-secret-value)", "docker run -p 8080:80 nginx", "ssh -p 2222 host"),
    *("mysql -p app", "mysql -P 3306 -h db", "curl -u https://host", "curl -o out.txt https://host:443/x", "ab -n 10"),
    *("psql -U postgres -h db", "redis-cli -h cache ping", "grep -a pattern file", "mkdir -p dir/sub", "cp -a one two"),
    *("mysql is slow; docker run -p 80:80 x", "http://host:8080/a/@scope/pkg", "postgres://host:5432/db?user=a@b"),
    *("name: LEVEL\nvalue: info", "ParameterKey=Size,ParameterValue=2", '<add key="Level" value="info"/>'),
    *("- name: LEVEL\n  value: info\n- name: PASSWORD_FILE\n  value: /run/x", "Key=Name,Value=backend"),
    *("identified by the load balancer", "description: |\n  some text\n  more", "Unexpected token < in JSON"),
    *("secret_name: |\n  db", "mac=02:42:ac:11:00:02", "response=200", "signature=v4"),
)
FORMS = (*COMMANDS, *SQL, *HEADERS, *FIELDS, *BLOCKS, *URLS)


@pytest.mark.parametrize("text", FORMS)
def test_a_secret_is_masked_in_whatever_form_it_is_written(text: str) -> None:
    masked = mask(text)
    assert CANARY not in masked
    assert REDACTED in masked
    assert mask(masked) == masked


@pytest.mark.parametrize("text", FORMS)
def test_a_form_is_known_among_other_things(text: str) -> None:
    assert CANARY not in mask(json.dumps({"level": "error", "message": text}))
    assert CANARY not in json.dumps(without_secrets({"log": [text, {"deep": text}]}))
    assert CANARY not in mask(f"{text}\nstarted x=1")
    assert "x=1" in mask(f"x=1 started\n{text}")


@pytest.mark.parametrize("text", PROSE)
def test_a_sentence_about_a_secret_is_shown(text: str) -> None:
    assert mask(text) == text
    assert mask(f"2026-11-29T18:00:00Z ERROR {text}") == f"2026-11-29T18:00:00Z ERROR {text}"


@pytest.mark.parametrize("command", [text for text in COMMANDS if "'" not in text and '"' not in text])
def test_a_containers_words_are_masked_like_a_line(command: str) -> None:
    words = command.split(" ")
    masked = without_secrets({"command": words})["command"]
    assert CANARY not in json.dumps(masked)
    assert len(masked) == len(words)
    assert [word for word in masked if REDACTED not in word] == [word for word in words if CANARY not in word]
    assert without_secrets({"command": masked})["command"] == masked
    assert CANARY not in mask(f"command: {json.dumps(words)} and more")


@pytest.mark.parametrize(
    ("fields", "value"),
    [
        ({"ParameterKey": "DBPassword", "ParameterValue": CANARY}, "ParameterValue"),
        ({"OptionName": "DB_PASSWORD", "Namespace": "x", "Value": CANARY}, "Value"),
        ({"ParameterName": "auth-token", "ParameterValue": CANARY, "ApplyMethod": "immediate"}, "ParameterValue"),
        ({"TagKey": "api-token", "TagValue": CANARY}, "TagValue"),
        ({"headerName": "X-Api-Key", "headerValue": CANARY}, "headerValue"),
        ({"Key": "api_key", "Value": CANARY}, "Value"),
        ({"name": "SMTP_PASSWORD", "value": CANARY}, "value"),
        ({"variable_name": "SMTP_PASSWORD", "variable_value": CANARY}, "variable_value"),
        ({"AttributeKey": "secret", "AttributeValue": {"deep": [CANARY]}}, "AttributeValue"),
        ({"key": "password", "default_value": CANARY}, "default_value"),
    ],
)
def test_the_value_half_of_a_pair_is_masked_and_not_its_name(fields: dict[str, object], value: str) -> None:
    masked = without_secrets(fields)
    assert CANARY not in json.dumps(masked)
    assert {**masked, value: 0} == {**fields, value: 0}


@given(st.sampled_from(FORMS), st.text(max_size=40), st.text(max_size=40))
def test_masking_a_form_among_any_text_is_final(form: str, before: str, after: str) -> None:
    once = mask(f"{before} {form} {after}")
    assert mask(once) == once


@given(st.lists(st.sampled_from([*re.findall(r"\S+|\s", " ".join(FORMS)), "\n", "{", '"', "'", "\\"]), max_size=30))
def test_masking_shuffled_parts_of_forms_is_final(parts: list[str]) -> None:
    once = mask("".join(parts))
    assert mask(once) == once


@pytest.mark.parametrize(
    "part",
    [
        *(
            "curl -u a:",
            "mysql -p",
            "curl ",
            "-p ",
            "-u a:b ",
            "password $a$ ",
            "password $",
            "identified by ",
            "<<E\n",
        ),
        *("password=<<E\n", "password: |\n ", "password: |\n", 'password="""', "'''", "password='''a", "<a key="),
        *(
            '<add key="a" value="',
            "name: a\nvalue: ",
            "value: a\n",
            "value=a,name=",
            "name=a,b=c,d=e,",
            "key=",
            "Value=",
        ),
        *('authorization: a="', "response=", "postgres://a:1/", "postgres://a:1/b@", "machine a login b password "),
        *("<key>password</key>", "<name>", "set password for ", "password: is ", "token: ", "unexpected token: "),
        *("passwords = [", 'passwords = ["', 'passwords = ["a", ', "tokens=['a' "),
        *("name", "value", "nameKey", "password: |\\n", "| ", "$$", "password $$", "redis-cli -a ", "docker login -p "),
    ],
)
def test_no_form_takes_more_time_than_in_proportion_to_the_length(part: str) -> None:
    assert growth(mask, part) < 150  # 20 in proportion, 400 by the square
