import { z } from 'zod';
import { configFileSchema } from './schema';

/** JSON Schema of the configuration file, for editors: `bellwether.schema.json` in the package is this, written down. */
export function configJsonSchema(): object {
  const { $schema, ...schema } = z.toJSONSchema(configFileSchema, { io: 'input' });
  return {
    $schema,
    title: 'Configuration of Bellwether',
    description: 'bellwether.config.json, .yaml or .yml. What is left out is as the migration guide has it.',
    ...schema,
  };
}
