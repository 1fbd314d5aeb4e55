/**
 * What the code says only once. Each rule finds the places where one idea is written, by the syntax tree and not by
 * paths, so that it holds through moves and renames. `npm run measure` counts by the same rules.
 */
import {
  compareText,
  descend,
  FUNCTIONS,
  isFunction,
  lineAt,
  parseSource,
  rangeOf,
  type SourceText,
  type SyntaxNode,
  textOf,
} from "../../scripts/syntax-tree.mjs";
import { findDroppedErrors } from "./dropped-errors.ts";
import { isShapePredicate } from "./shape-predicates.ts";

/** A file of `src`, parsed. */
export interface ParsedSource extends SourceText {
  readonly nodesByType: ReadonlyMap<string, readonly Visited[]>;
}

export interface Visited {
  readonly node: SyntaxNode;
  readonly ancestors: readonly SyntaxNode[];
}

interface Finding {
  readonly path: string;
  readonly line: number;
  /** What was found, or the name that is declared twice. */
  readonly what: string;
}

/** One idea, and where it may be written. */
export interface Rule {
  readonly title: string;
  /** Files, or folders with a slash, where it may be written. */
  readonly allowedIn?: readonly string[];
  /** How many further files may do it. @defaultValue 0 */
  readonly otherFiles?: number;
  /** Whether each finding counts, rather than each file. @defaultValue false */
  readonly countsFindings?: boolean;
  readonly find: (sources: readonly ParsedSource[]) => readonly Finding[];
  /** Whether only two files together can break it. @defaultValue false */
  readonly comparesFiles?: boolean;
  /** Source text that the rule must find, and the folder that it is planted in. */
  readonly planted: string;
  readonly plantedIn?: string;
}

/** Parses files for the rules. */
export function parseAll(sources: readonly SourceText[]): ParsedSource[] {
  return sources.map((source) => {
    const nodesByType = new Map<string, Visited[]>();
    for (const visited of descend(parseSource(source.text).body)) {
      const alike = nodesByType.get(visited.node.type);
      if (alike === undefined) nodesByType.set(visited.node.type, [visited]);
      else alike.push(visited);
    }
    return { ...source, nodesByType };
  });
}

/** Lists where a rule is broken: `path:line what`, a line for each file or each finding. */
export function listViolations(rule: Rule, sources: readonly ParsedSource[]): string[] {
  const { allowedIn = [], otherFiles = 0, countsFindings = false } = rule;
  const found = rule.find(sources).filter(({ path }) => !allowedIn.some((place) => isIn(path, place)));
  const places = (countsFindings ? found : firstOfEachFile(found))
    .map(({ path, line, what }) => `${path}:${line} ${what}`)
    .toSorted(compareText);
  const admitted = places.slice(0, otherFiles).join(", ");
  return places
    .slice(otherFiles)
    .map((place) => (admitted === "" ? place : `${place} (besides ${admitted})`));
}

/** Owners of cryptography: digests and seals, and what the embedded authority derives from its keys. */
const CRYPTOGRAPHY = ["lib/crypto.ts", "authority/secrets.ts"];

const TESTING = "testing/";
const BINDINGS = ["ClassProperty", "PrivateProperty", "VariableDeclarator"];
const LITERALS = ["StringLiteral", "TemplateElement"];
const REFERENCES = [
  "CallExpression",
  "ExportAllDeclaration",
  "ExportNamedDeclaration",
  "ImportDeclaration",
  "TsImportType",
];

