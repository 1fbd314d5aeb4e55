-- Users, organizations and memberships of examples/postgres-directory.ts. May run again, and on several hosts at once.

SELECT pg_advisory_xact_lock(hashtextextended('postgres-directory.sql', 0));

CREATE TABLE IF NOT EXISTS users (
  id text PRIMARY KEY,
  email_address text NOT NULL,
  name text NOT NULL,
  password_hash text NOT NULL DEFAULT ''
);

-- Two people never share an address, however it is written.
CREATE UNIQUE INDEX IF NOT EXISTS users_by_email_address ON users (lower(email_address));

CREATE TABLE IF NOT EXISTS organizations (
  id text PRIMARY KEY,
  slug text NOT NULL UNIQUE,
  name text NOT NULL,
  -- The further fields of a DirectoryOrganization, such as {"mfaPolicy": "REQUIRED_FOR_ALL"}.
  settings jsonb NOT NULL DEFAULT '{}'
);

CREATE TABLE IF NOT EXISTS memberships (
  id text PRIMARY KEY,
  user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
  organization_id text NOT NULL REFERENCES organizations ON DELETE CASCADE,
  roles text[] NOT NULL,
  -- The further fields of a DirectoryMembership, such as {"isLocked": true}.
  settings jsonb NOT NULL DEFAULT '{}',
  UNIQUE (user_id, organization_id)
);

CREATE INDEX IF NOT EXISTS memberships_by_organization ON memberships (organization_id);

-- Each change that older tokens must not survive is announced when its transaction is committed, whoever makes it.

CREATE OR REPLACE FUNCTION announce_directory_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('directory_changed', json_build_object(TG_ARGV[0], old.id)::text);
  RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER membership_changed AFTER UPDATE OR DELETE ON memberships
  FOR EACH ROW EXECUTE FUNCTION announce_directory_change('memberId');

CREATE OR REPLACE TRIGGER user_removed AFTER DELETE ON users
  FOR EACH ROW EXECUTE FUNCTION announce_directory_change('userId');

-- Guards may compare the slug in the token, and the settings are the organization's rules.
CREATE OR REPLACE TRIGGER organization_changed AFTER UPDATE OF slug, settings OR DELETE ON organizations
  FOR EACH ROW EXECUTE FUNCTION announce_directory_change('organizationId');
