/** The package's subpaths and the sources behind them. Everything else about subpaths follows from this list. */
export const ENTRIES = {
  ".": "index.ts",
  "./core": "core.ts",
  "./express": "express.ts",
  "./authority": "authority/index.ts",
  "./authority/workos": "authority/wire/workos/index.ts",
  "./authority/stytch": "authority/wire/stytch/index.ts",
  "./testing": "testing/index.ts",
  "./workos": "stores/workos/index.ts",
  "./stytch": "stores/stytch/index.ts",
  "./postgres": "fleet/postgres/index.ts",
  "./redis": "fleet/redis/index.ts",
};

/** What a subpath's files in dist are called. */
export function nameOf(subpath) {
  return subpath === "." ? "index" : subpath.slice("./".length).replaceAll("/", "-");
}

/** The fields of package.json that follow from the entries. */
export function manifestFieldsOf(entries) {
  const subpaths = Object.keys(entries);
  return {
    main: "./dist/index.cjs",
    types: "./dist/index.d.cts",
    // For TypeScript's resolution from before `exports`.
    typesVersions: {
      "*": Object.fromEntries(
        subpaths
          .filter((subpath) => subpath !== ".")
          .map((subpath) => [subpath.slice("./".length), [`./dist/${nameOf(subpath)}.d.cts`]]),
      ),
    },
    exports: {
      ...Object.fromEntries(subpaths.map((subpath) => [subpath, conditionsOf(nameOf(subpath))])),
      "./package.json": "./package.json",
    },
  };
}

/** Jest's `moduleNameMapper` that lets tests and examples import the package by its own name, from the sources. */
export function moduleNamesOf(entries) {
  const names = Object.entries(entries).map(([subpath, source]) => [
    `^orgate${subpath.slice(1)}$`,
    `<rootDir>/src/${source}`,
  ]);
  return Object.fromEntries(names);
}

function conditionsOf(name) {
  return {
    import: { types: `./dist/${name}.d.ts`, default: `./dist/${name}.js` },
    require: { types: `./dist/${name}.d.cts`, default: `./dist/${name}.cjs` },
  };
}
