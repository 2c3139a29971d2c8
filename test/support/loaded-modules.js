/** `node --require` this file: a process that ends prints the modules of OpenTelemetry that it has loaded. */
process.on('exit', () => {
  const loaded = Object.keys(require.cache).map((file) => /@opentelemetry\/([\w-]+)/.exec(file)?.[1]);
  process.stdout.write(`loaded: ${[...new Set(loaded.filter(Boolean))].join(' ')}\n`);
});
