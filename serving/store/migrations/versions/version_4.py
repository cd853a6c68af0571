"""Version 4: the database itself keeps the rows of the audit log."""

from alembic import op

revision = "4"
down_revision = "3"

_SENTENCE = "The audit log is append-only: its rows are never changed or removed."

_SQLITE = {
    "audit_log_not_changed": "BEFORE UPDATE ON audit_log",
    "audit_log_not_removed": "BEFORE DELETE ON audit_log",
    # INSERT OR REPLACE removes a row without a DELETE.
    "audit_log_not_replaced": "BEFORE INSERT ON audit_log WHEN EXISTS "
    "(SELECT 1 FROM audit_log WHERE id = NEW.id)",
}
# Told by the class of a broken constraint, as SQLite tells it.
_POSTGRES = (
    f"""CREATE FUNCTION audit_log_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING MESSAGE = '{_SENTENCE}', ERRCODE = 'restrict_violation';
END $$""",
    "CREATE TRIGGER audit_log_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log "
    "FOR EACH STATEMENT EXECUTE FUNCTION audit_log_kept()",
)


def upgrade() -> None:
    """Bring version 3 to version 4; no row is touched."""
    if op.get_bind().dialect.name == "sqlite":
        for name, moment in _SQLITE.items():
            said = f"BEGIN SELECT RAISE(ABORT, '{_SENTENCE}'); END"
            op.execute(f"CREATE TRIGGER {name} {moment} {said}")
    else:
        for statement in _POSTGRES:
            op.execute(statement)
