/** @type {import("jest").Config} */
const config = {
  testEnvironment: "node",
  testMatch: ["<rootDir>/test/**/*.test.ts"],
  testPathIgnorePatterns: ["/node_modules/", "<rootDir>/test/package/projects/"],
  modulePathIgnorePatterns: ["<rootDir>/dist/", "<rootDir>/test/package/projects/"],
  extensionsToTreatAsEsm: [".ts"],
  transform: {
    "^.+\\.ts$": [
      "@swc/jest",
      {
        jsc: { parser: { syntax: "typescript" }, target: "es2023" },
        module: { type: "es6" },
        sourceMaps: "inline",
      },
    ],
  },
  moduleNameMapper: {
    "^orgate$": "<rootDir>/src/index.ts",
    "^orgate/(core|express)$": "<rootDir>/src/$1.ts",
    "^orgate/(authority|testing)$": "<rootDir>/src/$1/index.ts",
    "^orgate/(workos|stytch)$": "<rootDir>/src/stores/$1/index.ts",
  },
  coverageProvider: "v8",
  collectCoverageFrom: ["src/**/*.ts"],
};

export default config;
