import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { configJsonSchema } from '../config/json-schema';

// `npm run schema`: after a change of the configuration's schema. A test fails while the file is stale.
const file = path.resolve(__dirname, '../../bellwether.schema.json');
writeFileSync(file, `${JSON.stringify(configJsonSchema(), null, 2)}\n`);
console.log(`Wrote ${path.basename(file)}`);
