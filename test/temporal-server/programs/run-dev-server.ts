import { startDevServer } from '../../../src/temporal-server/dev-server';

/** Starts an in-memory server, prints its process id and keeps running. */
const [binary = '', logFile = ''] = process.argv.slice(2);
void startDevServer({ binary, dataFile: undefined, namespace: 'bellwether', searchAttributes: [], logFile }).then(
  (server) => console.log(server.pid),
);
