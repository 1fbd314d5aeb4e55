/**
 * Describes the public contract as text, one promise a line: the names that every entry exports, the members of every
 * public type (options, methods, events, results) with their types, and which of them are optional.
 *
 * The types come from TypeScript's checker and start at the entry files, so the text does not change when a file, or a
 * type that no entry exports, is moved or renamed.
 *
 * npm run contract             prints it
 * npm run contract -- --write  writes test/architecture/public-contract.txt, which a test compares
 */
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { API } from "typescript/unstable/sync";
import { ENTRIES } from "./entries.mjs";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");
const SNAPSHOT = join(ROOT, "test/architecture/public-contract.txt");
const FLAG = {
  alias: 2_097_152,
  optional: 16_777_216,
  class: 32,
  typeAlias: 524_288,
  value: 111_551,
  type: 788_968,
};
const TYPE = { boolean: 256, object: 1_048_576, typeParameter: 524_288 };
const MAPPED = 32;
const NO_TRUNCATION = 1;

/** Describes the contract of every entry. */
export function describeContract() {
  const api = new API({ cwd: ROOT });
  try {
    const [project] = api.updateSnapshot({ openProject: join(ROOT, "tsconfig.json") }).getProjects();
    return new ContractWriter(project).describeEntries();
  } finally {
    api.close();
  }
}

class ContractWriter {
  #checker;
  #entries;
  /** Names by symbol, so that a public type is written by its name inside others. */
  #publicNames = new Map();
  /** Names by union type: the checker forgets the alias of some. */
  #publicUnions = new Map();
  #described = new Map();
  #open = new Set();

  constructor({ checker, program }) {
    this.#checker = checker;
    this.#entries = Object.entries(ENTRIES).map(([subpath, source]) => {
      const file = program.getSourceFile(join(ROOT, "src", source));
      const exported = checker.getExportsOfModule(checker.getSymbolAtLocation(file));
      return { subpath, names: exported.map((symbol) => this.#resolve(symbol)).toSorted(byName) };
    });
    for (const { name, symbol } of this.#entries.flatMap(({ names }) => names)) {
      this.#publicNames.set(symbol.id, name);
      if ((symbol.flags & FLAG.typeAlias) === 0) continue;
      const type = checker.getDeclaredTypeOfSymbol(symbol);
      if (type.isUnionType() && !this.#publicUnions.has(type.id)) this.#publicUnions.set(type.id, name);
    }
  }

  describeEntries() {
    const lines = this.#entries.flatMap(({ subpath, names }) => [
      `# ${subpath}`,
      ...names.flatMap(({ name, symbol }) => this.#describeName(subpath, name, symbol)),
      "",
    ]);
    return lines.join("\n");
  }

