import { execFile } from 'node:child_process';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { promisify } from 'node:util';

/** Where a process listens on TCP over IPv4. */
export interface Listener {
  readonly address: string;
  readonly port: number;
}

const listening = '0A';

/** Every TCP listener of a process and its children, as listed in /proc on Linux. */
export async function listenersOf(pid: number): Promise<readonly Listener[]> {
  const sockets = (await Promise.all((await withChildren(pid)).map(socketsOf))).flat();
  const table = (await readFile(`/proc/${pid}/net/tcp`, 'utf8')).trim().split('\n').slice(1);
  return table.flatMap((line) => {
    const [, local = '', , state, , , , , , inode = ''] = line.trim().split(/\s+/);
    if (state !== listening || !sockets.includes(`socket:[${inode}]`)) return [];
    const [address = '', port = ''] = local.split(':');
    // The address is in the machine's byte order, with the last part first.
    const parts = Buffer.from(address, 'hex').toReversed();
    return [{ address: parts.join('.'), port: Number.parseInt(port, 16) }];
  });
}

async function withChildren(pid: number): Promise<readonly number[]> {
  const { stdout } = await promisify(execFile)('ps', ['-e', '-o', 'pid=,ppid=']);
  const rows = stdout
    .trim()
    .split('\n')
    .map((row) => row.trim().split(/\s+/).map(Number));
  return [pid, ...rows.filter(([, parent]) => parent === pid).map(([child = 0]) => child)];
}

async function socketsOf(pid: number): Promise<readonly string[]> {
  const directory = `/proc/${pid}/fd`;
  const names = await readdir(directory).catch(() => []);
  return Promise.all(names.map((name) => readlink(`${directory}/${name}`).catch(() => '')));
}
