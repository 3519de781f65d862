/** Requirements on the roles of a caller; core reads and enforces them. */

/** Roles that a caller must hold. */
export type Requirement = string | { readonly any_of: readonly string[] } | { readonly all_of: readonly string[] };

/** Requires at least one of the roles. Throws a `TypeError` without any. */
export function anyOf(...roles: string[]): Requirement {
  return { any_of: some("anyOf", roles) };
}

/** Requires every one of the roles. Throws a `TypeError` without any. */
export function allOf(...roles: string[]): Requirement {
  return { all_of: some("allOf", roles) };
}

function some(what: string, roles: string[]): string[] {
  if (roles.length === 0) throw new TypeError(`${what}: expected at least one role`);
  return roles;
}
