import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { pagePaths } from '../contract/page';
import { packageDirectory } from '../platform/package-info';
import { isReachedSafely, tlsRequired } from './browser-guard';

/** The shell: it holds nothing, and the script draws the login or the page. */
const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Bellwether</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="${pagePaths.style}">
<script type="module" src="${pagePaths.script}"></script>
</head>
<body>
<div id="page"></div>
<noscript>This page needs JavaScript. <code>bellwether rollout status</code> says the same in a terminal.</noscript>
</body>
</html>
`;

/** Serves the page's files, to everybody: what they show needs a login. */
export async function servePageFiles(server: FastifyInstance): Promise<void> {
  const built = join(packageDirectory(), 'dist/page');
  const files = [
    [pagePaths.script, 'text/javascript; charset=utf-8', await readFile(join(built, 'page.js'))],
    [pagePaths.style, 'text/css; charset=utf-8', await readFile(join(built, 'page.css'))],
  ] as const;
  for (const [path, type, content] of files) {
    const etag = `"${createHash('sha256').update(content).digest('base64url')}"`;
    server.get(path, { schema: { hide: true } }, async (request, reply) => {
      // Kept by the browser, and asked for each time: a new version is seen at once.
      reply.header('cache-control', 'no-cache').header('etag', etag);
      if (request.headers['if-none-match'] === etag) return reply.code(304).send();
      return reply.type(type).send(content);
    });
  }
  for (const path of [pagePaths.page, pagePaths.login]) {
    server.get(path, { schema: { hide: true } }, async (request, reply) => {
      if (!isReachedSafely(request.headers)) return reply.code(403).type('text/plain; charset=utf-8').send(tlsRequired);
      return reply.type('text/html; charset=utf-8').send(html);
    });
  }
}
