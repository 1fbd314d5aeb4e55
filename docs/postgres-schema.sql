CREATE SCHEMA IF NOT EXISTS "orgate";

CREATE TABLE IF NOT EXISTS "orgate".schema_info (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  version integer NOT NULL,
  readable_from integer NOT NULL
);

CREATE SEQUENCE IF NOT EXISTS "orgate".versions AS bigint;

CREATE TABLE IF NOT EXISTS "orgate".documents (
  collection text NOT NULL,
  id text NOT NULL,
  long_id text,
  version bigint NOT NULL DEFAULT nextval('"orgate".versions'),
  value text NOT NULL,
  indexes text[] NOT NULL,
  expires_at double precision NOT NULL,
  PRIMARY KEY (collection, id)
) WITH (fillfactor = 85);

CREATE INDEX IF NOT EXISTS documents_by_index ON "orgate".documents USING gin (indexes) WITH (fastupdate = off);

CREATE INDEX IF NOT EXISTS documents_by_expiry ON "orgate".documents (expires_at);

CREATE TABLE IF NOT EXISTS "orgate".renewals (
  key text PRIMARY KEY,
  fence bigint NOT NULL DEFAULT nextval('"orgate".versions'),
  leased_until double precision NOT NULL,
  sealed text,
  sealed_until double precision,
  sealed_fence bigint,
  expires_at double precision NOT NULL
);

CREATE INDEX IF NOT EXISTS renewals_by_expiry ON "orgate".renewals (expires_at);

INSERT INTO "orgate".schema_info (version, readable_from) VALUES (1, 1)
ON CONFLICT (only_row) DO NOTHING;
