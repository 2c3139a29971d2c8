/** Build step: bundles the operator's page into `dist/page/page.js` and `page.css`; no request leaves the machine. */
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const pathInProject = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

await build({
  entryPoints: [pathInProject('src/page/page.tsx'), pathInProject('src/page/page.css')],
  outdir: pathInProject('dist/page'),
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  jsx: 'automatic',
  jsxImportSource: 'preact',
  tsconfigRaw: {},
  legalComments: 'none',
  logLevel: 'warning',
});
