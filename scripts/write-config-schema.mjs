/** `npm run schema`: run it after changing the configuration's schema; a test fails while the file is stale. */
import { writeFileSync } from 'node:fs';
import schema from '../dist/config/schema.js';

const name = 'bellwether.schema.json';
writeFileSync(new URL(`../${name}`, import.meta.url), `${JSON.stringify(schema.configJsonSchema(), null, 2)}\n`);
console.log(`Wrote ${name}`);
