export * from "./core.ts";
export type { RequestProperties } from "./augment.ts";
