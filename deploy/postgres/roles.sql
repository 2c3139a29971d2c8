-- Runs once, when the data volume is empty. Temporal and Bellwether have a role each that reaches its own databases
-- alone; Temporal's set-up makes its two databases itself.
\set ON_ERROR_STOP on
\getenv temporal_password TEMPORAL_DB_PASSWORD
\getenv bellwether_password BELLWETHER_DB_PASSWORD
CREATE ROLE temporal LOGIN CREATEDB PASSWORD :'temporal_password';
CREATE ROLE bellwether LOGIN PASSWORD :'bellwether_password';
CREATE DATABASE bellwether OWNER bellwether;
REVOKE CONNECT ON DATABASE bellwether FROM PUBLIC;
