import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Simulator } from '../../src/local/simulator/simulator';
import type { Reporter } from '../../src/terminal/reporter';
import { startChild, type Child } from '../processes';
import { buildOnFoundation, bundleFor, namespace, profiling, type Foundation } from '../foundation';
import { findRedisProgram, startRedis } from '../redis';
import { startWorkerProcess } from '../worker-process';
import type { BenchGatewayOptions, BenchGatewayReady } from './gateway-main';
import {
  benchConfiguration,
  longModel,
  providerModels,
  streamingModel,
  wholeModel,
  type ProviderTiming,
} from './provider';
import { wayTitles, type Endpoint, type GatewayWay, type WayName } from './way';

/** One provider for all ways, and this process as the caller. */
export interface GatewayStage {
  readonly simulator: Simulator;
  readonly ways: readonly GatewayWay[];
  /** The ids of all processes that could be busy. */
  readonly pids: readonly number[];
  stop(): Promise<void>;
}

export interface GatewayStageOptions {
  readonly ways: readonly WayName[];
  readonly timing: ProviderTiming;
  readonly profileDirectory: string | undefined;
  readonly report: Reporter;
}

export function buildGatewayStage(options: GatewayStageOptions): Promise<GatewayStage> {
  const { report, timing } = options;
  return buildOnFoundation({ report, models: providerModels(timing) }, async (foundation, onStop) => {
    const nodeOptions = ['--expose-gc', ...profiling(options.profileDirectory)];
    const building: Building = { foundation, nodeOptions, onStop };
    const ways: GatewayWay[] = [];
    for (const name of options.ways) ways.push(await builders[name](building));
    const pids = new Set(ways.flatMap((way) => Object.values(way.pids)));
    return { simulator: foundation.simulator, ways, pids: [...pids] };
  });
}

/** Why a way cannot be measured here; null when it can. */
export function reasonMissing(name: WayName): string | null {
  if (name !== 'split' || findRedisProgram() !== undefined) return null;
  return `${wayTitles.split} is missing: there is no redis-server on PATH.`;
}

interface Building {
  readonly foundation: Foundation;
  readonly nodeOptions: readonly string[];
  readonly onStop: (stop: () => Promise<unknown>) => void;
}

const builders: Readonly<Record<WayName, (building: Building) => Promise<GatewayWay>>> = {
  async direct({ foundation }) {
    const endpoint = providerEndpoint(foundation.simulator.baseUrl);
    return { ...frame('direct'), endpoint, programs: {}, pids: everyWaysPids(foundation) };
  },

  async proxy({ foundation, nodeOptions, onStop }) {
    const proxy = await startChild(require.resolve('./proxy-main'), [foundation.simulator.baseUrl], nodeOptions);
    onStop(() => proxy.stop());
    const { baseUrl } = proxy.ready as { baseUrl: string };
    const pids = { ...everyWaysPids(foundation), front: proxy.pid };
    return { ...frame('proxy'), endpoint: providerEndpoint(baseUrl), programs: { proxy }, pids };
  },

  async joined(building) {
    const { foundation } = building;
    const both = await startGatewayProcess(await placeOf('joined', foundation), building);
    const pids = { ...everyWaysPids(foundation), front: both.pid, server: foundation.serverPid };
    return { ...frame('joined'), endpoint: gatewayEndpoint(both), programs: { 'gateway and worker': both }, pids };
  },

  async split(building) {
    const { foundation, nodeOptions, onStop } = building;
    const program = findRedisProgram();
    if (program === undefined) throw new Error(reasonMissing('split') ?? '');
    const redis = await startRedis(program, foundation.directory);
    onStop(() => redis.stop());
    const { workflowBundle, ...place } = { ...(await placeOf('split', foundation)), redisUrl: redis.url };
    const gateway = await startGatewayProcess(place, building);
    const worker = await startWorkerProcess({ ...place, kind: 'bellwether', workflowBundle }, nodeOptions);
    onStop(() => worker.stop());
    const apart = { front: gateway.pid, worker: worker.pid, server: foundation.serverPid, redis: redis.pid };
    const pids = { ...everyWaysPids(foundation), ...apart };
    return { ...frame('split'), endpoint: gatewayEndpoint(gateway), programs: { gateway, worker }, pids };
  },
};

async function startGatewayProcess(options: BenchGatewayOptions, { nodeOptions, onStop }: Building): Promise<Child> {
  const gateway = await startChild(require.resolve('./gateway-main'), [JSON.stringify(options)], nodeOptions);
  onStop(() => gateway.stop());
  return gateway;
}

async function placeOf(name: 'joined' | 'split', { temporalAddress, simulator, directory }: Foundation) {
  const dataDirectory = join(directory, name);
  mkdirSync(dataDirectory);
  const configFile = join(dataDirectory, 'bellwether.json');
  writeFileSync(configFile, JSON.stringify(benchConfiguration()));
  return {
    temporalAddress,
    namespace,
    providerUrl: simulator.baseUrl,
    dataDirectory,
    configFile,
    // The separate worker process is of this kind, and each kind's task queue is named after it.
    taskQueue: name === 'split' ? 'bellwether' : name,
    workflowBundle: await bundleFor('bellwether', dataDirectory),
  };
}

function frame(name: WayName) {
  return { name, title: wayTitles[name] };
}

function everyWaysPids({ simulatorPid }: Foundation) {
  return { simulator: simulatorPid, caller: process.pid };
}

/** The provider's own model names, also through the proxy. */
function providerEndpoint(baseUrl: string): Endpoint {
  const models = { streamed: streamingModel, plain: wholeModel, long: longModel };
  return { baseUrl, apiKey: 'benchmark', models };
}

/** Routing chooses the model, except for long answers; plain answers also use streams of the provider. */
function gatewayEndpoint({ ready }: Child): Endpoint {
  const models = { streamed: 'bellwether', plain: 'bellwether', long: longModel };
  return { ...(ready as BenchGatewayReady), models };
}
