import { anthropicWire } from './anthropic-wire';
import { bedrockWire } from './bedrock-wire';
import { googleWire } from './google-wire';
import { azureWire, responsesWire } from './responses-wire';
import type { WireFormat } from './wire-server';

/** All kinds of native providers: the tables of faults and of answers run over each. */
export const wires: readonly WireFormat[] = [anthropicWire, googleWire, responsesWire, azureWire, bedrockWire];
