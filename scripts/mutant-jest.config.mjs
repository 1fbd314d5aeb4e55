/** Jest's configuration for mutants: the tests of the sources, with a mutant in place of one file. */
import config from "../jest.config.js";

// A mutant that hangs must not take a minute to be noticed.
const TEST_TIMEOUT = 30_000;

const sources = config.projects.find(({ displayName }) => displayName === "sources");
const transform = Object.fromEntries(
  Object.entries(sources.transform).map(([pattern, [, options]]) => [
    pattern,
    ["<rootDir>/scripts/mutant-transform.mjs", options],
  ]),
);

export default {
  ...sources,
  transform,
  rootDir: "..",
  roots: ["<rootDir>/src", "<rootDir>/test"],
  watchman: false,
  testTimeout: TEST_TIMEOUT,
};
