"""What a one-off task runs to look at a database: a program for any image with Python and psycopg, also for one that
was built before this omc. It logs in as the image's migration does, reads, and prints one line."""

from __future__ import annotations

LOGIN = """
import json, os, time
import psycopg
E = os.environ
for to, of in zip("HOST PORT DATABASE USER PASSWORD SSLMODE".split(), "SERVER PORT DB USER PASSWORD SSLMODE".split()):
    if "POSTGRES_" + of in E:
        E["PG" + to] = E["POSTGRES_" + of]
""".strip()
"""How a program for an image begins that logs in as the image's migration does: libpq's variables from the stack's."""
SCRIPT = (
    LOGIN
    + r'''
DEEP, MOST = E.get("OMC_DEEP") == "1", int(E.get("OMC_MOST_BYTES", 20 << 30))
AS_OF = E.get("OMC_AS_OF") or None
NAMES = "created_at inserted_at recorded_at received_at as_of occurred_at at time applied_at updated_at".split()
began = time.monotonic()
def login():
    until = time.monotonic() + 120
    while True:
        try:
            return psycopg.connect(connect_timeout=10, autocommit=True, application_name="omc-backup",
                options="-c TimeZone=UTC -c lock_timeout=5s -c statement_timeout=1800s "
                "-c default_transaction_read_only=" + ("off" if DEEP else "on"))
        except psycopg.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(2)
db = login()
ask = lambda text, *values: db.execute(text, values).fetchall()
def maybe(text):
    try:
        return ask(text)[0][0]
    except psycopg.Error:
        return None
iso = lambda moment: None if moment is None else (moment.isoformat() + ("" if moment.tzinfo else "+00:00"))
first = lambda error: " ".join(str(error).split())[:300]
tables, broken = {}, []
for oid, name, quoted, size, guess in ask("""SELECT c.oid, n.nspname || '.' || c.relname,
  format('%%I.%%I', n.nspname, c.relname), pg_table_size(c.oid), greatest(c.reltuples, 0)::bigint FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
  AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' ORDER BY 2"""):
    columns, times = {}, []
    for column, kind, fixed in ask("""SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute
      WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped ORDER BY attnum""", oid):
        columns[column] = kind + (" not null" if fixed else "")
        if kind.startswith("timestamp"):
            times.append(column)
    one = tables[name] = {"columns": columns, "bytes": size, "rows": guess, "read": "estimate"}
    one["indexes"] = {index: text for index, text in ask("""SELECT c.relname,
      substr(pg_get_indexdef(i.indexrelid), 8) || CASE WHEN i.indisvalid THEN '' ELSE ' INVALID' END
      FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = %s""", oid)}
    one["time"] = when = next((each for each in NAMES if each in times), times[0] if times else None)
    if size > MOST:
        continue
    column = '"%s"' % when.replace('"', '""').replace("%", "%%") if when else None
    parts = ["count(*)"] + ([f"max({column})"] if when else ["NULL"])
    then = when and AS_OF
    if then:
        parts += [f"{what} FILTER (WHERE {column} <= %s)" for what in ("count(*)", f"max({column})")]
    parts += ["sum(length(t::text))"] if DEEP else []
    query = f"SELECT {', '.join(parts)} FROM {quoted.replace('%', '%%')} t"
    try:
        row = db.execute(query, [AS_OF, AS_OF] if then else []).fetchone()
    except psycopg.Error as error:
        one["error"] = first(error)
        continue
    one.update(rows=row[0], newest=iso(row[1]), read="whole" if DEEP else "count")
    if then:
        one.update(rows_as_of=row[2], newest_as_of=iso(row[3]))
if DEEP:
    try:
        db.execute("CREATE EXTENSION IF NOT EXISTS amcheck")
        for index, in ask("""SELECT c.oid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
          JOIN pg_am a ON a.oid = c.relam AND a.amname = 'btree' JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE i.indisvalid AND n.nspname !~ '^pg_' AND pg_relation_size(c.oid) < 1 << 30"""):
            try:
                db.execute("SELECT bt_index_check(%s::regclass)", [index])
            except (psycopg.errors.DataCorrupted, psycopg.errors.IndexCorrupted) as error:
                broken.append(f"The index {index} is damaged: {first(error)}")
        checked = "indexes were checked by amcheck"
    except psycopg.Error as error:
        checked = "amcheck can't be used here: " + first(error)
else:
    checked = ""
marks = [("schema_version", "max(version)"), ("alembic_version", "max(version_num)"), ("django_migrations", "max(id)")]
migration = next((found for table, what in marks if (found := maybe(f"SELECT {what}::text FROM {table}"))), None)
print("OMC-RESULT " + json.dumps({
    "database": maybe("SELECT current_database()"), "version": maybe("SHOW server_version"), "as_of": AS_OF,
    "system": maybe("SELECT system_identifier::text FROM pg_control_system()"), "migration": migration,
    "extensions": {name: version for name, version in ask("SELECT extname, extversion FROM pg_extension")
                   if name != "amcheck"},
    "tables": tables, "broken": broken, "indexes": checked, "seconds": round(time.monotonic() - began, 1)}), flush=True)
'''.rstrip()
)
"""Environment: POSTGRES_SERVER, _PORT, _DB, _USER, _PASSWORD and _SSLMODE as the stack's backend has them; OMC_AS_OF,
the moment up to which rows are counted beside all; OMC_DEEP=1 reads each row whole; OMC_MOST_BYTES, above which a table
isn't read. A table that can't be read is told, and the rest is read all the same."""

COMMAND = ("python", "-c", SCRIPT)
