import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = dirname(fileURLToPath(import.meta.url));
/** The packages installed in this repository. */
export const MODULES = join(HERE, "../../node_modules");

/** The packed package, as its users unpack it. */
export const UNPACKED = process.env["ORGATE_UNPACKED"] ?? "";

/** What a command printed, and how it ended. */
export interface Run {
  readonly status: number | null;
  readonly output: string;
}

/** A copy of a consumer project, with the packed package installed. */
export interface Consumer {
  readonly folder: string;
  /** Runs a script with this very Node. */
  node(...parameters: readonly string[]): Run;
  /** Type-checks the project by its own tsconfig.json. */
  typeCheck(...flags: readonly string[]): Run;
  remove(): void;
}

/**
 * Installs the packed package into a copy of a project below `projects`.
 *
 * The package is copied, because a link would let it see this repository's modules. Its dependencies, by its own
 * manifest and no others, and what the project asks for, are linked: nothing is fetched.
 *
 * @param modules - further packages, by the name they are installed under and their folder in node_modules here
 */
export function createConsumer(project: string, modules: Readonly<Record<string, string>> = {}): Consumer {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), `orgate-${project}-`)));
  cpSync(join(HERE, "projects", project), folder, { recursive: true });
  cpSync(UNPACKED, join(folder, "node_modules/orgate"), { recursive: true });
  const declared = Object.keys(readManifest().dependencies);
  const installed = { ...Object.fromEntries(declared.map((name) => [name, name])), ...modules };
  for (const [name, source] of Object.entries(installed)) link(folder, name, source);
  const run = (script: string, ...parameters: readonly string[]): Run => execute(folder, script, parameters);
  return {
    folder,
    node: run,
    typeCheck: (...flags) => run(join(MODULES, "typescript/bin/tsc"), "--pretty", "false", ...flags),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** The packed manifest. */
export function readManifest(): {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
  readonly exports: unknown;
} {
  return JSON.parse(readFileSync(join(UNPACKED, "package.json"), "utf8")) as ReturnType<typeof readManifest>;
}

function link(folder: string, name: string, source: string): void {
  const target = join(folder, "node_modules", name);
  mkdirSync(dirname(target), { recursive: true });
  symlinkSync(join(MODULES, source), target);
}

function execute(folder: string, script: string, parameters: readonly string[]): Run {
  // The test runner's own flags and module paths are none of the consumer's.
  const { NODE_OPTIONS: _options, NODE_PATH: _path, ...env } = process.env;
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...parameters], {
    cwd: folder,
    env,
    encoding: "utf8",
    timeout: 45_000,
  });
  return { status, output: stdout + stderr };
}
