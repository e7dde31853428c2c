// A node, or a controller, that does nothing: it is ready, and ends when it is told to.
process.on('SIGTERM', () => process.exit(0));
console.log(`as ${process.argv.slice(2).join(' ')}`);
console.log('ready');
setInterval(() => undefined, 1000);
