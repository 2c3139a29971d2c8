-- What workers and gateways may do in the ledger. Runs as the owner of its tables after every `setup`, in one
-- transaction. Workers may read and write all tables, gateways may only read, with the exceptions below. Neither may
-- drop, alter or truncate a table.
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO bellwether_worker, bellwether_gateway;
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM bellwether_worker, bellwether_gateway;

GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO bellwether_worker;
-- Audit rows can be added, but not changed or deleted.
REVOKE UPDATE, DELETE ON rollout_audit FROM bellwether_worker;
-- Its only row contains the head of the audit trail.
REVOKE INSERT, DELETE ON traffic_split FROM bellwether_worker;
-- Costs and revoked keys stay. Keys are made and revoked with commands in a worker's container.
REVOKE DELETE ON turns, budgets, requests, sessions, api_keys, feedback FROM bellwether_worker;
REVOKE INSERT, UPDATE, DELETE ON kysely_migration, kysely_migration_lock FROM bellwether_worker;

GRANT SELECT ON ALL TABLES IN SCHEMA public TO bellwether_gateway;
GRANT INSERT, UPDATE ON requests, sessions, feedback TO bellwether_gateway;
GRANT INSERT, UPDATE, DELETE ON images TO bellwether_gateway;
-- Who is logged in to the operator's page. A session is worth no more than its key, which only `keys create` makes.
GRANT INSERT, DELETE ON page_sessions TO bellwether_gateway;
