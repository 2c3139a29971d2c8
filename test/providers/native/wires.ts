import { anthropicWire } from './anthropic-wire';
import type { WireFormat } from './wire-server';

/** All kinds of native providers: the tables of faults and of answers run over each. */
export const wires: readonly WireFormat[] = [anthropicWire];
