/**
 * Runs a selection of the tests on other versions of Node, which come from the `node` package of the npm registry.
 *
 * node scripts/test-on-node.mjs 22 24             runs SELECTION on each
 * node scripts/test-on-node.mjs 22 test/unit/lib  runs these files instead
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** What depends on Node most: the code itself, requests and answers, and the package as consumers load it. */
const SELECTION = [
  "test/unit",
  ...["attacks", "decision-table", "mounting", "renewal", "request-bodies", "sign-out"].map(
    (name) => `test/http/${name}.test.ts`,
  ),
  "test/package",
];

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const CACHE = join(ROOT, "node_modules/.cache/node");

const versions = process.argv.slice(2).filter((argument) => /^\d+(?:\.\d+){0,2}$/.test(argument));
const paths = process.argv.slice(2).filter((argument) => !versions.includes(argument));
if (versions.length === 0) throw new Error("name at least one version of Node, for example 22");

const lines = versions.map((version) => {
  const node = installNode(version);
  const { passed, count } = runTests(node, version, paths.length > 0 ? paths : SELECTION);
  if (!passed) process.exitCode = 1;
  return `Node ${runNode(node, ["--version"]).stdout.trim()}: ${count}`;
});
console.log(lines.join("\n"));

function installNode(version) {
  const folder = join(CACHE, version);
  const node = join(folder, "node_modules/node/bin/node");
  if (existsSync(node)) return node;
  mkdirSync(folder, { recursive: true });
  // The package fetches the executable for this machine in an install script.
  writeFileSync(
    join(folder, "package.json"),
    JSON.stringify({ private: true, allowScripts: { node: true } }),
  );
  const options = ["--prefix", folder, "--no-audit", "--no-fund", "--no-save"];
  const { status } = spawnSync("npm", ["install", ...options, `node@${version}`], { stdio: "inherit" });
  if (status !== 0) throw new Error(`Node ${version} could not be installed`);
  return node;
}

function runTests(node, version, selection) {
  const report = join(CACHE, version, "report.json");
  writeFileSync(report, "");
  const { status } = runNode(
    node,
    [
      "--experimental-vm-modules",
      "--disable-warning=ExperimentalWarning",
      "node_modules/jest/bin/jest.js",
      "--ci",
      "--maxWorkers=100%",
      "--json",
      `--outputFile=${report}`,
      ...selection,
    ],
    ["ignore", "ignore", "inherit"],
  );
  const count = runNode(process.execPath, ["scripts/count-tests.mjs", report]);
  return { passed: status === 0 && count.status === 0, count: count.stdout.trim() };
}

/** Runs Node so that what the tests start by the name of `node` or `npm` runs on the same version. */
function runNode(node, parameters, stdio = ["ignore", "pipe", "inherit"]) {
  const path = `${dirname(node)}${delimiter}${process.env.PATH}`;
  return spawnSync(node, parameters, {
    cwd: ROOT,
    stdio,
    encoding: "utf8",
    env: { ...process.env, PATH: path },
  });
}
