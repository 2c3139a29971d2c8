/**
 * `npm run docs:errors`: run it after a build that changes the error catalogue; a test fails while the table is stale.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { format } from 'prettier';
import catalogue from '../dist/gateway/error-codes.js';

const page = new URL('../docs/gateway.md', import.meta.url);
const between = /(<!-- errors:begin[^>]*-->).*(<!-- errors:end -->)/s;
const table = catalogue.errorTable().join('\n');
const written = readFileSync(page, 'utf8').replace(between, (_, begin, end) => `${begin}\n\n${table}\n\n${end}`);
writeFileSync(page, await format(written, { parser: 'markdown', printWidth: 120, singleQuote: true }));
console.log('Wrote the table of errors in docs/gateway.md');
