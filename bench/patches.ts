import type { Edit } from "./build-variant.mjs";

/** What the requests of a measurement are like. */
export type Load = "bearer seen" | "cookie seen" | "bearer never seen" | "cookie never seen" | "refused";

/** Takes one optimisation out of the sources. */
export interface Patch {
  readonly name: string;
  /** The loads that the optimisation is for. */
  readonly loads: readonly Load[];
  /** Each text must occur once in the sources; where it no longer does, the ablation fails. */
  readonly edits: readonly Edit[];
}

/** Every optimisation that was made for speed and could be left out. Texts are single lines: they outlive more edits. */
export const PATCHES: readonly Patch[] = [
  {
    name: "response hook: on the application's prototype, not on each response",
    loads: ["bearer seen"],
    edits: [
      {
        find: "if (prototype === latestHooked || hooked.has(response)) return;",
        replace: "if (!hooked.has(response)) hookWriteHead(response); return;",
      },
    ],
  },
  {
    name: "stamp: private fields on the request, not a WeakMap",
    loads: ["bearer seen", "cookie seen"],
    edits: [
      {
        find: "if (!(#request in carrier)) return undefined;",
        replace: "if (carrier !== null) return strays.get(request);",
      },
      {
        find: "if (!(#request in carrier)) void new LatestRequestAuth(carrier, request, auth);",
        replace: "if (carrier !== null) strays.set(request, auth);",
      },
    ],
  },
  {
    name: "patience: the cache moves an entry only after a while",
    loads: ["bearer seen", "cookie seen"],
    edits: [
      {
        find: "if (session !== undefined && taken - session.usedAt > movesAfter) {",
        replace: "if (session !== undefined) {",
      },
    ],
  },
  {
    name: "digests: another encoding for each kind, not a prefix",
    loads: ["bearer seen", "cookie seen"],
    edits: [
      {
        find: "return sha256(value, DIGEST_ENCODINGS[kind]);",
        replace: 'return `${kind} ${sha256(value, "base64")}`;',
      },
    ],
  },
  {
    name: "shared roles: one list for equal lists",
    loads: ["bearer seen", "bearer never seen"],
    edits: [
      { find: "const key = JSON.stringify(names);", replace: "" },
      {
        find: "const known = roleLists.get(key);",
        replace: "const known = undefined as readonly string[] | undefined;",
      },
      { find: "roleLists.set(key, Object.freeze(names));", replace: "Object.freeze(names);" },
    ],
  },
  {
    name: "hour cache: hours are formatted once",
    loads: ["cookie never seen"],
    edits: [
      {
        find: "return formatHour(hour) + withinHour;",
        replace: "return new Date(instant).toISOString();",
      },
    ],
  },
  {
    name: "token headers: the last one is not parsed again",
    loads: ["bearer never seen", "refused"],
    edits: [
      { find: "if (last?.good?.part === part) return last.good.header;", replace: "" },
      { find: "if (last?.bad === part) return undefined;", replace: "" },
    ],
  },
  {
    name: "problems: bodies are written once",
    loads: ["refused"],
    edits: [
      {
        find: "const known = extensions === NO_EXTENSIONS ? plainProblems.get(code) : undefined;",
        replace: "const known = undefined as string | undefined;",
      },
    ],
  },
];
