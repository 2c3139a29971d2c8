-- Runs when the data volume is empty, and can be run again at any time: it adds what is missing, and sets all passwords to
-- those of production.env. Temporal's set-up makes its two databases itself.
\set ON_ERROR_STOP on
\getenv temporal_password TEMPORAL_DB_PASSWORD
\getenv owner_password BELLWETHER_DB_PASSWORD
\getenv worker_password BELLWETHER_WORKER_DB_PASSWORD
\getenv gateway_password BELLWETHER_GATEWAY_DB_PASSWORD

-- `bellwether` owns the ledger's tables and changes them; the other two use them (ledger-rights.sql).
SELECT format('CREATE ROLE %I LOGIN', wanted)
FROM unnest(ARRAY['temporal', 'bellwether', 'bellwether_worker', 'bellwether_gateway']) AS wanted
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) \gexec
ALTER ROLE temporal CREATEDB PASSWORD :'temporal_password';
ALTER ROLE bellwether PASSWORD :'owner_password';
ALTER ROLE bellwether_worker PASSWORD :'worker_password';
ALTER ROLE bellwether_gateway PASSWORD :'gateway_password';

SELECT 'CREATE DATABASE bellwether OWNER bellwether'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'bellwether') \gexec
REVOKE CONNECT ON DATABASE bellwether FROM PUBLIC;
GRANT CONNECT ON DATABASE bellwether TO bellwether_worker, bellwether_gateway;
