/** A pass-through proxy process. Argument: the provider's base URL. It does not parse what it forwards. */
import fastify, { type FastifyReply, type FastifyRequest } from 'fastify';
import { Pool, type Dispatcher } from 'undici';
import { liveWithParent } from '../processes';

/** Headers of one connection, which are not forwarded. */
const ofOneConnection = new Set(['connection', 'keep-alive', 'transfer-encoding', 'host']);

async function main(): Promise<void> {
  const { origin } = new URL(process.argv[2] ?? '');
  // No timeouts: streams may stay open for a long time.
  const pool = new Pool(origin, { headersTimeout: 0, bodyTimeout: 0 });
  const server = fastify();
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
  server.all('/*', async (request: FastifyRequest, reply: FastifyReply) => {
    const answer = await pool.request({
      path: request.url,
      method: request.method,
      headers: passedOn(request.headers),
      body: request.body as Dispatcher.DispatchOptions['body'],
    });
    return reply.code(answer.statusCode).headers(passedOn(answer.headers)).send(answer.body);
  });
  const url = await server.listen({ host: '127.0.0.1', port: 0 });
  liveWithParent({ baseUrl: `${url}/v1` }, async () => {
    await pool.destroy();
    await server.close();
  });
}

function passedOn<Value>(headers: Readonly<Record<string, Value>>): Record<string, Value> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !ofOneConnection.has(name)));
}

main().catch((error: unknown) => {
  console.error('The proxy failed.', error);
  process.exitCode = 1;
});
