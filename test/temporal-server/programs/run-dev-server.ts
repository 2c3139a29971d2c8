import { startDevServer } from '../../../src/temporal-server/dev-server';

/** Starts a server in memory, writes its process id and stays. */
const [binary = '', logFile = ''] = process.argv.slice(2);
void startDevServer({ binary, dataFile: undefined, namespace: 'bellwether', searchAttributes: [], logFile }).then(
  (server) => console.log(server.pid),
);