  #resolve(symbol) {
    const target = (symbol.flags & FLAG.alias) === 0 ? symbol : this.#checker.getAliasedSymbol(symbol);
    return { name: symbol.name, symbol: target };
  }

  #describeName(subpath, name, symbol) {
    const kind = (symbol.flags & FLAG.value) === 0 ? "type" : "value";
    const earlier = this.#described.get(symbol.id);
    if (earlier !== undefined) return [`${kind} ${name} = ${earlier}`];
    this.#described.set(symbol.id, `${subpath} ${name}`);
    const lines = [`${kind} ${name}`];
    if (kind === "value") lines.push(...this.#describeTop(name, this.#checker.getTypeOfSymbol(symbol)));
    if ((symbol.flags & FLAG.type) !== 0) {
      const type = this.#checker.getDeclaredTypeOfSymbol(symbol);
      lines.push(...this.#describeTop(name, type, (symbol.flags & FLAG.class) !== 0));
    }
    return lines;
  }

  /** Writes a type as lines of its own: a line for each member of an object and for each member of a union. */
  #describeTop(name, type, isClass = false) {
    this.#open.clear();
    if (type.isUnionType()) {
      return this.#writeUnion(type.getTypes()).map((text) => `  ${name} | ${text}`);
    }
    const parts = type.isIntersectionType() ? type.getTypes() : [type];
    const hasMembers = parts.every(({ flags }) => (flags & TYPE.object) !== 0);
    if (!hasMembers || this.#isOpaque(type)) return [`  ${name}: ${this.#print(type)}`];
    const own = symbolOf(type);
    if (own !== undefined) this.#open.add(own.id);
    const separator = isClass ? "#" : ".";
    return [
      ...this.#writeForeignBases(type).map((text) => `  ${name} extends ${text}`),
      ...this.#writeSignatures(type).map((text) => `  ${name}: ${text}`),
      ...this.#writeMembers(type).map((text) => `  ${name}${separator}${text}`),
    ];
  }

  #write(type) {
    if ((type.flags & TYPE.boolean) !== 0) return "boolean";
    const known = this.#writeByName(type);
    if (known !== undefined) return known;
    if (type.isUnionType()) return this.#writeUnion(type.getTypes()).join(" | ");
    if (type.isIntersectionType()) {
      return type
        .getTypes()
        .map((part) => this.#write(part))
        .toSorted(byCodeUnit)
        .join(" & ");
    }
    if (this.#checker.isTupleType(type)) return `[${this.#writeArguments(type)}]`;
    if (this.#checker.isArrayType(type)) return `Array<${this.#writeArguments(type)}>`;
    if ((type.flags & TYPE.object) === 0 || this.#isOpaque(type)) return this.#print(type);
    return this.#writeObject(type);
  }

  /** Writes a public type by its name, and a type of the platform by its own. */
  #writeByName(type) {
    const alias = type.getAliasSymbol();
    if (alias !== undefined && this.#publicNames.has(alias.id)) {
      return this.#publicNames.get(alias.id) + this.#bracket(type.getAliasTypeArguments());
    }
    if (this.#publicUnions.has(type.id)) return this.#publicUnions.get(type.id);
    const symbol = symbolOf(type);
    if (symbol === undefined || isAnonymous(symbol) || this.#checker.isArrayType(type)) return undefined;
    if (!this.#publicNames.has(symbol.id) && !isForeign(symbol.declarations) && !this.#open.has(symbol.id)) {
      return undefined;
    }
    const parameters = type.isTypeReference() ? this.#checker.getTypeArguments(type) : [];
    return (this.#publicNames.get(symbol.id) ?? symbol.name) + this.#bracket(parameters);
  }

  #bracket(parameters) {
    const shown = (parameters ?? []).filter((type) => type.isThisType !== true);
    return shown.length === 0 ? "" : `<${shown.map((type) => this.#write(type)).join(", ")}>`;
  }

  #writeArguments(type) {
    return this.#checker
      .getTypeArguments(type)
      .map((item) => this.#write(item))
      .join(", ");
  }

  #writeUnion(types) {
    const parts = new Set(types.map((type) => parenthesize(this.#write(type))));
    if (parts.has("true") && parts.has("false")) {
      parts.delete("true");
      parts.delete("false");
      parts.add("boolean");
    }
    return [...parts].toSorted(byCodeUnit);
  }

  #writeObject(type) {
    const symbol = symbolOf(type);
    const named = symbol !== undefined && !isAnonymous(symbol);
    if (named) this.#open.add(symbol.id);
    const parts = [...this.#writeSignatures(type), ...this.#writeMembers(type)];
    if (named) this.#open.delete(symbol.id);
    return parts.length === 1 && parts[0].includes("=>") && /^[<(]/.test(parts[0])
      ? parts[0]
      : `{ ${parts.join("; ")} }`;
  }

  #writeMembers(type) {
    const properties = this.#checker.getPropertiesOfType(type);
    const own = hasName(type) ? properties.filter(isOurs) : properties;
    const members = own.map((property) => {
      const optional = (property.flags & FLAG.optional) === 0 ? "" : "?";
      return `${nameOf(property)}${optional}: ${this.#write(this.#checker.getTypeOfSymbol(property))}`;
    });
    const indexed = this.#checker
      .getIndexInfosOfType(type)
      .map((info) => `[${this.#write(info.keyType)}]: ${this.#write(info.valueType)}`);
    return [...members, ...indexed].toSorted(byCodeUnit);
  }

  /** Writes the platform's types that a type extends, in place of the members that it has from them. */
  #writeForeignBases(type) {
    if (!type.isClassOrInterface()) return [];
    return this.#checker.getBaseTypes(type).flatMap((base) => {
      const symbol = symbolOf(base);
      return symbol !== undefined && isForeign(symbol.declarations) ? [this.#write(base)] : [];
    });
  }

  #writeSignatures(type) {
    const calls = this.#checker.getSignaturesOfType(type, 0).map((signature) => this.#writeCall(signature));
    const makers = this.#checker
      .getSignaturesOfType(type, 1)
      .map((signature) => `new ${this.#writeCall(signature)}`);
    return [...calls, ...makers];
  }

  /** Writes parameters by position and type alone: their names promise nothing. */
  #writeCall(signature) {
    const generics = signature.getTypeParameters().map((parameter) => this.#writeTypeParameter(parameter));
    const parameters = signature.getParameters().map((parameter, index, all) => {
      const type = this.#checker.getTypeOfSymbol(parameter);
      if (signature.hasRestParameter && index === all.length - 1) return this.#writeRest(type);
      return isOptional(parameter) ? `${this.#write(type)}?` : this.#write(type);
    });
    const predicate = this.#checker.getTypePredicateOfSignature(signature);
    const result =
      predicate?.type === undefined
        ? this.#write(this.#checker.getReturnTypeOfSignature(signature))
        : `is ${this.#write(predicate.type)}`;
    const bracket = generics.length === 0 ? "" : `<${generics.join(", ")}>`;
    return `${bracket}(${parameters.join(", ")}) => ${result}`;
  }

  /** Writes a rest parameter; one of a tuple of required elements is the same as those parameters. */
  #writeRest(type) {
    const isList =
      this.#checker.isTupleType(type) && type.getTarget().elementFlags.every((flag) => flag === 1);
    return isList ? this.#writeArguments(type) : `...${this.#write(type)}`;
  }

  #writeTypeParameter(parameter) {
    const constraint = this.#checker.getConstraintOfTypeParameter(parameter);
    const name = symbolOf(parameter)?.name ?? "?";
    return constraint === undefined ? name : `${name} extends ${this.#write(constraint)}`;
  }

  /** Mapped and deferred types that only the caller's type arguments resolve. */
  #isOpaque(type) {
    if (((type.objectFlags ?? 0) & MAPPED) === 0) return false;
    const properties = this.#checker.getPropertiesOfType(type);
    // Over a tuple of type parameters, a mapped type has an array's own methods.
    if (properties.some(({ name }) => name.startsWith("__@iterator"))) return true;
    return properties.length === 0 && this.#checker.getIndexInfosOfType(type).length === 0;
  }

  #print(type) {
    return this.#checker.typeToString(type, undefined, NO_TRUNCATION).replaceAll(/\s+/g, " ");
  }
}

