#!/usr/bin/env node
// Starts the program that the package of this platform carries.
"use strict";

const { spawn } = require("node:child_process");

const name = `mimo-mcp-${process.platform}-${process.arch}`;
let program;
try {
  program = require.resolve(`${name}/bin/mimo`);
} catch {
  console.error(
    `mimo: the package ${name} is not installed, which holds the program for this machine.\n` +
      "  next: install mimo-mcp without --omit=optional; where there is no such package, use cargo install mimo-mcp",
  );
  process.exit(1);
}

const child = spawn(program, process.argv.slice(2), { stdio: "inherit" });
child.on("error", (error) => {
  console.error(`mimo: ${program} does not start: ${error.message}`);
  process.exit(1);
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => {
    // A terminal sends Ctrl-C to both.
    if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
  });
}
child.on("exit", (code, signal) => {
  if (signal) {
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  } else {
    process.exit(code);
  }
});
