import { createRequire } from "node:module";

const { exports: subpaths } = createRequire(import.meta.url)("orgate/package.json");
const names = {};
for (const subpath of Object.keys(subpaths).filter((path) => path !== "./package.json")) {
  names[subpath] = Object.keys(await import(`orgate${subpath.slice(1)}`)).toSorted();
}
console.log(JSON.stringify(names));