function symbolOf(type) {
  return type.getSymbol();
}

/** A property's name; TypeScript writes a symbol as `__@name@id`. */
function nameOf({ name }) {
  return name.replace(/^__@(\w+)@\d+$/, "[$1]");
}

function isAnonymous(symbol) {
  return symbol.name.startsWith("__");
}

/** Whether a type is a class (its constructor too) or an interface, rather than built from others. */
function hasName(type) {
  const symbol = symbolOf(type);
  return symbol !== undefined && !isAnonymous(symbol);
}

function isOurs(property) {
  return property.name !== "prototype" && !isForeign(property.declarations);
}

function isForeign(declarations) {
  const sources = join(ROOT, "src").toLowerCase();
  return declarations.length > 0 && declarations.every(({ path }) => !path.toLowerCase().startsWith(sources));
}

function parenthesize(text) {
  return /^[<(]|^new /.test(text) ? `(${text})` : text;
}

function isOptional(parameter) {
  if ((parameter.flags & FLAG.optional) !== 0) return true;
  const declaration = parameter.valueDeclaration?.resolve();
  return declaration?.questionToken !== undefined || declaration?.initializer !== undefined;
}

function byName(left, right) {
  return byCodeUnit(left.name, right.name);
}

function byCodeUnit(left, right) {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const text = describeContract();
  if (process.argv.includes("--write")) writeFileSync(SNAPSHOT, text);
  else process.stdout.write(text);
}
