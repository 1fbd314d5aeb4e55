import { createAuthority, memoryDirectory } from "orgate/authority";
import { definePolicy, orgate } from "orgate";
import { stytch } from "orgate/stytch";

/** What the benchmark calls of one build of the package. The ablation has several builds in one process. */
export interface PackageBuild {
  readonly orgate: typeof orgate;
  readonly definePolicy: typeof definePolicy;
  readonly createAuthority: typeof createAuthority;
  readonly memoryDirectory: typeof memoryDirectory;
  readonly stytch: typeof stytch;
}

/** The package as it is. */
export const CURRENT: PackageBuild = { orgate, definePolicy, createAuthority, memoryDirectory, stytch };
