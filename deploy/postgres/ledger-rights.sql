-- What workers and gateways may do in the ledger. Runs as the owner of its tables after every `setup`, in one
-- transaction. A worker may use every table, a gateway only reads; the exceptions are named below. Neither may drop,
-- change or empty (TRUNCATE) a table.
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO bellwether_worker, bellwether_gateway;
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM bellwether_worker, bellwether_gateway;

GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO bellwether_worker;
-- What was decided stays: the trail is added to, and nothing else.
REVOKE UPDATE, DELETE ON rollout_audit FROM bellwether_worker;
-- Its one row carries the trail's head.
REVOKE INSERT, DELETE ON traffic_split FROM bellwether_worker;
-- What was spent stays, and so do revoked keys. A worker's container runs the commands that make and revoke keys.
REVOKE DELETE ON turns, budgets, requests, api_keys FROM bellwether_worker;
REVOKE INSERT, UPDATE, DELETE ON kysely_migration, kysely_migration_lock FROM bellwether_worker;

GRANT SELECT ON ALL TABLES IN SCHEMA public TO bellwether_gateway;
GRANT INSERT, UPDATE, DELETE ON requests, images TO bellwether_gateway;
