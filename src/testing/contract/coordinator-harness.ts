import type { Coordinator } from "../../fleet/coordinator.ts";
import { skipUnless } from "./case-skipped.ts";

/** A coordinator and what a test needs to control it. Each case gets a harness of its own, whose keys nobody else uses. */
export interface CoordinatorHarness {
  /** Makes the coordinator of one more process. The harness closes it. */
  join(): Coordinator | Promise<Coordinator>;
  /** Lets so many seconds pass, with fractions, by the clock that leases and results expire by. */
  advance(seconds: number): void | Promise<void>;
  /** Makes the engine behind it fail. @defaultValue cases that need it are skipped */
  breakCoordinator?(): void | Promise<void>;
  /** Makes it work again. Required with `breakCoordinator`. */
  mendCoordinator?(): void | Promise<void>;
  /** Cuts the connections on which messages arrive; they are made again by themselves. @defaultValue cases that need it are skipped */
  cutChannel?(): void | Promise<void>;
  close(): void | Promise<void>;
}

/** The cases of the contract, by their titles. A case rejects if the coordinator breaks the promise. */
export type CoordinatorCases = Readonly<Record<string, (harness: CoordinatorHarness) => Promise<void>>>;

type With<Owner, Name extends keyof Owner> = Owner & Required<Pick<Owner, Name>>;

/** Skips the case if the coordinator lacks an optional method. */
export function needsCoordinatorMethod<Name extends keyof Coordinator>(
  coordinator: Coordinator,
  name: Name,
): asserts coordinator is With<Coordinator, Name> {
  skipUnless(coordinator[name], `Coordinator.${name}`);
}

/** Skips the case if the harness lacks an optional method. */
export function needsControl<Name extends keyof CoordinatorHarness>(
  harness: CoordinatorHarness,
  name: Name,
): asserts harness is With<CoordinatorHarness, Name> {
  skipUnless(harness[name], `CoordinatorHarness.${name}`);
}
