import { existsSync } from "node:fs";
import { describe } from "@jest/globals";
import { chromium, type Browser } from "playwright-core";

const EXECUTABLE = process.env["CHROMIUM_PATH"] ?? "/usr/bin/chromium";

const ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Starts the browser that is installed on this machine. */
export function launchChromium(): Promise<Browser> {
  return chromium.launch({ executablePath: EXECUTABLE, args: ARGUMENTS });
}

/** `describe`; without a browser it is skipped, and says so, except where `CI` is set: there it fails. */
export function describeInBrowser(name: string, define: () => void): void {
  (mayRun() ? describe : describe.skip)(name, define);
}

function mayRun(): boolean {
  if (existsSync(EXECUTABLE)) return true;
  if (process.env["CI"] !== undefined && process.env["CI"] !== "") return true;
  console.warn(`SKIPPED: no browser at ${EXECUTABLE}. Install chromium, or set CHROMIUM_PATH.`);
  return false;
}
