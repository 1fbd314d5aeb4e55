import { randomUUID } from "node:crypto";

/** A document of one company. */
export interface Document {
  readonly id: string;
  readonly title: string;
  readonly author: string;
  readonly writtenAt: Date;
}

const MOST = 12;
const LONGEST_TITLE = 80;

/** The documents of all companies, in memory. Every method takes the organization, so none can read across tenants. */
export function createLibrary(now: () => number) {
  const hoursAgo = (hours: number): Date => new Date((now() - hours * 3600) * 1000);
  const seed = (title: string, author: string, hours: number): Document => ({
    id: randomUUID(),
    title,
    author,
    writtenAt: hoursAgo(hours),
  });
  const shelves = new Map<string, Document[]>([
    [
      "org_acme",
      [
        seed("Spring catalogue", "Grace Hopper", 3),
        seed("House style, third edition", "Ada Lovelace", 28),
        seed("Printing costs by quarter", "Grace Hopper", 70),
      ],
    ],
    [
      "org_globex",
      [seed("Notes on computable numbers", "Alan Turing", 5), seed("Lab safety", "Alan Turing", 50)],
    ],
    ["org_apogee", [seed("On-call rota", "Margaret Hamilton", 8)]],
    ["org_meridian", [seed("Rates, second quarter", "Dorothy Vaughan", 26)]],
  ]);
  const shelfOf = (organizationId: string): Document[] => shelves.get(organizationId) ?? [];
  return {
    list: (organizationId: string): readonly Document[] => shelfOf(organizationId),
    add(organizationId: string, title: string, author: string): void {
      const written = {
        id: randomUUID(),
        title: title.slice(0, LONGEST_TITLE),
        author,
        writtenAt: hoursAgo(0),
      };
      shelves.set(organizationId, [written, ...shelfOf(organizationId)].slice(0, MOST));
    },
    remove(organizationId: string, id: string): void {
      shelves.set(
        organizationId,
        shelfOf(organizationId).filter((one) => one.id !== id),
      );
    },
  };
}

/** The documents of the demo. */
export type Library = ReturnType<typeof createLibrary>;
