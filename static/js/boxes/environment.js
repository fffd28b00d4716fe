/* Annotorious' published module asks Node's `process` whether it runs in production; a browser has none. Import this first. */
globalThis.process ??= { env: { NODE_ENV: "production" } };
