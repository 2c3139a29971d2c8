import type { Command } from 'commander';

interface CommandEntry {
  readonly name: string;
  /** One line in the list of commands. */
  readonly summary: string;
  readonly load: () => Promise<Command>;
}

/** Every command. Only the one that runs is loaded, because some load all of Temporal's SDK. */
export const commands: readonly CommandEntry[] = [
  {
    name: 'up',
    summary: 'run everything on this machine',
    load: async () => (await import('./up')).upCommand(),
  },
  {
    name: 'worker',
    summary: 'run a worker against your own Temporal',
    load: async () => (await import('./worker')).workerCommand(),
  },
  {
    name: 'gateway',
    summary: 'serve OpenAI clients over HTTP',
    load: async () => (await import('./gateway')).gatewayCommand(),
  },
  {
    name: 'page',
    summary: "serve the operator's page alone",
    load: async () => (await import('./page')).pageCommand(),
  },
  {
    name: 'chat',
    summary: 'send one message, or start a conversation',
    load: async () => (await import('./chat')).chatCommand(),
  },
  {
    name: 'rollout',
    summary: 'move traffic to a new provider, based on evidence',
    load: async () => (await import('./rollout/rollout')).rolloutCommand(),
  },
  {
    name: 'keys',
    summary: 'create, list and revoke API keys for the gateway',
    load: async () => (await import('./keys/keys')).keysCommand(),
  },
  {
    name: 'costs',
    summary: 'show what turns cost, and compare it with an invoice',
    load: async () => (await import('./costs')).costsCommand(),
  },
  {
    name: 'compare',
    summary: 'compare monthly bills by provider',
    load: async () => (await import('./compare')).compareCommand(),
  },
  {
    name: 'doctor',
    summary: 'check every part and say what to do',
    load: async () => (await import('./doctor')).doctorCommand(),
  },
  {
    name: 'notify',
    summary: 'see who is told what happens, and send a test',
    load: async () => (await import('./notify')).notifyCommand(),
  },
  {
    name: 'stuck',
    summary: 'list turns that make no progress, or end them',
    load: async () => (await import('./stuck')).stuckCommand(),
  },
  {
    name: 'setup',
    summary: 'prepare your own Temporal and database',
    load: async () => (await import('./setup')).setupCommand(),
  },
  {
    name: 'demo',
    summary: 'see turns survive what breaks other chatbots',
    load: async () => (await import('./demo')).demoCommand(),
  },
  {
    name: 'codec-server',
    summary: 'decrypt payloads for the Temporal UI',
    load: async () => (await import('./codec-server')).codecServerCommand(),
  },
  {
    name: 'worker-health',
    summary: 'health check for the worker of a container',
    load: async () => (await import('./worker-health')).workerHealthCommand(),
  },
];
