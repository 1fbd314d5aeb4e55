export { createTestAuthority } from "./test-authority.ts";
export type { TestAuthority, TestAuthorityOptions } from "./test-authority.ts";
export { signedInAgents } from "./signed-in-agents.ts";
export type { SignedInAgent, SignedInAgents, SignedInAgentsOptions, SigningIn } from "./signed-in-agents.ts";
export type {
  RequestFunction,
  TestAgent,
  TestMethod,
  TestRequest,
  TestResponse,
  TestTarget,
} from "./test-agent.ts";
export type { CookieJar } from "./cookie-jar.ts";
export { sessionStoreContract } from "./store-contract.ts";
export { repositoryContract } from "./repository-contract.ts";
export type { RepositoryHarness } from "./contract/repository-cases.ts";
export type { ContractOptions, ContractTest } from "./contract/run-cases.ts";
export type { StoreHarness } from "./contract/subject.ts";
export { coordinatorContract } from "./coordinator-contract.ts";

export type { CoordinatorHarness } from "./contract/coordinator-harness.ts";
export { sharedCoordinator } from "./shared-coordinator.ts";
export type { SharedCoordinator, SharedCoordinatorOptions } from "./shared-coordinator.ts";