const RULES_OF_PLACES: readonly Rule[] = [
  {
    title: "calls store.renew",
    allowedIn: [TESTING],
    otherFiles: 1,
    find: eachNode(["MemberExpression"], (node, { text }) => {
      return isMember(node, "renew") && /(?:^|\.)store$/.test(textOf(text, node["object"]));
    }),
    planted: "export const again = (context) => context.store.renew(stale);",
  },
  {
    title: "admits a call to the store through the breaker",
    otherFiles: 1,
    find: eachNode(["CallExpression"], (node) => isCall(node, "admit")),
    planted: "export const begin = ({ breaker }) => breaker.admit();",
  },
  {
    title: "verifies a token: a presented one, and one that a store has just issued",
    // Applications call the Stytch store's own authenticateJwt directly.
    allowedIn: ["authority/", "stores/stytch/authenticate-jwt.ts", TESTING],
    otherFiles: 2,
    find: eachNode(["CallExpression"], (node, { text }) => {
      return isCall(node, "verify") && /verifier$/i.test(textOf(text, node["callee"].object));
    }),
    planted: "export const check = (engine) => engine.verifier.verify(token);",
  },
  {
    title: "makes a stale credential",
    allowedIn: [TESTING],
    find: eachNode(["ObjectExpression", ...FUNCTIONS, ...BINDINGS], (node, { text }) => {
      if (isFunction(node) && /\btoStaleCredential\(/.test(textOf(text, node))) return false;
      const type = resultTypeOf(node) ?? bindingTypeOf(node);
      return (
        isStaleCredential(node) ||
        (type !== undefined && /\bStaleCredential\b(?!\[)/.test(textOf(text, type)))
      );
    }),
    planted: "export function toStale(session: Session): StaleCredential { return session; }",
  },
  {
    title: "calls the repository",
    // One file checks its answers and limits its time; one other asks.
    allowedIn: ["authority/checked-repository.ts", TESTING],
    otherFiles: 1,
    find: eachNode(["MemberExpression"], (node, { text }) => {
      const isProperty = isMember(node, "close") || isMember(node, "durability");
      return !isProperty && /(?:^|\.)repository$/.test(textOf(text, node["object"]));
    }),
    planted: 'export const read = (context) => context.repository.read("sessions", id);',
  },
  {
    title: "imports a function that verifies signatures",
    // A key pair that an application brings must fit together.
    allowedIn: ["authority/signing-keys.ts"],
    otherFiles: 1,
    find: eachImport((module, name) => ["jose", "node:crypto"].includes(module) && /verify$/i.test(name)),
    planted: 'import { jwtVerify } from "jose";',
  },
  {
    title: "imports a whole module",
    find: eachNode(["ImportNamespaceSpecifier"], () => true),
    planted: 'import * as jose from "jose";',
  },
  {
    title: "imports iron-webcrypto",
    otherFiles: 1,
    find: eachImport((module) => module === "iron-webcrypto"),
    planted: 'import { seal } from "iron-webcrypto";',
  },
  {
    title: "races a timeout",
    allowedIn: ["lib/concurrency.ts", TESTING],
    find: eachNode(["MemberExpression"], (node, { text }) => {
      return /^(?:Promise\.race|AbortSignal\.timeout)$/.test(textOf(text, node));
    }),
    planted: "export const within = (work) => Promise.race([work, over]);",
  },
  {
    title: "keeps a map of promises",
    allowedIn: ["lib/concurrency.ts"],
    find: (sources) => sources.flatMap(findMapsOfPromises),
    planted: "interface Flight { settled: Promise<void> }\nconst flights = new Map<string, Flight>();",
  },
  {
    title: "keeps a value that is loaded, or backs off",
    allowedIn: ["lib/concurrency.ts", "lib/clock.ts"],
    find: eachNode(["BinaryExpression", ...BINDINGS], (node, { text }) => {
      if (node["operator"] === "**") return node["left"].type === "NumericLiteral";
      const type = bindingTypeOf(node);
      return type !== undefined && isMutable(node) && /^:?\s*Promise</.test(textOf(text, type));
    }),
    planted: "let loading: Promise<void> | undefined;",
  },
  {
    title: "computes a digest",
    allowedIn: ["lib/crypto.ts"],
    find: eachImport((module, name) => module === "node:crypto" && /^(?:createHash|hash)$/.test(name)),
    planted: 'import { createHash } from "node:crypto";',
  },
  {
    title: "imports createHmac",
    allowedIn: CRYPTOGRAPHY,
    find: eachImport((_module, name) => name === "createHmac"),
    planted: 'import { createHmac } from "node:crypto";',
  },
  {
    title: "imports timingSafeEqual",
    allowedIn: CRYPTOGRAPHY,
    find: eachImport((_module, name) => name === "timingSafeEqual"),
    planted: 'import { timingSafeEqual } from "node:crypto";',
  },
  {
    title: "encrypts with node:crypto",
    allowedIn: CRYPTOGRAPHY,
    find: eachImport((_module, name) => /^create(?:Cipher|Decipher)iv$/.test(name)),
    planted: 'import { createCipheriv } from "node:crypto";',
  },
  {
    title: "imports hkdfSync",
    otherFiles: 1,
    find: eachImport((_module, name) => name.startsWith("hkdf")),
    planted: 'import { hkdfSync } from "node:crypto";',
  },
  {
    title: "suggests a similar name",
    otherFiles: 1,
    find: eachNode(LITERALS, (node) => isLiteral(node, /did you mean/i)),
    planted: "export const suggest = (name) => `Did you mean ${name}?`;",
  },
  {
    title: "declares a predicate for a plain shape",
    allowedIn: ["lib/values.ts"],
    find: eachNode(FUNCTIONS, (node, { text }) => isShapePredicate(node, text)),
    planted: 'export const isText = (value) => typeof value === "string" && value !== "";',
  },
  {
    title: "checks for an object inline",
    allowedIn: ["lib/values.ts"],
    find: (sources) => sources.flatMap(findInlineObjectChecks),
    planted: 'if (typeof given !== "object" || given === null) throw new Error();',
  },
  {
    title: "forbids caching",
    otherFiles: 1,
    find: eachNode(LITERALS, (node) => isLiteral(node, /no-store/)),
    planted: 'response.setHeader("Cache-Control", "no-store");',
  },
  {
    title: "parses JSON that comes from elsewhere",
    allowedIn: [
      "lib/strict-json.ts",
      "lib/json-client.ts",
      "lib/crypto.ts",
      "authority/repository.ts",
      "authority/secrets.ts",
      "fleet/postgres/stored-values.ts",
      "fleet/redis/document.ts",
      TESTING,
    ],
    find: eachNode(["CallExpression"], (node, { text }) => {
      if (isCall(node, "json")) return node["arguments"].length === 0;
      return isCall(node, "parse") && /^JSON\.parse\((?!JSON\.stringify\()/.test(textOf(text, node));
    }),
    planted: "export const body = await response.json();",
  },
  {
    title: "seals a short-lived cookie",
    otherFiles: 1,
    find: eachNode(["CallExpression"], (node) => {
      return isCall(node, "sealValue") || isCall(node, "unsealValue");
    }),
    planted: "export const open = (engine, value) => engine.sealer.unsealValue(value);",
  },
  {
    title: "converts names between snake case and camel case",
    otherFiles: 1,
    find: (sources) => sources.flatMap(findCaseTables),
    planted: 'const NAMES = { member_id: "memberId", session_id: "sessionId" };',
  },
];

/** Public names that two entries have, each with its own meaning; and the roles of a session, on both sides of the store. */
const TWINS = /^(?:AuthenticateWith(?:OrganizationSelection|RefreshToken)Input|rolesOf) /;

const RULES_OF_NAMES: readonly Rule[] = [
  {
    title: "declares a constant of a name that another file has",
    countsFindings: true,
    comparesFiles: true,
    find: (sources) => findRepeated(sources, listConstants),
    planted: "const PLANTED_LIMIT = 1;",
  },
  {
    title: "exports a name that another file declares and exports",
    countsFindings: true,
    comparesFiles: true,
    find: (sources) => findRepeated(sources, listExports).filter(({ what }) => !TWINS.test(what)),
    planted: "export interface PlantedShape {}",
  },
];

/** Catches whose error tells nothing that could be passed on, and why. */
const NOTHING_TO_PASS_ON: Readonly<Record<string, { readonly catches: number; readonly why: string }>> = {
  "authority/repository.ts": {
    catches: 1,
    why: "reading a thrown value throws; the value itself is the cause",
  },
  "authority/wire/router.ts": {
    catches: 1,
    why: "a malformed percent-encoding in a path is a path of nothing",
  },
  "errors.ts": { catches: 1, why: "a thrown value that throws when it is read is not an error of orgate" },
  "lib/crypto.ts": { catches: 1, why: "a good seal that is not JSON was made by another program" },
  "sign-in/establish.ts": { catches: 1, why: "an error whose getter throws goes on unchanged" },
  "request/call-store.ts": { catches: 1, why: "reading a thrown value throws" },
};

const RULES_OF_ERRORS: readonly Rule[] = [
  {
    title: "catches an error without reading it",
    countsFindings: true,
    find: (sources) =>
      sources.flatMap((source) =>
        findDroppedErrors(source).slice(NOTHING_TO_PASS_ON[source.path]?.catches ?? 0),
      ),
    planted: "try { act(); } catch { retry(); }",
  },
];

const RULES_OF_FOLDERS: readonly Rule[] = [
  {
    title: "lib imports from another folder of src",
    countsFindings: true,
    find: eachReference((from, to) => from.startsWith("lib/") && to.includes("/") && !to.startsWith("lib/")),
    planted: 'import { policyOf } from "../policy/policy.ts";',
    plantedIn: "lib",
  },
  {
    title: "a store imports from request, guards or sign-in",
    countsFindings: true,
    find: eachReference((from, to) => from.startsWith("stores/") && /^(?:request|guards|sign-in)\//.test(to)),
    planted: 'import { authenticate } from "../../request/authenticate.ts";',
    plantedIn: "stores/workos",
  },
  {
    title: "request, sign-in or guards imports from a store or the authority",
    countsFindings: true,
    find: eachReference(
      (from, to) => /^(?:request|guards|sign-in)\//.test(from) && /^(?:stores|authority)\//.test(to),
    ),
    planted: 'const { workos } = await import("../stores/workos/workos.ts");',
    plantedIn: "sign-in",
  },
  {
    title: "imports Express",
    allowedIn: ["express.ts"],
    find: eachImport((module) => /^express(?:$|\/)|^express-serve-static-core$/.test(module)),
    planted: 'import type { Request } from "express";',
  },
];

/** Every rule. */
export const RULES: readonly Rule[] = [
  ...RULES_OF_PLACES,
  ...RULES_OF_NAMES,
  ...RULES_OF_ERRORS,
  ...RULES_OF_FOLDERS,
];

function isIn(path: string, place: string): boolean {
  return place.endsWith("/") ? path.startsWith(place) : path === place;
}

function firstOfEachFile(findings: readonly Finding[]): Finding[] {
  return [...new Map(findings.toReversed().map((finding) => [finding.path, finding])).values()];
}

/** Finds nodes of some types, of which `matches` decides. */
function eachNode(
  types: readonly string[],
  matches: (node: SyntaxNode, source: SourceText) => boolean,
): Rule["find"] {
  return (sources) =>
    sources.flatMap((source) =>
      nodesOf(source, types)
        .filter(({ node }) => matches(node, source))
        .map(({ node }) => findingAt(source, node)),
    );
}

function nodesOf({ nodesByType }: ParsedSource, types: readonly string[]): readonly Visited[] {
  return types.flatMap((type) => nodesByType.get(type) ?? []);
}

function findingAt({ path, text }: SourceText, node: SyntaxNode, what?: string): Finding {
  const written = textOf(text, node).replaceAll(/\s+/g, " ").slice(0, 70);
  return { path, line: lineAt(text, rangeOf(node).start), what: what ?? written };
}

/** Finds imports by module and imported name. */
function eachImport(matches: (module: string, name: string) => boolean): Rule["find"] {
  return eachNode(REFERENCES, (node) => {
    if (node.type === "ImportDeclaration") {
      const module: string = node["source"].value;
      const specifiers: readonly SyntaxNode[] = node["specifiers"];
      return specifiers.some((specifier) => matches(module, importedName(specifier)));
    }
    const module = dynamicModule(node);
    return module !== undefined && matches(module, "");
  });
}

function importedName(specifier: SyntaxNode): string {
  return specifier["imported"]?.value ?? specifier["local"].value;
}

function dynamicModule(node: SyntaxNode): string | undefined {
  if (node.type === "TsImportType") return node["argument"].value;
  if (node.type !== "CallExpression" || node["callee"].type !== "Import") return undefined;
  return node["arguments"][0]?.expression.value;
}

function eachReference(matches: (from: string, to: string) => boolean): Rule["find"] {
  return eachNode(REFERENCES, (node, { path }) => {
    const module: unknown = node["source"]?.value ?? dynamicModule(node);
    if (typeof module !== "string" || !module.startsWith(".")) return false;
    return matches(path, resolve(path, module));
  });
}

function resolve(from: string, module: string): string {
  return new URL(module, `file:///${from}`).pathname.slice(1);
}

function isMember(node: SyntaxNode, name: string): boolean {
  return node.type === "MemberExpression" && node["property"].value === name;
}

function isCall(node: SyntaxNode, method: string): boolean {
  return node.type === "CallExpression" && isMember(node["callee"], method);
}

function isLiteral(node: SyntaxNode, pattern: RegExp): boolean {
  if (node.type === "StringLiteral") return pattern.test(node["value"]);
  return node.type === "TemplateElement" ? pattern.test(node["raw"]) : false;
}

/** An object literal with the parts of a credential and the reason for which the store is asked. */
function isStaleCredential(node: SyntaxNode): boolean {
  if (node.type !== "ObjectExpression") return false;
  const properties: readonly SyntaxNode[] = node["properties"];
  const names = properties.map((property): unknown => property["key"]?.value ?? property["value"]);
  return (
    names.includes("reason") && ["accessToken", "claims", "opaqueToken"].some((name) => names.includes(name))
  );
}

/** The type that is written as a function's result. */
function resultTypeOf(node: SyntaxNode): SyntaxNode | undefined {
  return (node["function"] ?? node)["returnType"] ?? undefined;
}

/** The type that is written at a variable or a property. */
function bindingTypeOf(node: SyntaxNode): SyntaxNode | undefined {
  if (node.type === "VariableDeclarator") return node["id"].typeAnnotation ?? undefined;
  if (node.type === "ClassProperty" || node.type === "PrivateProperty")
    return node["typeAnnotation"] ?? undefined;
  return undefined;
}

function isMutable(node: SyntaxNode): boolean {
  return node["readonly"] !== true && !(node.type === "VariableDeclarator" && node["init"] !== null);
}

/** Maps whose values are promises, or objects of the same file that hold one. */
function findMapsOfPromises(source: ParsedSource): Finding[] {
  const { text } = source;
  const holders = nodesOf(source, ["TsInterfaceDeclaration", "TsTypeAliasDeclaration"])
    // A type of functions holds no promise; calling one makes it.
    .filter(({ node }) => node["typeAnnotation"]?.type !== "TsFunctionType")
    .filter(({ node }) => /\bPromise</.test(textOf(text, node["body"] ?? node["typeAnnotation"])))
    .map(({ node }): string => node["id"].value);
  return nodesOf(source, ["NewExpression", "CallExpression", "TsTypeReference"])
    .filter(({ node }) => {
      const name: string = node["typeName"]?.value ?? node["callee"]?.value ?? "";
      const parameters: SyntaxNode | undefined = node["typeParams"] ?? node["typeArguments"];
      if (!/(?:Map|Cache)$/.test(name) || parameters === undefined || parameters === null) return false;
      const value: SyntaxNode | undefined = parameters["params"][1];
      if (value === undefined) return false;
      const written = textOf(text, value);
      return (
        /\bPromise</.test(written) || holders.some((holder) => new RegExp(`\\b${holder}\\b`).test(written))
      );
    })
    .map(({ node }) => findingAt(source, node));
}

/** `typeof value === "object" && value !== null`, in any form, that is not a predicate by itself. */
function findInlineObjectChecks(source: ParsedSource): Finding[] {
  const { text } = source;
  return nodesOf(source, ["BinaryExpression"])
    .filter(({ node, ancestors }) => {
      if (!/^[&|]{2}$/.test(node["operator"])) return false;
      const parts = textOf(text, node).replaceAll(/\s+/g, " ");
      if (!/^typeof (\S+) (?:===|!==) "object" (?:&&|\|\|) \1 (?:===|!==) null$/.test(parts)) return false;
      return !ancestors.some((ancestor) => isFunction(ancestor) && isShapePredicate(ancestor, text));
    })
    .map(({ node }) => findingAt(source, node));
}

/** Tables that pair a name in snake case with the same name in camel case, and expressions that convert one. */
function findCaseTables(source: ParsedSource): Finding[] {
  const pairs = nodesOf(source, ["KeyValueProperty", "ArrayExpression"]).filter(({ node }) => {
    const names: unknown[] =
      node.type === "KeyValueProperty"
        ? [node["key"].value, literalOf(node["value"])]
        : node.type === "ArrayExpression" && node["elements"].length === 2
          ? node["elements"].map((element: { expression: SyntaxNode } | null) =>
              literalOf(element?.expression),
            )
          : [];
    const [one, other] = names.map(String);
    if (names.length !== 2 || one === undefined || other === undefined) return false;
    return one !== other && (toCamelCase(one) === other || toCamelCase(other) === one);
  });
  const conversions = nodesOf(source, ["RegExpLiteral"]).filter(({ node }) =>
    /_\(\[a-z|^\[A-Z\]$|\(\[A-Z\]\)/.test(node["pattern"]),
  );
  return [...(pairs.length >= 2 ? pairs : []), ...conversions].map(({ node }) => findingAt(source, node));
}

function literalOf(node: SyntaxNode | undefined): unknown {
  return node?.type === "StringLiteral" ? node["value"] : undefined;
}

function toCamelCase(name: string): string {
  return name.replaceAll(/_([a-z\d])/g, (_, letter: string) => letter.toUpperCase());
}

/** Names that more than one file declares: a finding for each name, in the second file. */
function findRepeated(
  sources: readonly ParsedSource[],
  list: (source: ParsedSource) => readonly string[],
): Finding[] {
  const files = new Map<string, string[]>();
  for (const source of sources) {
    for (const name of new Set(list(source))) files.set(name, [...(files.get(name) ?? []), source.path]);
  }
  return [...files].flatMap(([name, paths]) => {
    const [first = "", ...others] = paths;
    return others
      .filter((path) => !areParallel(first, path))
      .map((path) => ({ path, line: 1, what: `${name} also in ${first}` }));
  });
}

/** Folders that implement the same operations beside each other: a name in two of them has one meaning. */
const PARALLEL = /^(?:stores|authority\/wire)\/(?:workos|stytch)\//;

function areParallel(one: string, other: string): boolean {
  const [a, b] = [PARALLEL.exec(one)?.[0], PARALLEL.exec(other)?.[0]];
  return a !== undefined && b !== undefined && a !== b;
}

function listConstants(source: ParsedSource): string[] {
  return nodesOf(source, ["VariableDeclarator"])
    .filter(({ node }) => node["id"].type === "Identifier")
    .map(({ node }): string => node["id"].value)
    .filter((name) => /^[A-Z][A-Z\d_]+$/.test(name));
}

function listExports(source: ParsedSource): string[] {
  return nodesOf(source, ["ExportDeclaration"]).flatMap(({ node }): string[] => {
    const declaration: SyntaxNode = node["declaration"];
    const declared: readonly SyntaxNode[] = declaration["declarations"] ?? [declaration];
    return declared.map(({ id, identifier }) => String((identifier ?? id).value));
  });
}
