import type Database from 'better-sqlite3';

/**
 * The version of better-sqlite3 that works on this Node: 13 needs Node 22 or newer, and 12 aborts the process on Node
 * 24.19 and newer as soon as a statement is garbage-collected. The API that we use is the same in both.
 */
const firstNodeOfVersion13 = 22;
const nodeMajor = Number(process.versions.node.split('.')[0]);
const name = nodeMajor >= firstNodeOfVersion13 ? 'better-sqlite3' : 'better-sqlite3-node20';

/** Opens a SQLite file. The driver is loaded at the first use, so that a service without it can import the client. */
export function openSqliteFile(file: string, options?: Database.Options): Database.Database {
  return new (loadDriver())(file, options);
}

function loadDriver(): typeof Database {
  try {
    return require(name) as typeof Database;
  } catch (error) {
    throw new Error(
      `SQLite is not available: ${name} is not installed for Node ${process.versions.node}. Run npm ci with this Node, without --omit=optional.`,
      { cause: error },
    );
  }
}
