export declare const ENTRIES: Readonly<Record<string, string>>;
export declare function nameOf(subpath: string): string;
export declare function manifestFieldsOf(entries: Readonly<Record<string, string>>): Record<string, unknown>;
export declare function moduleNamesOf(entries: Readonly<Record<string, string>>): Record<string, string>;
