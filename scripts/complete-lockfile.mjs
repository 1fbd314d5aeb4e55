/**
 * Enters into package-lock.json the optional packages of other platforms that npm left out.
 *
 * npm leaves out what the registry at hand does not serve, or what it did not install, and `npm ci` then refuses the
 * lock file on every machine. An entry without an integrity is enough: npm adds it where the package is installed.
 */
import { readFileSync, writeFileSync } from "node:fs";

const PATH = new URL("../package-lock.json", import.meta.url);
const PLATFORM =
  /\b(android|darwin|freebsd|linux|netbsd|openbsd|openharmony|sunos|win32)-([a-z\d]+)(?:-(gnu|musl))?/;
const LIBC = { gnu: "glibc", musl: "musl" };

const lockfile = JSON.parse(readFileSync(PATH, "utf8"));
const { packages } = lockfile;
const missing = Object.values(packages).flatMap((entry) =>
  Object.entries(entry.optionalDependencies ?? {})
    .filter(([name]) => !(`node_modules/${name}` in packages))
    .map(([name, version]) => ({ name, version, dev: entry.dev })),
);
for (const { name, version, dev } of missing) packages[`node_modules/${name}`] = describe(name, version, dev);

const sorted = Object.entries(packages).toSorted(([a], [b]) => a.localeCompare(b, "en"));
const completed = { ...lockfile, packages: Object.fromEntries(sorted) };
if (missing.length > 0) writeFileSync(PATH, `${JSON.stringify(completed, undefined, 2)}\n`);
console.log(`${missing.length} optional packages entered`);

function describe(name, version, dev) {
  const [, os, cpu, libc] = name.match(PLATFORM) ?? [];
  if (os === undefined) throw new Error(`${name} does not say which platform it is for`);
  return {
    version,
    cpu: [cpu],
    ...(dev && { dev }),
    ...(libc !== undefined && { libc: [LIBC[libc]] }),
    optional: true,
    os: [os],
  };
}
