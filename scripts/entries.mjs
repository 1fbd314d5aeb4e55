/** The package's subpaths and the sources behind them. Everything else about subpaths follows from this list. */
export const ENTRIES = {
  ".": "index.ts",
  "./core": "core.ts",
  "./express": "express.ts",
  "./authority": "authority/index.ts",
  "./testing": "testing/index.ts",
  "./workos": "stores/workos/index.ts",
  "./stytch": "stores/stytch/index.ts",
};

/** The `exports` of package.json that the entries ask for. */
export function exportsOf(entries) {
  const subpaths = Object.entries(entries).map(([subpath, source]) => [subpath, conditionsOf(source)]);
  return { ...Object.fromEntries(subpaths), "./package.json": "./package.json" };
}

/** Jest's `moduleNameMapper` that lets tests and examples import the package by its own name, from the sources. */
export function moduleNamesOf(entries) {
  const names = Object.entries(entries).map(([subpath, source]) => [
    `^orgate${subpath.slice(1)}$`,
    `<rootDir>/src/${source}`,
  ]);
  return Object.fromEntries(names);
}

// `module-sync` gives `require` the ES modules too, where Node can do that: one instance for both.
function conditionsOf(source) {
  const modules = targetOf("esm", source);
  return { "module-sync": modules, import: { ...modules }, require: targetOf("cjs", source) };
}

function targetOf(format, source) {
  const path = `./dist/${format}/${source.replace(/\.ts$/, "")}`;
  return { types: `${path}.d.ts`, default: `${path}.js` };
}
